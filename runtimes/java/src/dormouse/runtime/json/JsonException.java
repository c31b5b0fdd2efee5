package dormouse.runtime.json;

/** Text that is not JSON, or JSON and a Java type that do not fit together. */
public final class JsonException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public JsonException(String message) {
        super(message);
    }

    public JsonException(String message, Throwable cause) {
        super(message, cause);
    }
}
