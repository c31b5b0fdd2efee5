"""Provisioned concurrency through boto3 and the `aws` command: environments are initialised before anybody invokes them,
however long that takes, are there again after whatever ends them, follow their alias, and go when they are taken away.

Starts a server of its own, since it is started again in between.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

from botocore.exceptions import ClientError

from lambda_checks import Checks, Functions, invoke, package, report, runtime_of, wait_until
from own_servers import OwnServer

HANDLER = """
import os, time

if os.environ.get("BROKEN"):
    raise RuntimeError("no init")
time.sleep(float(os.environ.get("INIT_SECONDS", "0")))
BORN = time.time()

def handler(event, context):
    if event.get("exit"):
        os._exit(3)
    if event.get("eat"):
        held = bytearray(1 << 30)
    time.sleep(event.get("seconds", 0))
    return {
        "type": os.environ["AWS_LAMBDA_INITIALIZATION_TYPE"], "version": context.function_version, "born": BORN,
        "pid": os.getpid(), "stream": context.log_stream_name,
    }
"""
CODE = package({"app.py": HANDLER})
AWS = pathlib.Path(sys.executable).with_name("aws")
PROVISIONED, ON_DEMAND = "provisioned-concurrency", "on-demand"
READY_SECONDS_MAX = 30
INIT_SECONDS = 12
GONE = ("ProvisionedConcurrencyConfigNotFoundException", 404)

checks = Checks()
PYTHON = runtime_of("python")


def make(functions, label, **settings):
    """A function with version 1 and the alias `live` for it."""
    name = functions.make(label, CODE, "app.handler", PYTHON, **settings)
    publish(functions, name)
    functions.client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    return name


def publish(functions, name, **changed):
    """Publishes a version after a change; gives its number."""
    if changed:
        functions.client.update_function_configuration(FunctionName=name, **changed)
        functions.await_active(name)
    return functions.client.publish_version(FunctionName=name)["Version"]


def provision(functions, name, count, qualifier="live"):
    return functions.client.put_provisioned_concurrency_config(
        FunctionName=name, Qualifier=qualifier, ProvisionedConcurrentExecutions=count
    )


def told(functions, name, qualifier="live"):
    """Status, allocated and available."""
    found = functions.client.get_provisioned_concurrency_config(FunctionName=name, Qualifier=qualifier)
    numbers = (found[f"{word}ProvisionedConcurrentExecutions"] for word in ("Allocated", "Available"))
    return found["Status"], *numbers


def becomes(functions, name, expected, qualifier="live", seconds=READY_SECONDS_MAX):
    """Waits for a status with its numbers."""
    wait_until(lambda: told(functions, name, qualifier) == expected, seconds)
    return told(functions, name, qualifier)


def refilled(functions, name, count=1, qualifier="live"):
    return checks.equal(f"{name} {qualifier} is ready", becomes(functions, name, ("READY", count, count), qualifier),
                        ("READY", count, count))


def call(functions, name, event=None, qualifier="live"):
    return invoke(functions.client, name, event, Qualifier=qualifier)


def environments(server):
    """How many there are, over all functions."""
    text = server.signer().request("GET", "/_dormouse/metrics").body.decode()
    return sum(int(float(count)) for count in re.findall(r"^dormouse_environments\{[^}]*\} (\S+)$", text, re.MULTILINE))


def warm(functions, _):
    name = make(functions, "warm")
    told_first = provision(functions, name, 2)
    checks.includes("what is put is told", told_first, {"RequestedProvisionedConcurrentExecutions": 2, "Status": "IN_PROGRESS"})
    checks.matches("its time is in AWS's form", told_first["LastModified"], r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+0000")
    refilled(functions, name, 2)
    before = time.time()
    answer = call(functions, name)
    checks.equal("the first call meets a provisioned environment", answer.payload["type"], PROVISIONED)
    checks.holds("it had initialised before", answer.payload["born"] < before, answer.payload["born"], f"before {before}")
    checks.equal("no init is reported", report(answer).get("Init Duration"), None)
    checks.equal("it is ready while it is in use", told(functions, name), ("READY", 2, 2))
    checks.equal("its version has it too", call(functions, name, qualifier="1").payload["type"], PROVISIONED)
    checks.equal("$LATEST has none", call(functions, name, qualifier="$LATEST").payload["type"], ON_DEMAND)
    provision(functions, name, 1)
    refilled(functions, name, 1)


def slow_init(functions, _):
    name = make(functions, "slow", Timeout=3, Environment={"Variables": {"INIT_SECONDS": str(INIT_SECONDS)}})
    started = time.monotonic()
    provision(functions, name, 1)
    failed = call(functions, name, qualifier="$LATEST")
    checks.equal("on demand such an init is broken off", (failed.error, failed.payload["errorType"]),
                 ("Unhandled", "Sandbox.Timedout"))
    refilled(functions, name)
    took = time.monotonic() - started
    checks.holds("init ran to its end", took >= INIT_SECONDS, took, f"{INIT_SECONDS} s or more")
    answer = call(functions, name)
    checks.equal("its time is not the invocation's", (answer.error, answer.payload.get("type")), (None, PROVISIONED))
    billed = int(report(answer)["Billed Duration"].split()[0])
    checks.holds("nor is it billed", billed < 1_000, billed, "less than a second")


def refill(functions, _):
    name = make(functions, "refill", Timeout=2)
    provision(functions, name, 1)
    refilled(functions, name)
    for what, event in (("exit", {"exit": True}), ("out of memory", {"eat": True}), ("timeout", {"seconds": 10})):
        before = call(functions, name).payload
        failed = call(functions, name, event)
        checks.equal(f"{what}: the call fails", failed.error, "Unhandled")
        refilled(functions, name)
        after = call(functions, name)
        checks.equal(f"{what}: a new one is there", after.payload["type"], PROVISIONED)
        checks.holds(f"{what}: it is another", after.payload["stream"] != before["stream"], after.payload, "another stream")
        checks.equal(f"{what}: which had initialised", report(after).get("Init Duration"), None)


def moved(functions, _):
    name = make(functions, "moved")
    provision(functions, name, 1)
    refilled(functions, name)
    second = publish(functions, name, Description="second")
    functions.client.update_alias(FunctionName=name, Name="live", FunctionVersion=second)
    refilled(functions, name)
    answer = call(functions, name)
    checks.equal("the alias has the new version ready", (answer.payload["version"], answer.payload["type"]),
                 (second, PROVISIONED))
    checks.equal("without an init", report(answer).get("Init Duration"), None)
    checks.equal("the old one has nothing more", call(functions, name, qualifier="1").payload["type"], ON_DEMAND)
    provision(functions, name, 4)
    weights = {"AdditionalVersionWeights": {"1": 0.5}}
    functions.client.update_alias(FunctionName=name, Name="live", RoutingConfig=weights)
    refilled(functions, name, 4)
    types = {call(functions, name, qualifier=version).payload["type"] for version in ("1", second)}
    checks.equal("weights split it", types, {PROVISIONED})
    checks.refused("such an alias gets no other number", lambda: provision(functions, name, 2),
                   "InvalidParameterValueException", 400, "Alias with weights can not be used")


def spill(functions, _):
    name = make(functions, "spill", Timeout=10)
    provision(functions, name, 1)
    refilled(functions, name)
    both = [{"seconds": 1.5}] * 2
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda event: call(functions, name, event), both))
        types = sorted(answer.payload["type"] for answer in answers)
        checks.equal("beyond it calls run on demand", types, [ON_DEMAND, PROVISIONED])
        checks.equal("the provisioned one comes first again", call(functions, name).payload["type"], PROVISIONED)
        functions.client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
        asked = [pool.submit(refusal, lambda: call(functions, name, {"seconds": 1.5}).status) for _ in both]
        seen = sorted((future.result() for future in asked), key=str)
    throttled = ("TooManyRequestsException", "ReservedFunctionConcurrentInvocationLimitExceeded")
    checks.equal("but not beyond what is reserved", seen, sorted([200, throttled], key=str))
    checks.refused("no less can be reserved", lambda: functions.client.put_function_concurrency(
        FunctionName=name, ReservedConcurrentExecutions=0), "InvalidParameterValueException", 400, "total provisioned")


def refusal(do):
    """Code and reason of a refused call, or what it gave."""
    try:
        return do()
    except ClientError as error:
        return error.response["Error"]["Code"], error.response.get("Reason")


def broken(functions, _):
    name = make(functions, "broken")
    number = publish(functions, name, Environment={"Variables": {"BROKEN": "yes"}})
    functions.client.update_alias(FunctionName=name, Name="live", FunctionVersion=number)
    provision(functions, name, 1)
    wait_until(lambda: told(functions, name)[0] == "FAILED", READY_SECONDS_MAX)
    found = functions.client.get_provisioned_concurrency_config(FunctionName=name, Qualifier="live")
    checks.includes("a failed init is told", found, {
        "Status": "FAILED", "StatusReason": "FUNCTION_ERROR_INIT_FAILURE", "AvailableProvisionedConcurrentExecutions": 0,
    })  # fmt: skip
    checks.equal("calls fail as ever", call(functions, name).error, "Unhandled")
    functions.client.update_alias(FunctionName=name, Name="live", FunctionVersion="1")
    refilled(functions, name)


def given_back(functions, server):
    name = make(functions, "given-back")
    limit = lambda: functions.client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    counts, unreserved = environments(server), limit()
    provision(functions, name, 3)
    refilled(functions, name, 3)
    checks.equal("three are there", environments(server) - counts, 3)
    checks.equal("the account has as many less", unreserved - limit(), 3)
    functions.client.delete_provisioned_concurrency_config(FunctionName=name, Qualifier="live")
    wait_until(lambda: environments(server) == counts, READY_SECONDS_MAX)
    checks.equal("they go", environments(server), counts)
    checks.equal("and are the account's again", limit(), unreserved)
    checks.refused("nothing is told", lambda: told(functions, name), *GONE)
    provision(functions, name, 2, "1")
    refilled(functions, name, 2, "1")
    functions.client.delete_function(FunctionName=name)
    wait_until(lambda: environments(server) == counts, READY_SECONDS_MAX)
    checks.equal("they go with their function", environments(server), counts)


def restarted(functions, server):
    name = make(functions, "restarted")
    provision(functions, name, 2)
    refilled(functions, name, 2)
    server.stop()
    server.start()
    functions.client = server.client
    refilled(functions, name, 2)
    answer = call(functions, name)
    checks.equal("after a start it is there again", answer.payload["type"], PROVISIONED)
    checks.equal("and had initialised", report(answer).get("Init Duration"), None)


def by_command(functions, server):
    name = make(functions, "command")
    environment = {key: value for key, value in os.environ.items() if key.startswith("AWS_")}
    environment |= {"PATH": os.environ["PATH"], "AWS_PAGER": "", "AWS_ENDPOINT_URL": server.endpoint}

    def run(command, *words):
        words = [AWS, "lambda", command, *words, "--function-name", name, "--output", "json"]
        done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=120)
        return json.loads(done.stdout or "{}") if done.returncode == 0 else done.stderr

    live = ("--qualifier", "live")
    put = run("put-provisioned-concurrency-config", *live, "--provisioned-concurrent-executions", "1")
    checks.includes("the command provisions", put, {"RequestedProvisionedConcurrentExecutions": 1})
    refilled(functions, name)
    got = run("get-provisioned-concurrency-config", *live)
    checks.includes("the command shows it", got, {"Status": "READY", "AvailableProvisionedConcurrentExecutions": 1})
    listed = run("list-provisioned-concurrency-configs")
    arns = [entry["FunctionArn"].rpartition(":")[2] for entry in listed["ProvisionedConcurrencyConfigs"]]
    checks.equal("the command lists it", arns, ["live"])
    checks.equal("the command takes it away", run("delete-provisioned-concurrency-config", *live), {})
    gone = run("get-provisioned-concurrency-config", *live)
    checks.holds("then there is none", GONE[0] in str(gone), gone, GONE[0])


with tempfile.TemporaryDirectory(prefix="provisioned-") as folder, OwnServer(folder) as server:
    with Functions(server.client) as functions:
        for part in (warm, slow_init, refill, moved, spill, broken, given_back, restarted, by_command):
            with checks.part(part.__name__):
                part(functions, server)
checks.finish()
