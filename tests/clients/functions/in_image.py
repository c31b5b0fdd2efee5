"""Handlers that look around in the image they run in."""

import errno
import os
import pathlib
import sys

#: How often this process was invoked.
calls = 0


def sees(event, context):
    """What the event asks about: texts of files, owners, names in folders, attempts to write."""
    global calls
    calls += 1
    return {
        "variables": dict(os.environ),
        "folder": os.getcwd(),
        "arguments": sys.argv,
        "user": os.getuid(),
        "calls": calls,
        "texts": {path: text(path) for path in event.get("texts", [])},
        "owners": {path: owner(path) for path in event.get("owners", [])},
        "names": {path: sorted(os.listdir(path)) for path in event.get("names", [])},
        "writes": {path: write(path) for path in event.get("writes", [])},
    }


def text(path):
    try:
        return pathlib.Path(path).read_text()
    except OSError as error:
        return errno.errorcode[error.errno]


def owner(path):
    found = os.lstat(path)
    return [found.st_uid, found.st_gid, oct(found.st_mode & 0o7777)]


def write(path):
    try:
        pathlib.Path(path).write_text("written")
        return pathlib.Path(path).read_text()
    except OSError as error:
        return errno.errorcode[error.errno]


def told(event, context):
    print("a line of the function")
    return {
        "request": context.aws_request_id,
        "name": context.function_name,
        "version": context.function_version,
        "memory": context.memory_limit_in_mb,
        "arn": context.invoked_function_arn,
        "group": context.log_group_name,
        "remaining_ms": context.get_remaining_time_in_millis(),
    }


def fails(event, context):
    raise ValueError("no such thing")


def leaves(event, context):
    os._exit(3)
