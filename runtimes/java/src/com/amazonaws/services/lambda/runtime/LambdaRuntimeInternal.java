package com.amazonaws.services.lambda.runtime;

/** Lets a logging library tell the runtime that it wants the request id in its thread context. */
public final class LambdaRuntimeInternal {
    private static boolean useLog4jAppender;

    private LambdaRuntimeInternal() {}

    /** Called by the library. */
    public static void setUseLog4jAppender(boolean useLog4j) {
        useLog4jAppender = useLog4j;
    }

    /** Asked by the runtime. */
    public static boolean getUseLog4jAppender() {
        return useLog4jAppender;
    }
}
