"""How asynchronous invocations are configured, and the addresses of functions, through boto3 and the AWS CLI: put, changed,
shown, listed page by page and taken away, for a function and for what its aliases and versions have of their own. What is
refused, too. Nothing is called here.
"""

import json
import os
import pathlib
import subprocess
import sys

from lambda_checks import Checks, Functions, lambda_client, package, runtime_of

REGION = os.environ.get("AWS_REGION") or os.environ["AWS_DEFAULT_REGION"]
ACCOUNT = "000000000000"
CODE = package({"app.py": "def handler(event, context):\n    return event\n"})
INVALID = ("InvalidParameterValueException", 400)
VALIDATION = ("ValidationException", 400)
MISSING = ("ResourceNotFoundException", 404)
CORS = {
    "AllowCredentials": True,
    "AllowHeaders": ["x-one"],
    "AllowMethods": ["GET", "POST"],
    "AllowOrigins": ["https://example.com"],
    "ExposeHeaders": ["x-two"],
    "MaxAge": 86400,
}

# What the SDK itself would refuse is to reach the server.
client = lambda_client(parameter_validation=False)
checks = Checks()


def arn(service, resource):
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def aws(*arguments):
    """`aws lambda …` as people type it; its parsed output."""
    program = pathlib.Path(sys.executable).parent / "aws"
    done = subprocess.run([program, "lambda", *arguments], capture_output=True, text=True, check=True)
    return json.loads(done.stdout) if done.stdout.strip() else None


def status(answer):
    return answer["ResponseMetadata"]["HTTPStatusCode"]


def refused(label, call, error, message):
    checks.refused(label, call, *error, message)


def shown(answer, *names):
    return {name: answer[name] for name in names if name in answer}


def event_configs(name, whole):
    queue, topic = arn("sqs", "failed"), arn("sns", "done")
    none = lambda: client.get_function_event_invoke_config(FunctionName=name)
    refused("none at first", none, MISSING, "doesn't have an EventInvokeConfig")
    both = {"OnSuccess": {"Destination": topic}, "OnFailure": {"Destination": queue}}
    put = client.put_function_event_invoke_config(
        FunctionName=name, MaximumRetryAttempts=1, MaximumEventAgeInSeconds=21600, DestinationConfig=both
    )
    asked = {"MaximumRetryAttempts": 1, "MaximumEventAgeInSeconds": 21600, "DestinationConfig": both}
    checks.includes("put: as it was asked for", put, asked | {"FunctionArn": f"{whole}:$LATEST"})
    seen = aws("get-function-event-invoke-config", "--function-name", name)
    checks.includes("get: the same", seen, asked)
    changed = aws(
        "update-function-event-invoke-config", "--function-name", name, "--maximum-retry-attempts", "0"
    )
    checks.includes("update: what is not named stays", changed, asked | {"MaximumRetryAttempts": 0})
    changed = client.update_function_event_invoke_config(
        FunctionName=name, DestinationConfig={"OnSuccess": {"Destination": ""}}
    )
    checks.equal("update: an empty destination is none", changed["DestinationConfig"]["OnSuccess"], {})
    again = client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=2)
    checks.equal("put: in the place of all", shown(again, *asked)["DestinationConfig"], {"OnSuccess": {}, "OnFailure": {}})
    checks.holds("put: nothing is left of before", "MaximumEventAgeInSeconds" not in again, again, "no age")


