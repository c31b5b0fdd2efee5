package dormouse.runtime;

import com.amazonaws.services.lambda.runtime.Client;
import com.amazonaws.services.lambda.runtime.ClientContext;
import com.amazonaws.services.lambda.runtime.CognitoIdentity;
import com.amazonaws.services.lambda.runtime.Context;
import com.amazonaws.services.lambda.runtime.LambdaLogger;
import com.amazonaws.services.lambda.runtime.LambdaRuntime;
import dormouse.runtime.json.JavaType;
import dormouse.runtime.json.ObjectReader;
import java.util.HashMap;
import java.util.Map;

/**
 * The context object of one invocation.
 *
 * Source: AWS Lambda Developer Guide, "Using the Lambda context object to retrieve Java function
 * information".
 */
final class InvocationContext implements Context {
    private final Settings settings;
    private final Invocation invocation;
    private final CognitoIdentity identity;
    private final ClientContext clientContext;

    InvocationContext(Settings settings, Invocation invocation) {
        this.settings = settings;
        this.invocation = invocation;
        Map<String, Object> identity = object(invocation.cognitoIdentity);
        this.identity = identity == null ? null : new Identity(identity);
        Map<String, Object> client = object(invocation.clientContext);
        this.clientContext = client == null ? null : new Caller(client);
    }

    @Override
    public String getAwsRequestId() {
        return invocation.requestId;
    }

    @Override
    public String getLogGroupName() {
        return settings.logGroupName;
    }

    @Override
    public String getLogStreamName() {
        return settings.logStreamName;
    }

    @Override
    public String getFunctionName() {
        return settings.functionName;
    }

    @Override
    public String getFunctionVersion() {
        return settings.functionVersion;
    }

    @Override
    public String getInvokedFunctionArn() {
        return invocation.functionArn;
    }

    @Override
    public CognitoIdentity getIdentity() {
        return identity;
    }

    @Override
    public ClientContext getClientContext() {
        return clientContext;
    }

    @Override
    public int getRemainingTimeInMillis() {
        return (int) (invocation.deadlineMs - System.currentTimeMillis());
    }

    @Override
    public int getMemoryLimitInMB() {
        return settings.memoryMb;
    }

    @Override
    public LambdaLogger getLogger() {
        return LambdaRuntime.getLogger();
    }

    @Override
    public String getTenantId() {
        return invocation.tenantId;
    }

    @Override
    public String getXrayTraceId() {
        return invocation.traceId;
    }

    @SuppressWarnings("unchecked")
    private static Map<String, Object> object(String json) {
        if (json == null || json.isEmpty()) {
            return null;
        }
        return (Map<String, Object>) ObjectReader.read(json, JavaType.of(Map.class));
    }

    private static String text(Map<String, Object> object, String key) {
        Object value = object.get(key);
        return value == null ? null : value.toString();
    }

    private static final class Identity implements CognitoIdentity {
        private final Map<String, Object> fields;

        Identity(Map<String, Object> fields) {
            this.fields = fields;
        }

        @Override
        public String getIdentityId() {
            return text(fields, "cognitoIdentityId");
        }

        @Override
        public String getIdentityPoolId() {
            return text(fields, "cognitoIdentityPoolId");
        }
    }

    private static final class Caller implements ClientContext, Client {
        private final Map<String, Object> client;
        private final Map<String, String> custom;
        private final Map<String, String> environment;

        Caller(Map<String, Object> fields) {
            this.client = fields.get("client") instanceof Map ? members(fields, "client") : null;
            this.custom = texts(members(fields, "custom"));
            this.environment = texts(members(fields, "env"));
        }

        @SuppressWarnings("unchecked")
        private static Map<String, Object> members(Map<String, Object> fields, String key) {
            Object value = fields.get(key);
            return value instanceof Map ? (Map<String, Object>) value : null;
        }

        private static Map<String, String> texts(Map<String, Object> values) {
            if (values == null) {
                return null;
            }
            Map<String, String> texts = new HashMap<>();
            for (String key : values.keySet()) {
                texts.put(key, text(values, key));
            }
            return texts;
        }

        @Override
        public Client getClient() {
            return client == null ? null : this;
        }

        @Override
        public Map<String, String> getCustom() {
            return custom;
        }

        @Override
        public Map<String, String> getEnvironment() {
            return environment;
        }

        @Override
        public String getInstallationId() {
            return text(client, "installation_id");
        }

        @Override
        public String getAppTitle() {
            return text(client, "app_title");
        }

        @Override
        public String getAppVersionName() {
            return text(client, "app_version_name");
        }

        @Override
        public String getAppVersionCode() {
            return text(client, "app_version_code");
        }

        @Override
        public String getAppPackageName() {
            return text(client, "app_package_name");
        }
    }
}
