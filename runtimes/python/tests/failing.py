"""Handlers that fail, in every way that a handler can."""

import os
import sys


class OwnError(Exception):
    def __init__(self, code):
        super().__init__("code %d" % code)


def value_error(event, context):
    raise ValueError("boom")


def own_error(event, context):
    raise OwnError(7)


def no_message(event, context):
    raise RuntimeError


def key_error(event, context):
    return event["missing"]


def nested(event, context):
    def inner():
        return 1 / 0

    return inner()


def chained(event, context):
    try:
        raise KeyError("first")
    except KeyError as error:
        raise OSError("second") from error


def unicode_message(event, context):
    raise ValueError("zażółć\nsecond line")


def unprintable(event, context):
    class Unprintable(Exception):
        def __str__(self):
            raise TypeError("no text")

    raise Unprintable()


def recursive(event, context):
    return recursive(event, context)


def wrong_arguments(event):
    return event


def fails_once(event, context):
    if event.get("fail"):
        raise ValueError("asked to")
    return "fine"


def system_exit(event, context):
    sys.exit(3)


def clean_exit(event, context):
    sys.exit(0)


def hard_exit(event, context):
    print("last words", flush=True)
    os._exit(5)


def killed(event, context):
    os.kill(os.getpid(), 9)
