"""Init and the invoke loop.

Owns the order of things: prepare the process, load the handler, then next, handle, reply, for
ever. Everything that a function wrote is flushed before its reply is posted, so that a log
line is never attributed to the next invocation. Exceptions of function code become error
documents here; `SystemExit` and its kin end the process, and the platform reports that.
Where several invocations may run at once, this is what each of the `workers` does.
"""

import os
import sys

from . import codec, handler as handlers, search_path
from .connection import Connection, RuntimeApiError
from .context import LambdaContext, function_identity
from .log_hook import LogHook
from .session import session

#: Exit code after a failed init, as Lambda's own runtime uses.
INIT_FAILED = 1

ERROR_TYPE_HEADER = b"Lambda-Runtime-Function-Error-Type: %b\r\n"


def main():
    """Runs the environment until its process is ended."""
    environ = os.environ
    _prepare_streams()
    session.open(environ)
    concurrency = environ.get("AWS_LAMBDA_MAX_CONCURRENCY")
    if concurrency is not None:
        from . import workers

        session.share()
        workers.fork(concurrency)
    search_path.install(environ)
    sys.meta_path.insert(0, LogHook())
    connection = Connection(environ["AWS_LAMBDA_RUNTIME_API"])
    encode = codec.encoder(environ)
    try:
        handler = handlers.resolve(environ["_HANDLER"])
    except Exception as error:
        _fail_init(connection, encode, error, concurrency is not None)
    _serve(connection, encode, handler)


def _prepare_streams():
    # A line reaches the log when it is complete; `_flush` sends the rest before the reply.
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.reconfigure(line_buffering=True)
        except AttributeError:
            pass  # None or a replacement: nothing to tune.


def _flush():
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass  # Function code may have closed or replaced it; the reply matters more.


def _fail_init(connection, encode, error, concurrent):
    from . import faults

    document = faults.describe(error, "")
    faults.log(document, encode)
    _flush()
    head = ERROR_TYPE_HEADER % faults.header_value(document["errorType"])
    try:
        connection.post_init_error(head, encode(document))
    except RuntimeApiError:
        if not concurrent:
            raise
        # Another worker was first to report the same.
    sys.exit(INIT_FAILED)


def _serve(connection, encode, handler):
    environ = os.environ
    function = function_identity(environ)
    invocation = connection.next()
    while True:
        session.request_id = invocation.request_id
        session.tenant_id = invocation.tenant_id
        _publish_trace(environ, invocation.trace_id)
        outcome, head, body = _invoke(invocation, handler, function, encode)
        _flush()
        invocation = connection.reply(invocation.request_id, outcome, head, body)


def _publish_trace(environ, trace_id):
    if trace_id is not None:
        environ["_X_AMZN_TRACE_ID"] = trace_id
    elif "_X_AMZN_TRACE_ID" in environ:
        del environ["_X_AMZN_TRACE_ID"]


def _invoke(invocation, handler, function, encode):
    """Runs the handler once; returns the reply's kind, extra header lines and body."""
    try:
        context = LambdaContext(invocation, function)
        event = codec.decode(invocation.body, invocation.content_type)
        result = handler(event, context)
        if isinstance(result, bytes):
            # Lambda passes bytes through untouched and says that it does not know their type.
            return b"response", b"Content-Type: application/unknown\r\n", result
        return b"response", b"Content-Type: application/json\r\n", codec.marshal(encode, result)
    except Exception as error:
        from . import faults

        document = faults.describe(error, invocation.request_id)
        faults.log(document, encode)
        head = b"Content-Type: application/json\r\n" + ERROR_TYPE_HEADER % faults.header_value(
            document["errorType"]
        )
        return b"error", head, encode(document)
