package com.amazonaws.services.lambda.runtime;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;

/** A function that reads the event and writes the response as bytes. */
public interface RequestStreamHandler {
    /** Handles one event. */
    void handleRequest(InputStream input, OutputStream output, Context context) throws IOException;
}
