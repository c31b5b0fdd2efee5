"""Measures every call of a handler that knows nothing of it, and is an internal extension besides.

The wrapper script makes `handler` the function's handler; the real one is named by MEASURED_HANDLER.
"""

import functools
import http.client
import importlib
import json
import os
import threading
import time

NAME = "measure"
invocations = 0


def register():
    """Registers from within the runtime's process: an internal extension. It may hear of invocations, not of the end."""
    api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
    api.request(
        "POST", "/2020-01-01/extension/register", '{"events": ["INVOKE"]}', {"Lambda-Extension-Name": NAME}
    )
    answer = api.getresponse()
    answer.read()
    headers = {"Lambda-Extension-Identifier": answer.headers["Lambda-Extension-Identifier"]}
    threading.Thread(target=attend, args=(api, headers), daemon=True).start()


def attend(api, headers):
    global invocations
    while True:
        api.request("GET", "/2020-01-01/extension/event/next", headers=headers)
        event = json.loads(api.getresponse().read())
        if event.get("eventType") == "INVOKE":
            invocations += 1


def measured(call):
    @functools.wraps(call)
    def handler(event, context):
        began = time.perf_counter()
        outcome = "error"
        try:
            result = call(event, context)
            outcome = "success"
            return result
        finally:
            milliseconds = round((time.perf_counter() - began) * 1000, 3)
            line = {"request": context.aws_request_id, "outcome": outcome, "handler_ms": milliseconds}
            print(json.dumps({"measure": line | {"invocations_told": invocations}}), flush=True)

    return handler


def load():
    module, _, name = os.environ["MEASURED_HANDLER"].rpartition(".")
    return getattr(importlib.import_module(module.replace("/", ".")), name)


register()
handler = measured(load())
