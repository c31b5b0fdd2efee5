"""Handlers for several invocations at once, each in a process of its own."""

import logging
import os
import time

logger = logging.getLogger()
logger.setLevel("INFO")


def together(event, context):
    """Answers only once as many are inside as the event says."""
    logger.info("in %s %s", event["n"], "x" * event.get("size", 0))
    mine = os.path.join(event["folder"], context.aws_request_id)
    open(mine, "w").close()
    end = time.monotonic() + 20
    while len(os.listdir(event["folder"])) < event["of"] and time.monotonic() < end:
        time.sleep(0.005)
    trace = os.environ["_X_AMZN_TRACE_ID"]
    return {"n": event["n"], "pid": os.getpid(), "trace": trace, "tenant": context.tenant_id}


def leaves(event, _context):
    if event["leave"]:
        os._exit(event["code"])
    time.sleep(20)


def killed(_event, _context):
    os.kill(os.getpid(), 9)
