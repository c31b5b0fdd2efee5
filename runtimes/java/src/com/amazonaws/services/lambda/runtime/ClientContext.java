package com.amazonaws.services.lambda.runtime;

import java.util.Map;

/** The calling application and its device. */
public interface ClientContext {
    /** The application. */
    Client getClient();

    /** Values of the application's own. */
    Map<String, String> getCustom();

    /** What the mobile SDK knows of the device. */
    Map<String, String> getEnvironment();
}
