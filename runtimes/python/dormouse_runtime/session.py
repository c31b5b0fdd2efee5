"""What is true of the invocation in progress, for code that is not handed a context.

One process serves one invocation at a time, so this is a single object: log records read the
request id from it, and the log stream's file descriptor lives here. It knows nothing of HTTP.
"""

import os


class Session:
    """The current request id (empty during init), tenant and log settings."""

    __slots__ = ("request_id", "tenant_id", "log_json", "log_level", "log_fd", "log_lock")

    def open(self, environ):
        """Reads the log settings, which Lambda fixes before the process starts."""
        self.request_id = ""
        self.tenant_id = None
        self.log_json = environ.get("AWS_LAMBDA_LOG_FORMAT", "").upper() == "JSON"
        level = environ.get("AWS_LAMBDA_LOG_LEVEL", "").upper()
        # Lambda offers TRACE and FATAL; Python has no such levels.
        self.log_level = {"TRACE": "DEBUG", "FATAL": "CRITICAL"}.get(level, level)
        # A platform that wants whole records rather than lines passes a descriptor for frames.
        descriptor = environ.pop("_LAMBDA_TELEMETRY_LOG_FD", None)
        self.log_fd = int(descriptor) if descriptor else None
        self.log_lock = None

    def share(self):
        """Prepares for processes to come that write frames to the same descriptor."""
        if self.log_fd is not None:
            self.log_lock = os.memfd_create("log")


session = Session()
