"""The four examples of examples/extensions, deployed as layers as their READMEs say: diagnostics, behaviour without a
change of code, secrets before the start, alerts from a separate process.
"""

import concurrent.futures
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

from lambda_checks import Checks, Functions, invoke, lambda_client, logged, package, runtime_of, sources, tree, wait_until

EXAMPLES = pathlib.Path(__file__).parents[2] / "examples" / "extensions"
PYTHON = runtime_of("python")
NODE = runtime_of("nodejs")
CODE = package(sources("watched.py", "watched.js"))

client = lambda_client()
checks = Checks()


def lines(name, kind):
    """The JSON lines of a function's log that have this member, without the wrapping."""
    found = []
    for message in logged(name):
        for line in message.splitlines():
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict) and kind in value:
                found.append(value[kind])
    return found


def diagnostics(functions):
    layer = functions.layer("diagnostics", package(tree(EXAMPLES / "diagnostics" / "layer")))
    settings = {"Layers": [layer], "MemorySize": 256, "Timeout": 5}
    variables = {"Variables": {"DIAGNOSTICS_INTERVAL_MS": "20"}}
    name = functions.make("diagnosed", CODE, "watched.works", PYTHON, Environment=variables, **settings)
    answer = invoke(client, name, {"megabytes": 60, "sleep": 0.3})
    checks.equal("diagnostics: the answer is the function's", (answer.error, answer.payload), (None, "worked"))
    seen = wait_until(lambda: lines(name, "diagnostics"))
    checks.equal("diagnostics: one line an invocation", len(seen), 1)
    report = seen[0]
    checks.equal("diagnostics: which and how", (report["request"], report["outcome"]), (answer.request_id, "success"))
    before, during, after = report["before"], report["during"], report["after"]
    checks.holds("diagnostics: before", before["processes"], before, "the runtime's process")
    checks.holds("diagnostics: during", during["samples"] >= 3, during, "several samples in 0.3 s")
    grown = during["peak_rss_kb"] - sum(process["rss_kb"] for process in before["processes"])
    checks.holds("diagnostics: 60 MB are seen", 45_000 <= grown <= 90_000, grown, "about 60,000 kB more than before")
    checks.holds("diagnostics: after", after["tmp_free_mb"] > 400, after, "space in /tmp")

    # The timeout kills the runtime; what was captured is told when the end is announced.
    late = invoke(client, name, {"sleep": 30})
    checks.equal("diagnostics: timeout", late.payload.get("errorType"), "Sandbox.Timedout")
    told = wait_until(lambda: [line for line in lines(name, "diagnostics") if "shutdown" in line])
    checks.equal("diagnostics: reason of the end", [line["shutdown"] for line in told], ["timeout"])
    outcomes = [line["outcome"] for line in lines(name, "diagnostics") if line.get("request") == late.request_id]
    checks.equal("diagnostics: outcome of the timeout", outcomes, ["timeout"])


def no_code_change(functions):
    layer = functions.layer("measure", package(tree(EXAMPLES / "no-code-change" / "layer")))
    wrapped = {"Variables": {"AWS_LAMBDA_EXEC_WRAPPER": "/opt/wrapper"}}
    for label, runtime in (("Python", PYTHON), ("Node.js", NODE)):
        settings = {"Layers": [layer], "MemorySize": 256, "Timeout": 10}
        name = functions.make(f"measured-{label[0].lower()}", CODE, "watched.works", runtime, **settings)
        plain = invoke(client, name, {"sleep": 0.1})
        checks.equal(f"measure, {label}: without the variable", (plain.payload, lines(name, "measure")), ("worked", []))
        client.update_function_configuration(FunctionName=name, Environment=wrapped)
        functions.await_active(name)
        answers = [invoke(client, name, {"sleep": 0.1}), invoke(client, name, {"sleep": 0.1}), invoke(client, name, {"fail": 1})]
        checks.equal(f"measure, {label}: answers", [answer.payload for answer in answers[:2]], ["worked"] * 2)
        checks.equal(f"measure, {label}: its error", answers[2].payload.get("errorMessage"), "told to fail")
        seen = wait_until(lambda: len(found := lines(name, "measure")) == 3 and found) or lines(name, "measure")
        outcomes = [line["outcome"] for line in seen]
        checks.equal(f"measure, {label}: every call", outcomes, ["success", "success", "error"])
        times = [line["handler_ms"] for line in seen[:2]]
        # Node.js rounds to whole milliseconds, so a timer may end up to one early by the finer clock.
        checks.holds(f"measure, {label}: times", all(99 <= ms < 400 for ms in times), times, "about 100 ms")
        requests = [line["request"] for line in seen]
        checks.equal(f"measure, {label}: requests", requests, [answer.request_id for answer in answers])
        checks.holds(f"measure, {label}: told of invocations", seen[-1]["invocations_told"] >= 2, seen, "2 or 3")
        ready = "EXTENSION\tName: measure\tState: Ready\tEvents: [INVOKE]"
        checks.holds(f"measure, {label}: registered", ready in logged(name), logged(name), ready)


