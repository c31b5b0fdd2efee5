package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.RequestStreamHandler;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.util.Collections;
import java.util.Map;

/** Classes that implement the interfaces, each in another way. */
public class Typed implements RequestHandler<Map<String, String>, String> {
    @Override
    public String handleRequest(Map<String, String> event, Context context) {
        return "typed " + event.get("name");
    }

    /** Says its types through an abstract class. */
    public static class Derived extends Base<Shapes.Order> {
        @Override
        String describe(Shapes.Order order) {
            return order.getItem() + " x " + order.getCount();
        }
    }

    abstract static class Base<T> implements RequestHandler<T, Map<String, String>> {
        @Override
        public Map<String, String> handleRequest(T event, Context context) {
            return Collections.singletonMap("described", describe(event));
        }

        abstract String describe(T event);
    }

    public static class Bytes implements RequestStreamHandler {
        @Override
        public void handleRequest(InputStream input, OutputStream output, Context context) throws IOException {
            int c = input.read();
            while (c >= 0) {
                output.write(Character.toUpperCase(c));
                c = input.read();
            }
        }
    }

    public static class NotAHandler {}

    public static class Open<T> implements RequestHandler<T, String> {
        @Override
        public String handleRequest(T event, Context context) {
            return "never";
        }
    }

    @SuppressWarnings("rawtypes")
    public static class Raw implements RequestHandler {
        @Override
        public Object handleRequest(Object event, Context context) {
            return "never";
        }
    }

    public class Inner implements RequestHandler<String, String> {
        @Override
        public String handleRequest(String event, Context context) {
            return "never";
        }
    }

    public static class NoConstructor implements RequestHandler<String, String> {
        public NoConstructor(String argument) {}

        @Override
        public String handleRequest(String event, Context context) {
            return "never";
        }
    }

    /** Streams without an interface. */
    public static class Streams {
        public void both(InputStream input, OutputStream output) throws IOException {
            output.write('"');
            output.write(input.read());
            output.write('"');
        }

        public void all(InputStream input, OutputStream output, Context context) throws IOException {
            output.write(('"' + context.getFunctionName() + '"').getBytes());
        }

        public void out(OutputStream output) throws IOException {
            output.write("[1]".getBytes());
        }

        public void in(InputStream input, Context context) throws IOException {
            System.out.println("first byte " + input.read());
        }

        public void wrong(String event, String other) {}
    }
}
