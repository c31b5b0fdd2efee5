"""Functions on the managed Python runtime that show how their environment lives."""

import logging
import signal
import sys
import threading
import time
import uuid

INSTANCE = uuid.uuid4().hex
log = logging.getLogger()


def ends(number, frame):
    print("ended by SIGTERM", flush=True)
    sys.exit(0)


signal.signal(signal.SIGTERM, ends)


def stays(event, context):
    time.sleep(event.get("sleep", 0))
    return {"instance": INSTANCE, "thread": threading.get_ident()}


def logs(event, context):
    """Records of several lines, one of them an exception's."""
    log.setLevel("INFO")
    log.warning("first line\nsecond line\nthird line")
    try:
        raise ValueError("of two\nlines")
    except ValueError:
        log.exception("with a trace")
    print("printed\nin two lines")
