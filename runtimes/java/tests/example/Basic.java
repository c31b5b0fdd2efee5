package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaRuntime;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicInteger;

/** Methods of a plain class. */
public class Basic {
    private static final AtomicInteger CALLS = new AtomicInteger();

    static {
        System.out.println("loading Basic");
    }

    public Object echo(Object event) {
        return event;
    }

    public String text(String event) {
        return event + "!";
    }

    public int sum(List<Integer> numbers, Context context) {
        return numbers.stream().mapToInt(Integer::intValue).sum();
    }

    public double half(int number) {
        return number / 2.0;
    }

    public static boolean negate(boolean value) {
        return !value;
    }

    public void nothing(Map<String, String> event) {}

    public String noEvent() {
        return "no event";
    }

    public String onlyContext(Context context) {
        return context.getFunctionName();
    }

    public int counted(Object event) {
        return CALLS.incrementAndGet();
    }

    public Map<String, Object> hello(Map<String, String> event) {
        Map<String, Object> result = new LinkedHashMap<>();
        result.put("message", "hello");
        result.put("name", event.getOrDefault("name", "world"));
        return result;
    }

    public String overloaded(String event) {
        return "short";
    }

    public String overloaded(String event, Context context) {
        return "long";
    }

    public Map<String, Object> context(Map<String, Object> event, Context context) {
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("function_name", context.getFunctionName());
        facts.put("function_version", context.getFunctionVersion());
        facts.put("memory_limit_in_mb", context.getMemoryLimitInMB());
        facts.put("request_id_length", context.getAwsRequestId().length());
        facts.put("arn_has_name", context.getInvokedFunctionArn().contains(":function:fn"));
        facts.put("log_group_name", context.getLogGroupName());
        facts.put("log_stream_is_text", !context.getLogStreamName().isEmpty());
        facts.put("time_left", context.getRemainingTimeInMillis() > 0 && context.getRemainingTimeInMillis() <= 20_000);
        facts.put("identity", context.getIdentity());
        facts.put("client_context", context.getClientContext());
        facts.put("tenant_id", context.getTenantId());
        facts.put("same_logger", context.getLogger() == LambdaRuntime.getLogger());
        return facts;
    }

    public Map<String, Object> clientContext(Object event, Context context) {
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("installation_id", context.getClientContext().getClient().getInstallationId());
        facts.put("app_title", context.getClientContext().getClient().getAppTitle());
        facts.put("custom", context.getClientContext().getCustom());
        facts.put("env", context.getClientContext().getEnvironment());
        return facts;
    }

    public boolean timeRunsDown(Object event, Context context) {
        int before = context.getRemainingTimeInMillis();
        long until = System.nanoTime() + 5_000_000;
        while (System.nanoTime() < until) {
            Thread.yield();
        }
        return context.getRemainingTimeInMillis() < before;
    }

    public Map<String, String> environment(List<String> names) {
        Map<String, String> values = new LinkedHashMap<>();
        for (String name : names) {
            values.put(name, System.getenv(name));
        }
        return values;
    }

    public boolean traceIsSet(Object event, Context context) {
        String header = System.getProperty("com.amazonaws.xray.traceHeader", "");
        return header.startsWith("Root=1-") && header.equals(context.getXrayTraceId());
    }

    public Map<String, Object> process(Object event) {
        Map<String, Object> facts = new LinkedHashMap<>();
        facts.put("loader_sees_package", Thread.currentThread().getContextClassLoader().getResource("example/Basic.class") != null);
        facts.put("same_loader", Thread.currentThread().getContextClassLoader() == Basic.class.getClassLoader());
        facts.put("charset", java.nio.charset.Charset.defaultCharset().name());
        facts.put("serial", java.lang.management.ManagementFactory.getGarbageCollectorMXBeans().get(0).getName());
        long memoryMb = Long.parseLong(System.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"));
        facts.put("heap_fits", Runtime.getRuntime().maxMemory() < memoryMb * 1024 * 1024);
        facts.put("heap_is_used_well", Runtime.getRuntime().maxMemory() > memoryMb * 1024 * 1024 / 2);
        return facts;
    }

    public int sizeOf(Map<String, String> event) {
        return event.get("text").length();
    }

    public String large(Map<String, Integer> event) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < event.get("size"); i++) {
            text.append('x');
        }
        return text.toString();
    }

    public String greetingFromJar(Object event) {
        return library.Greeting.TEXT;
    }

    public String unicode(String event) {
        return "snöwman ☃ 🐍 " + event;
    }
}
