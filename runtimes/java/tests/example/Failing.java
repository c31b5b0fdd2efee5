package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.io.IOException;
import java.util.Map;

/** Functions that fail. */
public class Failing implements RequestHandler<Map<String, Object>, String> {
    public static class OwnException extends Exception {
        private static final long serialVersionUID = 1;

        OwnException(String message, Throwable cause) {
            super(message, cause);
        }
    }

    @Override
    public String handleRequest(Map<String, Object> event, Context context) {
        throw new IllegalArgumentException("boom");
    }

    public String checked(Object event) throws OwnException {
        try {
            throw new IOException("disk");
        } catch (IOException e) {
            throw new OwnException("zażółć\nsecond line", e);
        }
    }

    public String noMessage(Object event) {
        throw new IllegalStateException();
    }

    public String nested(Object event) {
        return inner();
    }

    private String inner() {
        return Integer.toString(1 / Integer.parseInt("0"));
    }

    public String recursive(Object event) {
        return recursive(event) + "x";
    }

    public String exit(Object event) {
        System.exit(3);
        return "never";
    }

    public String halt(Object event) {
        System.out.println("last words");
        Runtime.getRuntime().halt(5);
        return "never";
    }

    public String memory(Object event) {
        return String.valueOf(new long[Integer.MAX_VALUE - 8].length);
    }

    private static boolean hasFailed;

    public String once(Map<String, Boolean> event) {
        if (event.getOrDefault("fail", false)) {
            throw new IllegalStateException("asked to");
        }
        return "fine";
    }

    public String interrupted(Map<String, Boolean> event) {
        boolean before = Thread.currentThread().isInterrupted();
        Thread.currentThread().interrupt();
        return "interrupted before: " + before;
    }

    public static class InConstructor {
        public InConstructor() {
            throw new IllegalStateException("no configuration");
        }

        public String handle(Object event) {
            return "never";
        }
    }

    public static class InStaticBlock {
        static {
            if (true) {
                throw new IllegalStateException("no static configuration");
            }
        }

        public String handle(Object event) {
            return "never";
        }
    }

    public static class ExitsWhileLoaded {
        static {
            System.exit(4);
        }

        public String handle(Object event) {
            return "never";
        }
    }
}
