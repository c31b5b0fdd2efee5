"""Error documents and their log records. Loaded when the first error happens.

A document has the four fields of Lambda's Python runtime. Its stack trace starts at the
function's own code: the frames of this package are dropped.
"""

import os
import time
import traceback

from . import records
from .fault import Fault
from .session import session

_ERROR = 40
_OWN_FOLDER = os.path.dirname(__file__) + os.sep

#: Lambda indents stack traces in the log with no-break spaces, which log viewers keep.
_INDENT = "\u00a0"


def describe(error, request_id):
    """The error document for `error`, raised during invocation `request_id` ("" during init)."""
    if isinstance(error, Fault):
        message, error_type, trace = error.message, error.error_type, error.trace
    else:
        message, error_type, trace = _message(error), type(error).__name__, _trace(error)
    return {
        "errorMessage": message,
        "errorType": error_type,
        "requestId": request_id,
        "stackTrace": trace,
    }


def log(document, encode):
    """Writes the error to the log, in the function's log format."""
    if session.log_json:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        record = {"timestamp": stamp, "level": "ERROR", **document}
        records.write(encode(record).decode("utf-8") + "\n", _ERROR)
        return
    title = "[ERROR] " + document["errorType"]
    if document["errorMessage"]:
        title += ": " + document["errorMessage"]
    lines = [title, "Traceback (most recent call last):"]
    for entry in document["stackTrace"]:
        lines.extend(_indented(line) for line in entry.splitlines())
    records.write("\n".join(lines) + "\n", _ERROR)


def header_value(error_type):
    """`error_type` as it may stand in a header."""
    return error_type.encode("ascii", "replace").replace(b"\r", b"").replace(b"\n", b"")


def _message(error):
    try:
        return str(error)
    except Exception:
        return ""  # An exception whose __str__ fails must still be reported.


def _trace(error):
    frames = traceback.extract_tb(error.__traceback__)
    foreign = (i for i, f in enumerate(frames) if not f.filename.startswith(_OWN_FOLDER))
    first = next(foreign, 0)
    # Plain tuples: Lambda's traces carry no column markers.
    return traceback.format_list([(f.filename, f.lineno, f.name, f.line) for f in frames[first:]])


def _indented(line):
    text = line.lstrip(" ")
    return _INDENT * (len(line) - len(text)) + text
