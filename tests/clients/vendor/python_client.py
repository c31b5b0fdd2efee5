"""The vendor's runtime client for Python (`awslambdaric`), unmodified, as the bootstrap of a custom runtime."""

import json
import re

from vendored import bootstrap, function_files, python_packages, zipped

from lambda_checks import Checks, Functions, invoke, lambda_client, runtime_of

client = lambda_client()
checks = Checks()
version = runtime_of("python").removeprefix("python")
PACKAGE = zipped(
    python_packages("awslambdaric", version),
    function_files("client_app.py", "init_fails.py"),
    bootstrap(f'python{version} -m awslambdaric "$_HANDLER"'),
)


def deploy(functions, handler, **settings):
    label = f"ric-py-{len(functions.names)}"
    return functions.make(label, PACKAGE, handler, "provided.al2023", MemorySize=256, Timeout=20, **settings)


def hello(functions):
    name = deploy(functions, "client_app.hello")
    answer = invoke(client, name, {"name": "Ada"}, ClientContext="eyJjdXN0b20iOiB7ImsiOiAidiJ9fQ==")
    checks.equal("hello: no error", (answer.status, answer.error), (200, None))
    seen = dict(answer.payload)
    facts = {
        "message": "hello Ada",
        "calls": 1,
        "request_id": answer.request_id,
        "function_name": name,
        "function_version": "$LATEST",
        "memory": "256",
        "arn": client.get_function_configuration(FunctionName=name)["FunctionArn"],
        "log_group": f"/aws/lambda/{name}",
        "custom": {"k": "v"},
        "handler": "client_app.hello",
    }
    checks.includes("hello: answer and context", seen, facts)
    stream = r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}"
    checks.matches("hello: log stream", seen["log_stream"], stream)
    checks.matches("hello: trace", seen["trace"], r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};.*")
    checks.holds("hello: time left", 15_000 < seen["remaining_ms"] <= 20_000, seen["remaining_ms"], "about 20 s")
    checks.holds("hello: what it printed is in the log", "greeting Ada\n" in answer.log, answer.log, "greeting Ada")
    warm = invoke(client, name, {"name": "ż"})
    checks.includes("hello: warm", warm.payload, {"message": "hello ż", "calls": 2})
    print(f"warm: {re.search(r'	Duration: ([^	]+)', warm.log)[1]}")


def errors(functions):
    name = deploy(functions, "client_app.fails")
    answer = invoke(client, name, {"name": "x"})
    checks.equal("error: marked", (answer.status, answer.error), (200, "Unhandled"))
    expected = {"errorType": "ValueError", "errorMessage": "no such thing: x", "requestId": answer.request_id}
    checks.includes("error: document", answer.payload, expected)
    trace = "".join(answer.payload["stackTrace"])
    checks.holds("error: stack", "/var/task/client_app.py" in trace, trace, "the function's file")
    checks.holds("error: log", "[ERROR] ValueError: no such thing: x" in answer.log, answer.log, "[ERROR] ValueError")

    name = deploy(functions, "init_fails.handler")
    answer = invoke(client, name)
    checks.equal("init error: marked", (answer.status, answer.error), (200, "Unhandled"))
    expected = {"errorType": "RuntimeError", "errorMessage": "no configuration"}
    checks.includes("init error: document", answer.payload, expected)

    name = deploy(functions, "absent.handler")
    expected = {
        "errorType": "Runtime.ImportModuleError",
        "errorMessage": "Unable to import module 'absent': No module named 'absent'",
    }
    checks.includes("missing module: document", invoke(client, name).payload, expected)

    name = deploy(functions, "client_app.leaves")
    answer = invoke(client, name)
    text = f"RequestId: {answer.request_id} Error: Runtime exited with error: exit status 3"
    checks.equal("exit: answer", answer.payload, {"errorType": "Runtime.ExitError", "errorMessage": text})


def logs(functions):
    name = deploy(functions, "client_app.logs")
    answer = invoke(client, name)
    time = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    wanted = {"INFO": "one line\n", "WARNING": "first line[\r\n]+second line\n", "ERROR": "with a field\n"}
    for level, text in wanted.items():
        found = re.search(rf"\[{level}\]\t{time}\t{answer.request_id}\t{text}", answer.log)
        checks.holds(f"text log: {level}", found, answer.log, f"a record of level {level}")
    checks.holds("text log: stack", "KeyError: 'absent'" in answer.log, answer.log, "the exception")
    checks.holds("text log: level", "not at this level" not in answer.log, answer.log, "no debug record")


def json_logs(functions):
    name = deploy(functions, "client_app.logs", LoggingConfig={"LogFormat": "JSON", "ApplicationLogLevel": "INFO"})
    answer = invoke(client, name)
    lines = [line for line in answer.log.splitlines() if line.startswith("{")]
    records = {record.get("message"): record for record in map(json.loads, lines) if "level" in record}
    expected = {
        "one line": {"level": "INFO", "requestId": answer.request_id, "logger": "root"},
        "first line\nsecond line": {"level": "WARNING"},
        "with a field": {"level": "ERROR", "order": 7},
        "caught": {"level": "ERROR", "errorType": "KeyError", "errorMessage": "'absent'"},
    }
    for message, fields in expected.items():
        checks.includes(f"JSON log: {message!r}", records.get(message), fields)


def large(functions):
    name = deploy(functions, "client_app.large")
    answer = invoke(client, name, {"size": 5_000_000})
    checks.equal("large answer", (answer.error, len(answer.raw)), (None, 5_000_002))


with Functions(client) as functions:
    for part in (hello, errors, logs, json_logs, large):
        with checks.part(part.__name__):
            part(functions)
checks.finish()
