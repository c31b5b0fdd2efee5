"""A native function (examples/rust-hello on the public lambda_runtime crate) under provided.al2023 and .al2.

NATIVE_BOOTSTRAP names the built program.
"""

import os
import pathlib
import re

from lambda_checks import Checks, Functions, invoke, lambda_client, package

client = lambda_client()
checks = Checks()
program = pathlib.Path(os.environ["NATIVE_BOOTSTRAP"]).read_bytes()


def lives(functions, runtime):
    label = runtime.replace(".", "-")
    name = functions.make(label, package({"bootstrap": program}), "not.used", runtime, MemorySize=256)
    cold = invoke(client, name, {"name": "Ada", "list": [1, None, "ż"]})
    checks.equal(f"{runtime}: no error", (cold.status, cold.error), (200, None))
    checks.includes(
        f"{runtime}: answer",
        cold.payload,
        {"greeting": "Hello, Ada!", "event": {"name": "Ada", "list": [1, None, "ż"]}},
    )
    arn = client.get_function_configuration(FunctionName=name)["FunctionArn"]
    facts = {
        "request_id": cold.request_id,
        "function_name": name,
        "version": "$LATEST",
        "memory_mb": 256,
        "invoked_function_arn": arn,
        "log_group": f"/aws/lambda/{name}",
    }
    checks.includes(f"{runtime}: context", cold.payload["context"], facts)
    checks.matches(
        f"{runtime}: log stream", cold.payload["context"]["log_stream"], r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}"
    )
    checks.matches(f"{runtime}: trace", cold.payload["context"]["trace"], r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};.*")
    checks.holds(f"{runtime}: its output is in the log", "greeting Ada\n" in cold.log, cold.log, "greeting Ada")
    checks.holds(f"{runtime}: cold start", "Init Duration: " in cold.log, cold.log, "Init Duration")
    warm = invoke(client, name, {})
    checks.equal(f"{runtime}: warm answer", warm.payload["greeting"], "Hello, world!")
    checks.holds(f"{runtime}: warm start", "Init Duration" not in warm.log, warm.log, "no Init Duration")
    same = warm.payload["context"]["log_stream"] == cold.payload["context"]["log_stream"]
    checks.holds(f"{runtime}: same environment", same, warm.payload["context"], "the same log stream")
    duration = float(re.search(r"\tDuration: ([\d.]+) ms", warm.log)[1])
    print(f"{runtime}: warm duration {duration} ms")


def fails(functions):
    """`get` on what is no object gives nothing, so the greeting stays; a bad program is another matter."""
    name = functions.make("native-broken", package({"bootstrap": program[:4096]}), "any", "provided.al2023")
    answer = invoke(client, name)
    checks.equal("cut program: function error", (answer.status, answer.error), (200, "Unhandled"))
    kind = answer.payload.get("errorType")
    checks.holds(
        "cut program: type",
        kind in ("Runtime.InvalidEntrypoint", "Runtime.ExitError"),
        kind,
        "Runtime.InvalidEntrypoint or ExitError",
    )
    shell = "#!/bin/sh\necho some last words\nexit 9\n"
    name = functions.make("native-exits", package({"bootstrap": shell}), "any", "provided.al2023")
    answer = invoke(client, name)
    text = f"RequestId: {answer.request_id} Error: Runtime exited with error: exit status 9"
    checks.equal(
        "script that exits: answer", answer.payload, {"errorType": "Runtime.ExitError", "errorMessage": text}
    )
    checks.holds(
        "script that exits: its output is in the log", "some last words" in answer.log, answer.log, "some last words"
    )


with Functions(client) as functions:
    for runtime in ("provided.al2023", "provided.al2"):
        with checks.part(runtime):
            lives(functions, runtime)
    with checks.part("fails"):
        fails(functions)
checks.finish()
