package dormouse.runtime;

/**
 * What the platform fixes for the life of the environment, from its variables.
 *
 * Source: AWS Lambda Developer Guide, "Using Lambda environment variables".
 */
final class Settings {
    final String runtimeApi = System.getenv("AWS_LAMBDA_RUNTIME_API");
    final String handler = System.getenv("_HANDLER");
    final String taskRoot = orElse("LAMBDA_TASK_ROOT", "/var/task");
    final String functionName = System.getenv("AWS_LAMBDA_FUNCTION_NAME");
    final String functionVersion = System.getenv("AWS_LAMBDA_FUNCTION_VERSION");
    final String logGroupName = System.getenv("AWS_LAMBDA_LOG_GROUP_NAME");
    final String logStreamName = System.getenv("AWS_LAMBDA_LOG_STREAM_NAME");
    final int memoryMb = number("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", 0);
    /** How many invocations the platform sends to this process at a time. */
    final int concurrency = Math.max(1, number("AWS_LAMBDA_MAX_CONCURRENCY", 1));

    private static int number(String name, int otherwise) {
        String value = System.getenv(name);
        try {
            return value == null ? otherwise : Integer.parseInt(value);
        } catch (NumberFormatException e) {
            return otherwise;
        }
    }

    private static String orElse(String name, String otherwise) {
        String value = System.getenv(name);
        return value == null ? otherwise : value;
    }
}
