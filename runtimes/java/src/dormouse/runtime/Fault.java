package dormouse.runtime;

import dormouse.runtime.json.ObjectWriter;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.Set;

/**
 * A failure in the words of Lambda's Java runtime, and the documents that tell of one.
 *
 * Frames of the runtime itself, and what lies below them, are cut off every stack trace: it begins
 * and ends with the function's code.
 */
final class Fault extends RuntimeException {
    /** Error type of functions that cannot be loaded. */
    static final String BAD_FUNCTION_CODE = "Runtime.BadFunctionCode";
    /** Error type of functions that threw. */
    static final String USER_EXCEPTION = "Runtime.UserException";

    private static final long serialVersionUID = 1;
    private static final String OWN_FRAMES = "dormouse.runtime.";
    /** A chain of causes is told to this length. */
    private static final int CAUSES_MAX = 32;

    /** The class that was thrown; null if the runtime itself found the fault. */
    private final String type;
    private final String trace;
    /** The environment cannot go on: init has failed. */
    final boolean isFatal;

    private Fault(String message, Throwable thrown, boolean isFatal) {
        super(message, null, false, false);
        this.type = thrown == null ? null : thrown.getClass().getName();
        this.trace = thrown == null ? null : trace(thrown);
        this.isFatal = isFatal;
    }

    /** The function is not what its settings say. */
    static Fault of(String message) {
        return new Fault(message, null, false);
    }

    /** Something was thrown. */
    static Fault of(Throwable thrown, boolean isFatal) {
        return new Fault(message(thrown), thrown, isFatal);
    }

    static Fault classNotFound(Throwable thrown, String className) {
        return new Fault("Class not found: " + className, thrown, false);
    }

    static Fault classNotLoaded(Throwable thrown, String className) {
        String detail = thrown.getMessage() == null ? "" : ": " + thrown.getMessage();
        return new Fault("Error loading class " + className + detail, thrown, true);
    }

    static Fault methodNotLoaded(Throwable thrown, String method, String className) {
        return new Fault("Error loading method " + method + " on class " + className, thrown, false);
    }

    /** What the log says of it. */
    String logged() {
        return type == null ? getMessage() + "\n" : getMessage() + ": " + type + "\n" + trace + "\n";
    }

    /** What the caller is told of it: no stack trace. */
    String document() {
        StringBuilder json = new StringBuilder("{\"errorMessage\":");
        ObjectWriter.quote(json, getMessage());
        if (type != null) {
            json.append(",\"errorType\":");
            ObjectWriter.quote(json, type);
        }
        return json.append('}').toString();
    }

    /** What the caller is told of an exception that the function threw. */
    static String document(Throwable thrown) {
        StringBuilder json = new StringBuilder(512);
        describe(json, thrown, CAUSES_MAX);
        return json.toString();
    }

    private static void describe(StringBuilder json, Throwable thrown, int causes) {
        json.append("{\"errorMessage\":");
        ObjectWriter.quote(json, message(thrown));
        json.append(",\"errorType\":");
        ObjectWriter.quote(json, thrown.getClass().getName());
        json.append(",\"stackTrace\":[");
        StackTraceElement[] frames = thrown.getStackTrace();
        for (int i = 0; i < frames.length; i++) {
            if (i > 0) {
                json.append(',');
            }
            ObjectWriter.quote(json, frames[i].toString());
        }
        json.append(']');
        Throwable cause = thrown.getCause();
        if (cause != null && cause != thrown && causes > 0) {
            json.append(",\"cause\":");
            describe(json, cause, causes - 1);
        }
        json.append('}');
    }

    private static String message(Throwable thrown) {
        String message;
        try {
            message = thrown.getLocalizedMessage();
        } catch (RuntimeException e) {
            message = null;
        }
        return message == null ? thrown.getClass().getName() : message;
    }

    private static String trace(Throwable thrown) {
        StringWriter text = new StringWriter();
        cut(thrown).printStackTrace(new PrintWriter(text, true));
        return text.toString();
    }

    /** Cuts the runtime's frames off an exception, its causes and those that it suppressed. */
    static Throwable cut(Throwable thrown) {
        cut(thrown, Collections.newSetFromMap(new IdentityHashMap<>()));
        return thrown;
    }

    private static void cut(Throwable thrown, Set<Throwable> seen) {
        if (thrown == null || !seen.add(thrown)) {
            return;
        }
        StackTraceElement[] frames = thrown.getStackTrace();
        for (int i = 0; i < frames.length; i++) {
            if (frames[i].getClassName().startsWith(OWN_FRAMES)) {
                StackTraceElement[] rest = new StackTraceElement[i];
                System.arraycopy(frames, 0, rest, 0, i);
                thrown.setStackTrace(rest);
                break;
            }
        }
        cut(thrown.getCause(), seen);
        for (Throwable suppressed : thrown.getSuppressed()) {
            cut(suppressed, seen);
        }
    }
}
