package com.amazonaws.services.lambda.runtime;

/** An application that calls through the AWS Mobile SDK. */
public interface Client {
    /** Its id on this device. */
    String getInstallationId();

    /** Its title. */
    String getAppTitle();

    /** The name of its version. */
    String getAppVersionName();

    /** The code of its version. */
    String getAppVersionCode();

    /** The name of its package. */
    String getAppPackageName();
}
