package dormouse.runtime;

/** One event with what the platform says about it; what it does not say is null. */
final class Invocation {
    String requestId;
    String functionArn;
    String traceId;
    String clientContext;
    String cognitoIdentity;
    String tenantId;
    long deadlineMs;
    byte[] body;

    /** Takes note of a header; the name is in lower case. */
    void header(String name, String value) {
        switch (name) {
            case "lambda-runtime-aws-request-id":
                requestId = value;
                break;
            case "lambda-runtime-deadline-ms":
                deadlineMs = Long.parseLong(value);
                break;
            case "lambda-runtime-invoked-function-arn":
                functionArn = value;
                break;
            case "lambda-runtime-trace-id":
                traceId = value;
                break;
            case "lambda-runtime-client-context":
                clientContext = value;
                break;
            case "lambda-runtime-cognito-identity":
                cognitoIdentity = value;
                break;
            case "lambda-runtime-aws-tenant-id":
                tenantId = value;
                break;
            default:
                break;
        }
    }
}
