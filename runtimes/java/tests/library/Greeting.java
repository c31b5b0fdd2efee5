package library;

/** Packed as a jar of its own. */
public class Greeting {
    /** Built at run time, so that the compiler does not copy it. */
    public static final String TEXT = new String("hello from a jar");
}