def built_secrets():
    """The Go program of the example as a layer's file; None where Go is not installed."""
    go = shutil.which("go")
    if go is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder) / "secrets"
        build = [go, "build", "-ldflags", "-s -w", "-o", program, "."]
        environment = os.environ | {"CGO_ENABLED": "0", "GOFLAGS": "-mod=mod -buildvcs=false"}
        subprocess.run(build, cwd=EXAMPLES / "secrets" / "extension", env=environment, check=True)
        return program.read_bytes()


def secrets(functions):
    program = built_secrets()
    if not checks.holds("secrets: Go builds the extension", program, "no go on the PATH", "a program"):
        return
    layer = functions.layer("secrets", package({"extensions/secrets": program}))
    # Stands for Secrets Manager, inside, because no sandbox has a way out.
    vault = functions.layer("vault", package({f"extensions/{n}": c for n, c in sources("vault.py").items()}))
    variables = {"SECRETS": "db-password, api-key", "AWS_ENDPOINT_URL_SECRETS_MANAGER": "http://localhost:8200"}
    settings = {"Layers": [vault, layer], "MemorySize": 256, "Timeout": 10}
    name = functions.make("secretive", CODE, "watched.asks_for_secrets", PYTHON, Environment={"Variables": variables}, **settings)
    answer = invoke(client, name, {"names": ["db-password", "api-key", "other"]})
    expected = {"at init": "value of db-password", "now": ["value of db-password", "value of api-key", 404], "stranger": 401}
    checks.equal("secrets: there when the module is loaded, and later", (answer.error, answer.payload), (None, expected))
    log = "\n".join(logged(name))
    checks.holds("secrets: ready", "secrets: 2 ready" in log, log, "secrets: 2 ready")
    checks.holds("secrets: none in the log", "value of" not in log, log, "no value")
    signed = wait_until(lambda: lines(name, "vault"))
    key = r"AWS4-HMAC-SHA256 Credential=ASIA[A-Z0-9]{16}/\d{8}/us-east-1/secretsmanager/aws4_request, .*Signature=[0-9a-f]{64}"
    checks.matches("secrets: asked with the role's credentials", signed[0]["authorization"], key)
    checks.equal("secrets: fetched before the function starts, once", [line["id"] for line in signed], ["db-password", "api-key"])

    variables = {"Variables": variables | {"SECRETS": "forbidden"}}
    client.update_function_configuration(FunctionName=name, Environment=variables)
    functions.await_active(name)
    answer = invoke(client, name, {})
    checks.equal("secrets: refused: error", (answer.error, answer.payload.get("errorType")), ("Unhandled", "Extension.InitError"))


def watch(functions):
    layer = functions.layer("watch", package(tree(EXAMPLES / "watch" / "layer")))
    # Takes webhooks, and remembers them where a restarted function finds them.
    hook = functions.layer("hook", package({f"extensions/{n}": c for n, c in sources("hook.py").items()}))
    variables = {"WATCH_SLOW_MS": "400", "ALERT_WEBHOOK": "http://localhost:9100/"}
    settings = {"Layers": [layer, hook], "MemorySize": 256, "Timeout": 2}
    name = functions.make("watched", CODE, "watched.works", PYTHON, Environment={"Variables": variables}, **settings)

    def reasons():
        return [alert["reason"] for alert in lines(name, "alert")]

    checks.equal("watch: all is well", invoke(client, name).payload, "worked")
    checks.equal("watch: no alert", reasons(), [])
    slow = invoke(client, name, {"sleep": 0.5})
    failed = invoke(client, name, {"fail": 1})
    checks.equal("watch: the function's error", failed.payload.get("errorMessage"), "told to fail")
    wait_until(lambda: len(reasons()) >= 3)
    alerts = lines(name, "alert")
    slow_ones = [alert.get("requestId") for alert in alerts if alert["reason"] == "slow"]
    checks.equal("watch: the slow call, by platform.report", slow_ones, [slow.request_id])
    errors = [alert.get("requestId") for alert in alerts if alert["reason"] == "platform.runtimeDone error"]
    checks.equal("watch: the error, by platform.runtimeDone", errors, [failed.request_id])
    logged_errors = [alert["line"] for alert in alerts if alert["reason"] == "error logged"]
    checks.holds("watch: the error, by the log", logged_errors and "told to fail" in logged_errors[0], alerts, "the line")
    hooks = invoke(client, name, {"hooks": True}).payload
    checks.equal("watch: the webhook had them all", [hook["reason"] for hook in hooks], [alert["reason"] for alert in alerts])

    late = invoke(client, name, {"sleep": 30})
    wait_until(lambda: "environment ended" in reasons())
    checks.holds("watch: the timeout", "platform.runtimeDone timeout" in reasons(), reasons(), "platform.runtimeDone timeout")
    ended = [alert["shutdownReason"] for alert in lines(name, "alert") if alert["reason"] == "environment ended"]
    checks.equal("watch: the end", (late.payload["errorType"], ended), ("Sandbox.Timedout", ["timeout"]))


def guarded(part, functions):
    with checks.part(part.__name__):
        part(functions)


with Functions(client) as functions, concurrent.futures.ThreadPoolExecutor(4) as crowd:
    list(crowd.map(lambda part: guarded(part, functions), (diagnostics, no_code_change, secrets, watch)))
checks.finish()