def event_qualifiers(name, whole):
    for qualifier, retries in (("1", 0), ("live", 1)):
        put = client.put_function_event_invoke_config(
            FunctionName=name, Qualifier=qualifier, MaximumRetryAttempts=retries
        )
        checks.equal(f"{qualifier} has one of its own", put["FunctionArn"], f"{whole}:{qualifier}")
    by_name = client.get_function_event_invoke_config(FunctionName=f"{name}:live")
    checks.equal("the qualifier in the name", by_name["MaximumRetryAttempts"], 1)
    contradiction = lambda: client.get_function_event_invoke_config(FunctionName=f"{name}:live", Qualifier="1")
    refused("two qualifiers", contradiction, INVALID, "The derived qualifier from the function name does not match")
    pages = client.get_paginator("list_function_event_invoke_configs").paginate(
        FunctionName=name, PaginationConfig={"PageSize": 1}
    )
    listed = [one["FunctionArn"] for page in pages for one in page["FunctionEventInvokeConfigs"]]
    checks.equal("all are listed", sorted(listed), sorted(f"{whole}:{name}" for name in ("$LATEST", "1", "live")))
    aws("delete-function-event-invoke-config", "--function-name", name, "--qualifier", "live")
    refused(
        "the alias has none any more",
        lambda: client.delete_function_event_invoke_config(FunctionName=name, Qualifier="live"),
        MISSING,
        "doesn't have an EventInvokeConfig",
    )
    kept = client.get_function_event_invoke_config(FunctionName=name, Qualifier="1")
    checks.equal("the version keeps its own", kept["MaximumRetryAttempts"], 0)
    absent = lambda: client.put_function_event_invoke_config(FunctionName=name, Qualifier="none", MaximumRetryAttempts=0)
    refused("an alias that is not there", absent, MISSING, f"Function not found: {whole}:none")


def destinations(name, whole):
    put = lambda **places: client.put_function_event_invoke_config(
        FunctionName=name,
        DestinationConfig={outcome: {"Destination": place} for outcome, place in places.items()},
    )
    for place in (
        arn("sqs", "q"), arn("sns", "t"), arn("events", "event-bus/b"), arn("lambda", f"function:{other}"),
    ):
        seen = put(OnSuccess=place, OnFailure=place)["DestinationConfig"]
        checks.equal(f"a destination: {place}", (seen["OnSuccess"], seen["OnFailure"]), ({"Destination": place},) * 2)
    bucket = "arn:aws:s3:::failed"
    seen = put(OnFailure=bucket)["DestinationConfig"]["OnFailure"]
    checks.equal("a bucket takes failures", seen, {"Destination": bucket})
    for label, place, message in (
        ("a bucket takes no successes", bucket, "a bucket can be a destination of failures only"),
        ("a FIFO queue", arn("sqs", "q.fifo"), "a FIFO queue cannot be a destination"),
        ("a FIFO topic", arn("sns", "t.fifo"), "a FIFO topic cannot be a destination"),
        ("the function itself", whole, "You can't specify the function as a destination for itself"),
        ("an alias of itself", f"{whole}:live", "You can't specify the function as a destination for itself"),
        ("a function that is not there", f"{whole}-none", f"The destination ARN {whole}-none is invalid"),
        ("a table", arn("dynamodb", "table/t"), "no queue, topic, event bus or function"),
    ):
        refused(label, lambda place=place: put(OnSuccess=place), INVALID, message)
    nothing = "You must specify at least one of error handling or destination setting"
    refused("nothing at all", lambda: client.put_function_event_invoke_config(FunctionName=name), INVALID, nothing)
    number = lambda **more: lambda: client.put_function_event_invoke_config(FunctionName=name, **more)
    for member, values in {"MaximumRetryAttempts": (-1, 3), "MaximumEventAgeInSeconds": (59, 21601)}.items():
        for value in values:
            lower = member[0].lower() + member[1:]
            call = number(**{member: value})
            refused(f"{member}={value}", call, VALIDATION, f"Value '{value}' at '{lower}'")


def urls(name, whole):
    make = lambda **more: client.create_function_url_config(FunctionName=name, **more)
    made = make(AuthType="NONE", Cors=CORS, InvokeMode="RESPONSE_STREAM")
    checks.equal("create: HTTP status", status(made), 201)
    asked = {"AuthType": "NONE", "Cors": CORS, "InvokeMode": "RESPONSE_STREAM", "FunctionArn": whole}
    checks.includes("create: as it was asked for", made, asked)
    checks.matches("create: the address", made["FunctionUrl"], rf"https?://[a-z0-9]{{32}}\.lambda-url\.{REGION}\..+/")
    refused("there is one at most", lambda: make(AuthType="NONE"), ("ResourceConflictException", 409), "exists for this")
    seen = aws("get-function-url-config", "--function-name", name)
    checks.includes("get: the same", seen, asked | {"FunctionUrl": made["FunctionUrl"]})
    changed = aws("update-function-url-config", "--function-name", name, "--auth-type", "AWS_IAM")
    checks.includes("update: what is not named stays", changed, asked | {"AuthType": "AWS_IAM"})
    checks.equal("update: the address stays", changed["FunctionUrl"], made["FunctionUrl"])
    changed = client.update_function_url_config(FunctionName=name, Cors={"AllowOrigins": ["*"]})
    checks.equal("update: rules are put as a whole", changed["Cors"], {"AllowOrigins": ["*"]})
    changed = client.update_function_url_config(FunctionName=name, Cors={})
    checks.holds("update: no rules", "Cors" not in changed, changed, "no rules")


