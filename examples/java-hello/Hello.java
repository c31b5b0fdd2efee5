package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import java.util.LinkedHashMap;
import java.util.Map;

/** Greets, echoes its event, and shows what a function can learn about its own invocation. */
public class Hello implements RequestHandler<Map<String, Object>, Map<String, Object>> {
    @Override
    public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
        Object name = event.getOrDefault("name", "world");
        context.getLogger().log("greeting " + name);
        Map<String, Object> about = new LinkedHashMap<>();
        about.put("request_id", context.getAwsRequestId());
        about.put("function_name", context.getFunctionName());
        about.put("version", context.getFunctionVersion());
        about.put("memory_mb", context.getMemoryLimitInMB());
        about.put("remaining_ms", context.getRemainingTimeInMillis());
        about.put("java", System.getProperty("java.version"));
        Map<String, Object> response = new LinkedHashMap<>();
        response.put("greeting", "Hello, " + name + "!");
        response.put("event", event);
        response.put("context", about);
        return response;
    }
}
