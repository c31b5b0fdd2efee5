"""Handlers that return, in every way that a handler can."""

import os
import sys
import time

print("loading basic")
count = 0


def echo(event, context):
    return event


def hello(event, context):
    return {"message": "hello", "name": event.get("name", "world")}


def nothing(event, context):
    pass


def counted(event, context):
    global count
    count += 1
    return count


def raw_bytes(event, context):
    return b'{"raw":true}'


def context_facts(event, context):
    return {
        "function_name": context.function_name,
        "function_version": context.function_version,
        "memory_limit_in_mb": context.memory_limit_in_mb,
        "memory_is_text": isinstance(context.memory_limit_in_mb, str),
        "request_id_length": len(context.aws_request_id),
        "arn_has_name": context.function_name in context.invoked_function_arn,
        "log_group_name": context.log_group_name,
        "log_stream_is_text": isinstance(context.log_stream_name, str),
        "time_left": 0 < context.get_remaining_time_in_millis() <= 900000,
        "identity_id": context.identity.cognito_identity_id,
        "identity_pool_id": context.identity.cognito_identity_pool_id,
        "client_context": context.client_context,
        "tenant_id": context.tenant_id,
    }


def client_context(event, context):
    given = context.client_context
    return {
        "client": {
            "installation_id": given.client.installation_id,
            "app_title": given.client.app_title,
            "app_package_name": given.client.app_package_name,
        },
        "custom": given.custom,
        "env": given.env,
    }


def time_runs_down(event, context):
    first = context.get_remaining_time_in_millis()
    deadline = time.monotonic() + 5
    while context.get_remaining_time_in_millis() >= first and time.monotonic() < deadline:
        pass
    return context.get_remaining_time_in_millis() < first


def environment(event, context):
    return {name: os.environ.get(name) for name in event}


def trace_is_set(event, context):
    return os.environ.get("_X_AMZN_TRACE_ID", "").startswith("Root=")


def search_path(event, context):
    root = os.environ["LAMBDA_TASK_ROOT"]
    version = "python%d.%d" % sys.version_info[:2]
    return {
        "root_first": sys.path[0] == root,
        "layers": sys.path[1:3] == ["/opt/python/lib/%s/site-packages" % version, "/opt/python"],
        "runtime": "/var/runtime" in sys.path,
        "main_is_not_mine": __name__ == "basic",
        "arguments": len(sys.argv),
        "quit": callable(exit) and callable(quit),
    }


def unicode_text(event, context):
    return {"text": "snöwman \u2603 \U0001f40d", "echo": event}


def main_module(event, context):
    import __main__

    return sorted(name for name in vars(__main__) if not name.startswith("__"))


class Counter:
    total = 0

    def __call__(self, event, context):
        self.total += 1
        return self.total


callable_object = Counter()
handler_of_lambda = lambda event, context: "from a lambda"  # noqa: E731
not_callable = 42
