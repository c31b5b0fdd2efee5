"""The vendor's runtime client for Node.js (`aws-lambda-ric`), unmodified, as the bootstrap of a custom runtime."""

import re

from vendored import bootstrap, function_files, node_client, zipped

from lambda_checks import Checks, Functions, invoke, lambda_client

client = lambda_client()
checks = Checks()
PACKAGE = zipped(
    node_client(),
    function_files("client_app.mjs", "init_fails.mjs"),
    bootstrap('node node_modules/aws-lambda-ric/bin/index.mjs "$_HANDLER"'),
)


def deploy(functions, handler):
    label = f"ric-node-{len(functions.names)}"
    return functions.make(label, PACKAGE, handler, "provided.al2023", MemorySize=256, Timeout=20)


def hello(functions):
    name = deploy(functions, "client_app.hello")
    answer = invoke(client, name, {"name": "Ada"}, ClientContext="eyJjdXN0b20iOiB7ImsiOiAidiJ9fQ==")
    checks.equal("hello: no error", (answer.status, answer.error), (200, None))
    seen = dict(answer.payload)
    facts = {
        "message": "hello Ada",
        "calls": 1,
        "requestId": answer.request_id,
        "functionName": name,
        "functionVersion": "$LATEST",
        "memory": "256",
        "arn": client.get_function_configuration(FunctionName=name)["FunctionArn"],
        "logGroup": f"/aws/lambda/{name}",
        "custom": {"k": "v"},
    }
    checks.includes("hello: answer and context", seen, facts)
    checks.matches("hello: log stream", seen["logStream"], r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}")
    checks.matches("hello: trace", seen["trace"], r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};.*")
    checks.holds("hello: time left", 15_000 < seen["remainingMs"] <= 20_000, seen["remainingMs"], "about 20 s")
    record = rf"\d\d\.\d{{3}}Z\t{answer.request_id}\tINFO\tgreeting Ada\n"
    checks.holds("hello: record", re.search(record, answer.log), answer.log, "a record with its request id")
    warm = invoke(client, name, {"name": "ż"})
    checks.includes("hello: warm", warm.payload, {"message": "hello ż", "calls": 2})
    print(f"warm: {re.search(r'	Duration: ([^	]+)', warm.log)[1]}")
    name = deploy(functions, "client_app.calledBack")
    checks.equal("callback", invoke(client, name, {"a": [1]}).payload, {"a": [1]})


def errors(functions):
    name = deploy(functions, "client_app.fails")
    answer = invoke(client, name, {"name": "x"})
    checks.equal("error: marked", (answer.status, answer.error), (200, "Unhandled"))
    expected = {"errorType": "RangeError", "errorMessage": "no such thing: x"}
    checks.includes("error: document", answer.payload, expected)
    trace = "\n".join(answer.payload["trace"])
    checks.holds("error: stack", "/var/task/client_app.mjs" in trace, trace, "the function's file")
    checks.holds("error: log", "ERROR\tInvoke Error" in answer.log, answer.log, "Invoke Error")

    name = deploy(functions, "init_fails.handler")
    answer = invoke(client, name)
    checks.equal("init error: marked", (answer.status, answer.error), (200, "Unhandled"))
    expected = {"errorType": "Error", "errorMessage": "no configuration"}
    checks.includes("init error: document", answer.payload, expected)


def logs(functions):
    name = deploy(functions, "client_app.logs")
    answer = invoke(client, name)
    wanted = {"INFO": "one line", "WARN": "first line[\r\n]+second line", "ERROR": "TypeError: logged"}
    for level, text in wanted.items():
        record = rf"\d\d\.\d{{3}}Z\t{answer.request_id}\t{level}\t{text}"
        checks.holds(f"text log: {level}", re.search(record, answer.log), answer.log, f"a record of level {level}")
    name = deploy(functions, "client_app.large")
    answer = invoke(client, name, {"size": 5_000_000})
    checks.equal("large answer", (answer.error, len(answer.raw)), (None, 5_000_002))


def streams(functions):
    """Invoked without streaming, the answer is what the stream held."""
    name = deploy(functions, "client_app.streams")
    for pieces in (3, 1000):
        answer = invoke(client, name, {"pieces": pieces})
        text = answer.raw.decode()
        expected = "".join(f"piece {number}\n" for number in range(pieces))
        checks.equal(f"stream of {pieces}", (answer.error, text), (None, expected))
    answer = invoke(client, deploy(functions, "client_app.page"))
    expected = b'{"statusCode":201,"headers":{"x-kind":"page"}}' + bytes(8) + b"<p>"
    checks.equal("stream with metadata", answer.raw, expected)


def event_stream(functions):
    """Through InvokeWithResponseStream, piece by piece."""

    def streamed(handler, event):
        name = deploy(functions, handler)
        response = client.invoke_with_response_stream(FunctionName=name, Payload=event, LogType="Tail")
        events = list(response["EventStream"])
        body = b"".join(event["PayloadChunk"]["Payload"] for event in events if "PayloadChunk" in event)
        return response, body, events[-1].get("InvokeComplete")

    response, body, end = streamed("client_app.streams", b'{"pieces": 2}')
    checks.equal("event stream: status and body", (response["StatusCode"], body), (200, b"piece 0\npiece 1\n"))
    framing = "application/vnd.amazon.eventstream"  # of the answer; the function's own type is for function URLs
    checks.equal("event stream: type", response.get("ResponseStreamContentType"), framing)
    checks.holds("event stream: end", end is not None and "ErrorCode" not in end, end, "an end without error")
    _, body, end = streamed("client_app.failsMidway", b"{}")
    checks.equal("event stream: body before an error", body, b"so far")
    checks.equal("event stream: error", (end or {}).get("ErrorCode"), "RangeError")
    checks.holds("event stream: details", "too far" in str(end), end, "the error's document")


with Functions(client) as functions:
    for part in (hello, errors, logs, streams, event_stream):
        with checks.part(part.__name__):
            part(functions)
checks.finish()
