package com.amazonaws.services.lambda.runtime;

import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.Type;

/** The function's own way between JSON and objects, found by {@link java.util.ServiceLoader}. */
public interface CustomPojoSerializer {
    /** Reads an object. */
    <T> T fromJson(InputStream input, Type type);

    /** Reads an object. */
    <T> T fromJson(String input, Type type);

    /** Writes an object. */
    <T> void toJson(T value, OutputStream output, Type type);
}
