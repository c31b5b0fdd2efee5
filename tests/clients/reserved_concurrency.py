"""Reserved concurrency and the account's settings through boto3 and the `aws` command: what is reserved is a function's
own and its bound, and is given back when the function goes,
whatever ran before.
"""

import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys

from botocore.exceptions import ClientError

from lambda_checks import Checks, Functions, lambda_client, package, runtime_of

HANDLER = """
import time

def handler(event, context):
    time.sleep(event.get("seconds", 0))
    return "done"
"""
AWS = pathlib.Path(sys.executable).with_name("aws")

client = lambda_client()
checks = Checks()


def refusal(call):
    """Code and reason of a refused call, or what it gave."""
    try:
        return call()
    except ClientError as error:
        return error.response["Error"]["Code"], error.response.get("Reason")


def held(functions):
    name = functions.make("reserved", package({"app.py": HANDLER}), "app.handler", runtime_of("python"))
    other = functions.make("other", package({"app.py": HANDLER}), "app.handler", runtime_of("python"))
    settings = client.get_account_settings()
    before = settings["AccountLimit"]["UnreservedConcurrentExecutions"]
    checks.holds("two functions are counted", settings["AccountUsage"]["FunctionCount"] >= 2, settings, "2 or more")
    checks.holds("their code is counted", settings["AccountUsage"]["TotalCodeSize"] > 0, settings, "some bytes")
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    after = client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    checks.equal("what is reserved is taken from the account's", before - after, 1)
    checks.equal("it is told with the function", client.get_function(FunctionName=name)["Concurrency"],
                 {"ReservedConcurrentExecutions": 1})
    call = lambda seconds: client.invoke(FunctionName=name, Payload=json.dumps({"seconds": seconds}))
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(refusal, lambda: call(2)["StatusCode"]) for _ in range(2)]
        answers = sorted((future.result() for future in asked), key=str)
    throttled = ("TooManyRequestsException", "ReservedFunctionConcurrentInvocationLimitExceeded")
    checks.equal("of two at once one is throttled", answers, sorted([200, throttled], key=str))
    checks.equal("one after the other both run", [call(0)["StatusCode"], call(0)["StatusCode"]], [200, 200])
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    checks.equal("zero stops a function", refusal(lambda: call(0)["StatusCode"]), throttled)
    checks.equal("others run on", client.invoke(FunctionName=other)["StatusCode"], 200)
    client.delete_function_concurrency(FunctionName=name)
    checks.equal("without reservation it runs again", call(0)["StatusCode"], 200)
    checks.equal("none is told", client.get_function_concurrency(FunctionName=name)
                 .get("ReservedConcurrentExecutions"), None)
    checks.refused("a hundred stay for all others",
                   lambda: client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=before - 99),
                   "InvalidParameterValueException", 400, r"below its minimum value of \[100\]")
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=5)
    client.delete_function(FunctionName=name)
    left = client.get_account_settings()["AccountLimit"]["UnreservedConcurrentExecutions"]
    checks.equal("a function that goes gives back what it had", left, before)


def by_command(functions):
    name = functions.make("command", package({"app.py": HANDLER}), "app.handler", runtime_of("python"))
    environment = {key: value for key, value in os.environ.items() if key.startswith("AWS_")}
    environment |= {"PATH": os.environ["PATH"], "AWS_PAGER": ""}
    run = lambda *words: subprocess.run([AWS, "lambda", *words, "--function-name", name, "--output", "json"],
                                        env=environment, capture_output=True, text=True, timeout=120)
    put = run("put-function-concurrency", "--reserved-concurrent-executions", "3")
    checks.equal("the command reserves", json.loads(put.stdout or "{}"), {"ReservedConcurrentExecutions": 3})
    got = run("get-function-concurrency")
    checks.equal("the command shows it", json.loads(got.stdout or "{}"), {"ReservedConcurrentExecutions": 3})
    checks.equal("the command gives it back", run("delete-function-concurrency").returncode, 0)


with Functions(client) as functions:
    for part in (held, by_command):
        with checks.part(part.__name__):
            part(functions)
checks.finish()
