"""The way from a finished log record to the platform.

By default a record is text on standard output, which the platform splits into lines. Where the
platform passed a descriptor for frames, each record is one frame and keeps its line breaks: a
four-byte type, a four-byte length, an eight-byte time in microseconds, then the message, all
big-endian. This is the protocol that Lambda's own runtime clients speak. Processes that share the
descriptor take turns, so that a frame is never torn by another.
"""

import os
import sys
import time

from .session import session

_FRAME_JSON = 0xA55A0002
_FRAME_TEXT = 0xA55A0003

#: Added to a frame's type, by the numeric level of `logging`.
_FRAME_LEVELS = {10: 0x08, 20: 0x0C, 30: 0x10, 40: 0x14, 50: 0x18}


def write(message, level=0):
    """Hands over `message`; `level` is a level of `logging`, 0 where there is none."""
    if session.log_fd is None:
        sys.stdout.write(message)
        return
    payload = message.encode("utf-8", "backslashreplace")
    kind = (_FRAME_JSON if session.log_json else _FRAME_TEXT) | _FRAME_LEVELS.get(level, 0)
    head = kind.to_bytes(4, "big") + len(payload).to_bytes(4, "big")
    frame = memoryview(head + (time.time_ns() // 1000).to_bytes(8, "big") + payload)
    if session.log_lock is None:
        _write_fully(frame)
        return
    import fcntl

    fcntl.lockf(session.log_lock, fcntl.LOCK_EX)
    try:
        _write_fully(frame)
    finally:
        fcntl.lockf(session.log_lock, fcntl.LOCK_UN)


def _write_fully(frame):
    while frame:
        frame = frame[os.write(session.log_fd, frame) :]
