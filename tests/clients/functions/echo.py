"""Answers with its event and with what a function can learn about its invocation."""

import os
import time

invocations = 0


def handler(event, context):
    global invocations
    invocations += 1
    print("echoing", event)
    client = context.client_context
    return {
        "event": event,
        "invocations": invocations,
        "marker": os.environ.get("MARKER"),
        "context": {
            "aws_request_id": context.aws_request_id,
            "function_name": context.function_name,
            "function_version": context.function_version,
            "invoked_function_arn": context.invoked_function_arn,
            "memory_limit_in_mb": context.memory_limit_in_mb,
            "log_group_name": context.log_group_name,
            "log_stream_name": context.log_stream_name,
            "remaining_ms": context.get_remaining_time_in_millis(),
            "client_context": client and {"custom": client.custom, "env": client.env},
        },
    }


def other(event, context):
    return "the other handler"


def sleeps(event, context):
    time.sleep(event.get("seconds", 1))
    return "rested"
