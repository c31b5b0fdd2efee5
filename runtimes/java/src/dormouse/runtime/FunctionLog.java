package dormouse.runtime;

import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.logging.LogFormat;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import dormouse.runtime.json.ObjectWriter;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.reflect.Constructor;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * The function's logger, and the way from a record to the platform.
 *
 * By default a record is text on standard output, which the platform splits into lines. Where the
 * platform passed a descriptor for frames, each record is one frame and keeps its line breaks: a
 * four-byte type, a four-byte length, an eight-byte time in microseconds, then the message, all
 * big-endian. JSON records carry time, level and the id of the invocation that the thread serves.
 */
final class FunctionLog implements LambdaLogger {
    private static final int FRAME_JSON = 0xa55a0002;
    private static final int FRAME_TEXT = 0xa55a0003;
    private static final int FRAME_HEAD_BYTES = 16;

    /** The log format that the function is configured with. */
    private final boolean isJson;
    private final LogLevel lowest;
    private final FileOutputStream frames;
    private final OutputStream lines;
    /** Inherited, so that threads that the function starts log under its request. */
    private final InheritableThreadLocal<Invocation> current = new InheritableThreadLocal<>();

    FunctionLog(OutputStream lines) {
        this.isJson = "JSON".equalsIgnoreCase(System.getenv("AWS_LAMBDA_LOG_FORMAT"));
        this.lowest = lowest();
        this.frames = frames(System.getenv("_LAMBDA_TELEMETRY_LOG_FD"));
        this.lines = lines;
    }

    /** Names the invocation that this thread's records belong to from now on. */
    void serve(Invocation invocation) {
        current.set(invocation);
    }

    /** Logs a failure; JSON records of failures have the level ERROR. */
    void fault(Fault fault) {
        log(fault.logged(), isJson ? LogLevel.ERROR : LogLevel.UNDEFINED);
    }

    @Override
    public void log(String message) {
        log(message, LogLevel.UNDEFINED);
    }

    @Override
    public void log(byte[] message) {
        log(message, LogLevel.UNDEFINED);
    }

    @Override
    public void log(String message, LogLevel level) {
        if (isShown(level)) {
            write((isJson ? json(message, level) : text(message, level)).getBytes(StandardCharsets.UTF_8), level);
        }
    }

    @Override
    public void log(byte[] message, LogLevel level) {
        if (isShown(level)) {
            write(message, level);
        }
    }

    private boolean isShown(LogLevel level) {
        return level == LogLevel.UNDEFINED || level.ordinal() >= lowest.ordinal();
    }

    private static String text(String message, LogLevel level) {
        return level == LogLevel.UNDEFINED ? String.valueOf(message) : "[" + level + "] " + message;
    }

    private String json(String message, LogLevel level) {
        StringBuilder json = new StringBuilder("{\"timestamp\":\"");
        Timestamp.append(json, System.currentTimeMillis());
        json.append("\",\"message\":");
        ObjectWriter.quote(json, String.valueOf(message));
        json.append(",\"level\":\"").append(level).append('"');
        Invocation invocation = current.get();
        if (invocation != null) {
            json.append(",\"AWSRequestId\":");
            ObjectWriter.quote(json, invocation.requestId);
            if (invocation.tenantId != null) {
                json.append(",\"tenantId\":");
                ObjectWriter.quote(json, invocation.tenantId);
            }
        }
        return json.append("}\n").toString();
    }

    private void write(byte[] message, LogLevel level) {
        try {
            if (frames != null) {
                frames.write(frame(message, level));
                return;
            }
            synchronized (lines) {
                lines.write(message);
                if (message.length == 0 || message[message.length - 1] != '\n') {
                    lines.write('\n');
                }
                lines.flush();
            }
        } catch (IOException e) {
            // The reader is gone: a log line is no reason to fail.
            return;
        }
    }

    /** One array and so one write: records of several threads cannot mix. */
    private byte[] frame(byte[] message, LogLevel level) {
        ByteBuffer frame = ByteBuffer.allocate(FRAME_HEAD_BYTES + message.length);
        frame.putInt((isJson ? FRAME_JSON : FRAME_TEXT) | level.ordinal() << 2);
        frame.putInt(message.length);
        frame.putLong(System.currentTimeMillis() * 1000);
        frame.put(message);
        return frame.array();
    }

    private static LogLevel lowest() {
        String level = System.getenv("AWS_LAMBDA_LOG_LEVEL");
        try {
            return level == null ? LogLevel.UNDEFINED : LogLevel.fromString(level);
        } catch (IllegalArgumentException e) {
            return LogLevel.UNDEFINED;
        }
    }

    /**
     * The stream of an inherited descriptor. Java has no public way to it; this one is open without
     * flags, which would keep Java from using its archive of classes.
     */
    private static FileOutputStream frames(String descriptor) {
        if (descriptor == null) {
            return null;
        }
        try {
            Constructor<?> constructor = FileDescriptor.class.getDeclaredConstructor(int.class);
            if (System.getProperty("java.specification.version").startsWith("1.")) {
                constructor.setAccessible(true);
            } else {
                Class<?> factory = Class.forName("sun.reflect.ReflectionFactory");
                constructor = (Constructor<?>) factory.getMethod("newConstructorForSerialization", Class.class, Constructor.class)
                        .invoke(factory.getMethod("getReflectionFactory").invoke(null), FileDescriptor.class, constructor);
            }
            return new FileOutputStream((FileDescriptor) constructor.newInstance(Integer.parseInt(descriptor)));
        } catch (ReflectiveOperationException | RuntimeException e) {
            return null;
        }
    }
}
