"""Lambda's configuration of the standard `logging` module.

The root logger gets one handler: text records as
`[LEVEL]<tab>time<tab>request id<tab>message`, or JSON objects where the function's log format
says so. The level is set only if the function's log level is. Loaded by `log_hook`, right
after `logging` itself; imports nothing that the function did not ask for.
"""

import logging
import time

from . import records
from .session import session

_TEXT_FORMAT = "[%(levelname)s]\t%(asctime)s.%(msecs)03dZ\t%(aws_request_id)s\t%(message)s\n"

#: Attributes of a record that are not the function's own additions.
_RECORD_ATTRIBUTES = frozenset(vars(logging.makeLogRecord({}))) | {
    "aws_request_id",
    "tenant_id",
    "message",
    "asctime",
}


def install(module):
    """Configures `module`, which is `logging`."""
    module.Formatter.converter = time.gmtime
    handler = LambdaLoggerHandler()
    if session.log_json:
        handler.setFormatter(JsonFormatter())
    else:
        handler.setFormatter(module.Formatter(_TEXT_FORMAT, "%Y-%m-%dT%H:%M:%S"))
    handler.addFilter(_add_invocation)
    root = module.getLogger()
    if isinstance(module.getLevelName(session.log_level), int):
        root.setLevel(session.log_level)
    root.addHandler(handler)


class LambdaLoggerHandler(logging.Handler):
    """Passes formatted records on to the platform. Libraries look for it by this name."""

    def emit(self, record):
        records.write(self.format(record), _rounded_level(record))


class JsonFormatter(logging.Formatter):
    """One JSON object per record, with Lambda's field names; absent fields are left out."""

    def __init__(self):
        super().__init__(datefmt="%Y-%m-%dT%H:%M:%SZ")

    def format(self, record):
        # Lambda knows only the five standard levels and writes the next lower one.
        record.levelno = _rounded_level(record)
        record.levelname = logging.getLevelName(record.levelno)
        whole = isinstance(record.msg, dict) and not record.args
        fields = {
            "timestamp": self.formatTime(record, self.datefmt),
            "level": record.levelname,
            "message": record.msg if whole else record.getMessage(),
            "logger": record.name,
            "requestId": record.aws_request_id,
            "tenantId": record.tenant_id,
        }
        if record.exc_info:
            fields.update(_exception_fields(record))
        for name, value in vars(record).items():
            if name not in _RECORD_ATTRIBUTES:
                fields.setdefault(name, value)
        import json

        fields = {name: value for name, value in fields.items() if value is not None}
        return json.dumps(fields, ensure_ascii=False, default=str) + "\n"


def _exception_fields(record):
    import traceback

    kind, error, trace = record.exc_info
    return {
        "stackTrace": traceback.format_tb(trace),
        "errorType": None if kind is None else kind.__name__,
        "errorMessage": None if error is None else str(error),
        "location": "%s:%s:%d" % (record.pathname, record.funcName, record.lineno),
    }


def _add_invocation(record):
    record.aws_request_id = session.request_id
    record.tenant_id = session.tenant_id
    return True


def _rounded_level(record):
    return min(50, max(0, record.levelno)) // 10 * 10
