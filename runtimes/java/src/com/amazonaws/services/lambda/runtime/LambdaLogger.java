package com.amazonaws.services.lambda.runtime;

import com.amazonaws.services.lambda.runtime.logging.LogLevel;

/** Writes to the function's log; each call is one log event. */
public interface LambdaLogger {
    /** Logs text at no particular level: it is never filtered. */
    void log(String message);

    /** Logs bytes as they are. */
    void log(byte[] message);

    /** Logs text at a level. */
    default void log(String message, LogLevel logLevel) {
        log(message);
    }

    /** Logs bytes as they are, at a level. */
    default void log(byte[] message, LogLevel logLevel) {
        log(message);
    }
}
