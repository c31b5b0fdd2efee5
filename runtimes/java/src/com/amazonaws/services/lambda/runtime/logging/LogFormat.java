package com.amazonaws.services.lambda.runtime.logging;

import java.util.Locale;

/** How log records are written. */
public enum LogFormat {
    JSON,
    TEXT;

    /** The format of that name, in any case. */
    public static LogFormat fromString(String logFormat) {
        try {
            return valueOf(logFormat.toUpperCase(Locale.ROOT));
        } catch (RuntimeException e) {
            throw new IllegalArgumentException("Invalid log format: '" + logFormat + "' expected one of [JSON, TEXT]");
        }
    }
}
