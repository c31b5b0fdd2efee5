package dormouse.rehearsal;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.RequestHandler;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;
import java.util.HashMap;
import java.util.Map;

/**
 * The function that `Prepare` has the runtime run: it does what functions commonly do, so that the
 * classes for that are in the archive.
 */
public final class Rehearsal implements RequestHandler<Map<String, Rehearsal.Bean>, Object> {
    /** For the classes that reading and writing a bean takes. */
    public static final class Bean {
        private String text;

        public String getText() {
            return text;
        }

        public void setText(String text) {
            this.text = text;
        }
    }

    /** Answers the first event; the second one ends the process. */
    @Override
    public Object handleRequest(Map<String, Bean> event, Context context) {
        if (event.containsKey("last")) {
            System.exit(0);
        }
        System.out.println("rehearsal");
        context.getLogger().log("rehearsal", LogLevel.INFO);
        Map<String, Object> response = new HashMap<>(event);
        response.put("left", context.getRemainingTimeInMillis());
        return response;
    }

    /** For the classes that finding a method takes. */
    public String handle(Map<String, Object> event, Context context) {
        return context.getFunctionName();
    }
}
