package com.amazonaws.services.lambda.runtime;

/** What a function can learn about its invocation and itself. */
public interface Context {
    /** The id of this invocation; the same for every attempt at it. */
    String getAwsRequestId();

    /** The log group of the function. */
    String getLogGroupName();

    /** The log stream of this environment. */
    String getLogStreamName();

    /** The function's name. */
    String getFunctionName();

    /** The version that runs. */
    String getFunctionVersion();

    /** The ARN that the caller named, with version or alias if there was one. */
    String getInvokedFunctionArn();

    /** Who calls through Amazon Cognito; null when nobody does. */
    CognitoIdentity getIdentity();

    /** What the AWS Mobile SDK says about its application; null when it says nothing. */
    ClientContext getClientContext();

    /** Milliseconds until the invocation times out. */
    int getRemainingTimeInMillis();

    /** The function's memory in MB. */
    int getMemoryLimitInMB();

    /** The function's logger. */
    LambdaLogger getLogger();

    /** The tenant that the invocation is for; null where functions are not isolated by tenant. */
    default String getTenantId() {
        return null;
    }

    /** The X-Ray trace header of the invocation; null when there is none. */
    default String getXrayTraceId() {
        return null;
    }
}