def url_qualifiers(name, whole):
    own = client.create_function_url_config(FunctionName=name, Qualifier="live", AuthType="AWS_IAM")
    checks.includes("an alias has one of its own", own, {"FunctionArn": f"{whole}:live", "InvokeMode": "BUFFERED"})
    by_name = client.get_function_url_config(FunctionName=f"{name}:live")
    checks.equal("the qualifier in the name", by_name["FunctionUrl"], own["FunctionUrl"])
    pages = client.get_paginator("list_function_url_configs").paginate(
        FunctionName=name, PaginationConfig={"PageSize": 1}
    )
    listed = [one["FunctionArn"] for page in pages for one in page["FunctionUrlConfigs"]]
    checks.equal("both are listed", sorted(listed), [whole, f"{whole}:live"])
    make = lambda function, **more: lambda: client.create_function_url_config(FunctionName=function, **more)
    refused("a version has none", make(f"{name}:1", AuthType="NONE"), VALIDATION, "'functionName'")
    refused("nor by parameter", make(name, Qualifier="1", AuthType="NONE"), VALIDATION, "'qualifier'")
    refused("no such alias", make(name, Qualifier="none", AuthType="NONE"), MISSING, "Function not found")
    two = lambda: client.delete_function_url_config(FunctionName=f"{name}:live", Qualifier="other")
    refused("two qualifiers", two, INVALID, "The derived qualifier from the function name does not match")
    client.delete_alias(FunctionName=name, Name="live")
    gone = lambda: client.get_function_url_config(FunctionName=name, Qualifier="live")
    refused("it goes with its alias", gone, MISSING, "The resource you requested does not exist.")


def url_rules(name):
    update = lambda **more: lambda: client.update_function_url_config(FunctionName=name, **more)
    refused("who may call is one of two", update(AuthType="ANYBODY"), VALIDATION, r"\[NONE, AWS_IAM\]")
    refused("how it answers, too", update(InvokeMode="SLOWLY"), VALIDATION, "'invokeMode'")
    refused("a method that is none", update(Cors={"AllowMethods": ["FETCH"]}), INVALID, "'cors.allowMethods'")
    for value in (-1, 86401):
        refused(f"MaxAge={value}", update(Cors={"MaxAge": value}), VALIDATION, "'cors.maxAge'")
    many = [f"https://{number}.example.com" for number in range(101)]
    refused("a hundred origins at most", update(Cors={"AllowOrigins": many}), VALIDATION, "'cors.allowOrigins'")
    aws("delete-function-url-config", "--function-name", name)
    for label, call in (
        ("get", lambda: client.get_function_url_config(FunctionName=name)),
        ("update", update(AuthType="NONE")),
        ("delete", lambda: client.delete_function_url_config(FunctionName=name)),
    ):
        refused(f"{label}: it is gone", call, MISSING, "The resource you requested does not exist.")


with Functions(client) as functions:
    function = functions.make("configured", CODE, "app.handler", runtime_of("python"))
    function_arn = client.get_function_configuration(FunctionName=function)["FunctionArn"]
    other = functions.make("told", CODE, "app.handler", runtime_of("python"))
    client.publish_version(FunctionName=function)
    client.create_alias(FunctionName=function, Name="live", FunctionVersion="1")
    for part in (event_configs, event_qualifiers, destinations, urls, url_qualifiers):
        with checks.part(part.__name__):
            part(function, function_arn)
    with checks.part("url_rules"):
        url_rules(function)
checks.finish()
