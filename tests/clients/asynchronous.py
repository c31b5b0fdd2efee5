"""Asynchronous invocations through boto3 and the `aws` command: taken at once, run later, tried again after failures, given
up, told to destinations that are functions, and there again after `kill -9`.

Starts a server of its own, since it is killed in between and pauses are short.
"""

import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import uuid

from lambda_checks import Checks, Functions, package, runtime_of, wait_until
from own_servers import OwnServer

HANDLER = """
import json, time

def handler(event, context):
    print("RAN", json.dumps({"request": context.aws_request_id, "event": event}))
    if isinstance(event, dict):
        time.sleep(event.get("seconds", 0))
        if event.get("fail"):
            raise ValueError("on purpose")
    return {"well": True}
"""
CODE = package({"app.py": HANDLER})
AWS = pathlib.Path(sys.executable).with_name("aws")
KILLS, EVENTS_PER_KILL = 3, 60

checks = Checks()
PYTHON = runtime_of("python")


def send(server, name, event):
    answer = server.client.invoke(FunctionName=name, InvocationType="Event", Payload=json.dumps(event))
    return answer["ResponseMetadata"]["RequestId"], answer


def fate(server, request):
    answer = server.signer().request("GET", f"/_dormouse/events/{request}")
    return json.loads(answer.body) if answer.status == 200 else {"status": answer.status}


def ended(server, request, seconds=30):
    def end():
        last = fate(server, request)
        return last if last["status"] not in ("queued", "running") else None

    return wait_until(end, seconds)


def ran(server, name):
    """What the function's log says of its runs."""
    body = server.signer().request("GET", f"/_dormouse/functions/{name}/logs?since_ms=0&limit=10000").body.decode()
    messages = [json.loads(line).get("message", "") for line in body.splitlines()]
    return [json.loads(text.split("RAN ", 1)[1]) for text in messages if text.startswith("RAN ")]


def taken_at_once(server, functions):
    name = functions.make("events", CODE, "app.handler", PYTHON)
    request, answer = send(server, name, {"seconds": 1})
    checks.equal("an event is answered with 202", answer["StatusCode"], 202)
    checks.equal("and with nothing else", answer["Payload"].read(), b"")
    last = ended(server, request)
    checks.includes("it ran to its end", last, {"status": "Success", "failedAttempts": 0})
    checks.equal("under the id of its request", [run["request"] for run in ran(server, name)], [request])
    old = server.client.invoke_async(FunctionName=name, InvokeArgs=b'{"old": 1}')
    checks.equal("InvokeAsync answers 202", old["Status"], 202)
    checks.holds(
        "and runs", wait_until(lambda: {"old": 1} in [run["event"] for run in ran(server, name)]), ran(server, name), "its event"
    )
    shown = subprocess.run(
        [AWS, "lambda", "invoke", "--endpoint-url", server.endpoint, "--function-name", name, "--invocation-type", "Event",
         "--payload", '{"cli": 1}', "/dev/null"],
        capture_output=True, text=True,
    )
    checks.equal("the command is answered too", json.loads(shown.stdout or "{}").get("StatusCode"), 202)
    large = json.dumps({"x": "y" * 1_048_576})
    checks.refused(
        "an event of more than 1 MB is refused",
        lambda: server.client.invoke(FunctionName=name, InvocationType="Event", Payload=large),
        "RequestTooLargeException", 413, "1048576",
    )
    checks.refused(
        "as is one for no function",
        lambda: server.client.invoke(FunctionName="nobody", InvocationType="Event", Payload="{}"),
        "ResourceNotFoundException", 404,
    )
    checks.equal("nothing is known of an unknown request", fate(server, uuid.uuid4())["status"], 404)


def role_that_may_invoke(server, arn):
    """A role that Lambda takes on and that may invoke one function."""
    iam = server.service("iam")
    statement = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="telling", AssumeRolePolicyDocument=json.dumps({"Statement": statement}))["Role"]
    statement = {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": arn}
    iam.put_role_policy(RoleName="telling", PolicyName="tell", PolicyDocument=json.dumps({"Statement": statement}))
    return role["Arn"]


def failures_and_destinations(server, functions):
    sorry = functions.make("sorry", CODE, "app.handler", PYTHON)
    name = functions.make("fails", CODE, "app.handler", PYTHON)
    arn = server.client.get_function(FunctionName=sorry)["Configuration"]["FunctionArn"]
    server.client.update_function_configuration(FunctionName=name, Role=role_that_may_invoke(server, arn))
    server.client.put_function_event_invoke_config(
        FunctionName=name, MaximumRetryAttempts=1, DestinationConfig={"OnFailure": {"Destination": arn}}
    )
    request, _ = send(server, name, {"fail": True})
    last = ended(server, request)
    checks.includes("a function that fails is tried as often as set", last, {"status": "RetriesExhausted", "failedAttempts": 2})
    checks.equal("with the same id each time", [run["request"] for run in ran(server, name)], [request] * 2)
    told = wait_until(lambda: ran(server, sorry))
    record = told[0]["event"] if told else {}
    checks.includes(
        "its destination is told", record.get("requestContext"),
        {"requestId": request, "condition": "RetriesExhausted", "approximateInvokeCount": 2},
    )
    checks.equal("with the event", record.get("requestPayload"), {"fail": True})
    checks.includes("and with how it failed", record.get("responsePayload"), {"errorType": "ValueError", "errorMessage": "on purpose"})


def held_back(server, functions):
    name = functions.make("reserved", CODE, "app.handler", PYTHON)
    server.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    first, _ = send(server, name, {"seconds": 2})
    wait_until(lambda: fate(server, first)["status"] == "running" and ran(server, name))
    request, _ = send(server, name, {})
    checks.holds("without concurrency it waits", fate(server, request)["status"] in ("queued", "running"), fate(server, request), "queued")
    checks.includes("and runs when there is some", ended(server, request, 60), {"status": "Success", "failedAttempts": 0})
    server.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    request, _ = send(server, name, {})
    last = ended(server, request)
    checks.includes("without any at all it is given up at once", last, {"status": "ZeroReservedConcurrency", "failedAttempts": 0})


def killed(server, functions):
    name = functions.make("killed", CODE, "app.handler", PYTHON)
    requests = []
    for _ in range(KILLS):
        requests += [send(server, name, {"number": number})[0] for number in range(EVENTS_PER_KILL)]
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        server.start()
    unfinished = lambda: [request for request in requests if fate(server, request)["status"] != "Success"]
    wait_until(lambda: not unfinished(), 60, 0.2)
    checks.equal("every event that was acknowledged ran", unfinished(), [])
    print(f"{KILLS} kills, {len(requests)} events acknowledged, {len(requests) - len(unfinished())} run to their end")


with tempfile.TemporaryDirectory() as folder:
    with OwnServer(folder, "--async-retry-seconds", "1") as server, Functions(server.client) as functions:
        for part in (taken_at_once, failures_and_destinations, held_back):
            with checks.part(part.__name__):
                part(server, functions)
    with tempfile.TemporaryDirectory() as other, OwnServer(other, "--async-retry-seconds", "1") as server:
        with checks.part("killed"):
            functions = Functions(server.client)
            killed(server, functions)
checks.finish()
