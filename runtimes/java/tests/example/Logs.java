package example;

import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.logging.LogLevel;

/** Functions that log. */
public class Logs {
    public String levels(Object event, Context context) {
        LambdaLogger logger = context.getLogger();
        logger.log("plain");
        logger.log("two\nlines\n");
        logger.log("bytes".getBytes());
        logger.log("fine detail", LogLevel.DEBUG);
        logger.log("watch out", LogLevel.WARN);
        return "logged";
    }

    public String streams(Object event) {
        System.out.println("to stdout zażółć");
        System.err.println("to stderr");
        System.out.print("no line end");
        return "done";
    }

    public String thread(Object event, Context context) throws InterruptedException {
        Thread thread = new Thread(() -> context.getLogger().log("from a thread", LogLevel.INFO));
        thread.start();
        thread.join();
        return context.getAwsRequestId().isEmpty() ? "" : "ok";
    }
}
