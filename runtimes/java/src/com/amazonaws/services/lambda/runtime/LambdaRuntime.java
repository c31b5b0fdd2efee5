package com.amazonaws.services.lambda.runtime;

/** The logger for code that is handed no context, such as logging libraries. */
public final class LambdaRuntime {
    /** Replaced by the runtime when it starts; outside of Lambda this one prints. */
    private static volatile LambdaLogger logger = new LambdaLogger() {
        @Override
        public void log(String message) {
            System.out.print(message);
        }

        @Override
        public void log(byte[] message) {
            System.out.write(message, 0, message.length);
        }
    };

    private LambdaRuntime() {}

    /** The function's logger. */
    public static LambdaLogger getLogger() {
        return logger;
    }
}
