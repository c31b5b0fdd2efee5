"""For the vendor's Python client: answers, logs and fails in the ways that a function can."""

import logging
import os

logger = logging.getLogger()
logger.setLevel("INFO")
calls = 0


def hello(event, context):
    global calls
    calls += 1
    print("greeting", event.get("name"))
    return {
        "message": f"hello {event.get('name')}",
        "calls": calls,
        "request_id": context.aws_request_id,
        "function_name": context.function_name,
        "function_version": context.function_version,
        "memory": context.memory_limit_in_mb,
        "arn": context.invoked_function_arn,
        "log_group": context.log_group_name,
        "log_stream": context.log_stream_name,
        "remaining_ms": context.get_remaining_time_in_millis(),
        "custom": context.client_context and context.client_context.custom,
        "trace": os.environ.get("_X_AMZN_TRACE_ID"),
        "handler": os.environ.get("_HANDLER"),
    }


def fails(event, context):
    raise ValueError("no such thing: " + event["name"])


def logs(event, context):
    logger.info("one line")
    logger.warning("first line\nsecond line")
    logger.debug("not at this level")
    logger.error("with a field", extra={"order": 7})
    try:
        {}["absent"]
    except KeyError:
        logger.exception("caught")


def large(event, context):
    return "x" * event["size"]


def leaves(event, context):
    os._exit(3)
