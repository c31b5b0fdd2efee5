package dormouse.runtime;

import com.amazonaws.services.lambda.runtime.LambdaRuntime;
import com.amazonaws.services.lambda.runtime.LambdaRuntimeInternal;
import java.io.BufferedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOError;
import java.io.IOException;
import java.io.PrintStream;
import java.lang.reflect.Field;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.security.Security;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Init and the invoke loop.
 *
 * Owns the order of things: prepare the process, load the function, then next, handle, reply, for
 * ever. Everything that a function printed is out before its reply is posted, so that a log line is
 * never attributed to the next invocation. Failures of function code become error documents here;
 * an error of the virtual machine itself is told and then ends the process.
 */
public final class Main {
    /** Where libraries that trace look for the header of the invocation in progress. */
    private static final String TRACE_PROPERTY = "com.amazonaws.xray.traceHeader";
    private static final String SECURITY_PROPERTIES = "java.security.properties";
    private static final int STREAM_BUFFER_BYTES = 8 * 1024;

    private final Settings settings = new Settings();
    private final FunctionLog log;
    private final ClassLoader loader;

    private Main(PrintStream out) throws MalformedURLException {
        this.log = new FunctionLog(out);
        this.loader = functionLoader(settings.taskRoot);
    }

    /** Runs the environment until its process is ended. */
    public static void main(String[] args) throws Exception {
        PrintStream out = stream(FileDescriptor.out);
        System.setOut(out);
        System.setErr(stream(FileDescriptor.err));
        setNegativeTtl(System.getenv("AWS_LAMBDA_JAVA_NETWORKADDRESS_CACHE_NEGATIVE_TTL"));
        new Main(out).run();
    }

    /**
     * How long a name that was not found counts as such: a second, not Java's ten, unless the owner
     * says otherwise. The default is a file that is read with Java's own security settings, when
     * something asks for them: most functions never do, and reading them takes 5 ms.
     */
    private static void setNegativeTtl(String wanted) {
        if (wanted != null) {
            Security.setProperty("networkaddress.cache.negative.ttl", wanted);
        } else if (System.getProperty(SECURITY_PROPERTIES) == null) {
            File jar = new File(System.getProperty("java.class.path"));
            System.setProperty(SECURITY_PROPERTIES, new File(jar.getParentFile(), "java.security").getPath());
        }
    }

    private void run() throws Exception {
        publishLogger();
        Thread.currentThread().setContextClassLoader(loader);
        Handler handler = init();
        for (int i = 1; i < settings.concurrency; i++) {
            Thread worker = new Thread("invocations-" + i) {
                @Override
                public void run() {
                    serveOrExit(handler);
                }
            };
            worker.setContextClassLoader(loader);
            worker.start();
        }
        serveOrExit(handler);
    }

    private Handler init() throws IOException {
        try {
            return Functions.load(settings.handler, loader);
        } catch (Fault fault) {
            log.fault(fault);
            flush();
            new Connection(settings.runtimeApi).reportLast("init/error", Fault.BAD_FUNCTION_CODE, utf8(fault.document()));
            System.exit(1);
            throw fault;
        }
    }

    private void serveOrExit(Handler handler) {
        try {
            serve(handler);
        } catch (IOException e) {
            System.err.println("dormouse runtime: " + e.getMessage());
            flush();
            System.exit(1);
        }
    }

    private void serve(Handler handler) throws IOException {
        Connection connection = new Connection(settings.runtimeApi);
        Response response = new Response();
        Invocation invocation = connection.next();
        while (true) {
            begin(invocation);
            response.reset();
            Throwable thrown = call(handler, invocation, response);
            // What a function did to its thread must not reach the next invocation.
            Thread.interrupted();
            if (thrown == null) {
                flush();
                invocation = connection.reply(invocation.requestId, response.bytes(), response.size());
                continue;
            }
            boolean isFault = thrown instanceof Fault;
            byte[] document = utf8(isFault ? ((Fault) thrown).document() : Fault.document(Fault.cut(thrown)));
            String type = isFault ? Fault.BAD_FUNCTION_CODE : Fault.USER_EXCEPTION;
            log.fault(isFault ? (Fault) thrown : Fault.of(thrown, false));
            flush();
            if (thrown instanceof VirtualMachineError || thrown instanceof IOError) {
                connection.reportLast("invocation/" + invocation.requestId + "/error", type, document);
                System.exit(1);
            }
            invocation = connection.replyError(invocation.requestId, type, document);
        }
    }

    private void begin(Invocation invocation) {
        log.serve(invocation);
        if (settings.concurrency > 1) {
            return; // The property is one for all threads; the context has the header.
        }
        if (invocation.traceId != null) {
            System.setProperty(TRACE_PROPERTY, invocation.traceId);
        } else {
            System.clearProperty(TRACE_PROPERTY);
        }
    }

    /** Runs the function once; returns what it threw, or null. */
    private Throwable call(Handler handler, Invocation invocation, Response response) {
        try {
            if (LambdaRuntimeInternal.getUseLog4jAppender()) {
                publishRequestId(invocation.requestId);
            }
            handler.call(invocation.body, response, new InvocationContext(settings, invocation));
            return null;
        } catch (Throwable thrown) {
            return thrown;
        }
    }

    /** For layouts of Log4j that print `AWSRequestId`. */
    private void publishRequestId(String requestId) {
        boolean isPublished = put("org.apache.logging.log4j.ThreadContext", String.class, requestId)
                | put("org.apache.log4j.MDC", Object.class, requestId);
        if (!isPublished) {
            System.err.println("Customer using log4j appender but unable to load either org.apache.log4j.MDC or "
                    + "org.apache.logging.log4j.ThreadContext. Customer cannot see RequestId in log4j log lines.");
        }
    }

    private boolean put(String context, Class<?> valueType, String requestId) {
        try {
            Class.forName(context, true, loader).getMethod("put", String.class, valueType).invoke(null, "AWSRequestId", requestId);
            return true;
        } catch (ReflectiveOperationException | LinkageError e) {
            return false;
        }
    }

    private void publishLogger() throws ReflectiveOperationException {
        Field logger = LambdaRuntime.class.getDeclaredField("logger");
        logger.setAccessible(true);
        logger.set(null, log);
    }

    /** Sees the package itself, the jars in its `lib`, then those of layers, in the order of their names. */
    private static ClassLoader functionLoader(String taskRoot) throws MalformedURLException {
        List<URL> places = new ArrayList<>();
        places.add(new URL("file", null, -1, taskRoot + "/"));
        addJars(places, taskRoot + "/lib");
        addJars(places, "/opt/java/lib");
        return new URLClassLoader(places.toArray(new URL[0]), Main.class.getClassLoader());
    }

    private static void addJars(List<URL> places, String folder) throws MalformedURLException {
        String[] names = new File(folder).list();
        if (names == null) {
            return;
        }
        Arrays.sort(names);
        for (String name : names) {
            if (name.endsWith(".jar")) {
                places.add(new URL("file", null, -1, folder + "/" + name));
            }
        }
    }

    /** Standard streams are UTF-8 whatever the locale, and written line by line. */
    private static PrintStream stream(FileDescriptor descriptor) throws IOException {
        return new PrintStream(new BufferedOutputStream(new FileOutputStream(descriptor), STREAM_BUFFER_BYTES), true, "UTF-8");
    }

    private static void flush() {
        System.out.flush();
        System.err.flush();
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }

    /** Gives access to its bytes without a copy. */
    private static final class Response extends ByteArrayOutputStream {
        byte[] bytes() {
            return buf;
        }
    }
}
