"""Versions and aliases through boto3 and the `aws` command: publish, list, invoke by every kind of qualifier, move an
alias, share its traffic between two versions, and delete.

A version runs what it was published with, whatever becomes of $LATEST, and knows its own number and log stream.
"""

import json
import os
import pathlib
import subprocess
import sys

from lambda_checks import Checks, Functions, invoke, lambda_client, package, runtime_of

RUNTIME = runtime_of("python")
HANDLER = """
import os

def handler(event, context):
    return {
        "code": %r,
        "version": context.function_version,
        "variable": os.environ["AWS_LAMBDA_FUNCTION_VERSION"],
        "arn": context.invoked_function_arn,
        "stream": context.log_stream_name,
    }
"""
AWS = pathlib.Path(sys.executable).with_name("aws")

client = lambda_client()
checks = Checks()


def code(text):
    return package({"app.py": HANDLER % text})


def aws(*arguments):
    """Runs `aws lambda …`; gives the parsed output, or the error text."""
    environment = {key: value for key, value in os.environ.items() if key.startswith("AWS_")}
    environment |= {"PATH": os.environ["PATH"], "AWS_PAGER": "", "AWS_MAX_ATTEMPTS": "1"}
    command = [AWS, "lambda", *map(str, arguments), "--output", "json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    if done.returncode != 0:
        return done.stderr.strip()
    return json.loads(done.stdout) if done.stdout.strip() else None


def made(functions, label):
    """A function with two versions of different code."""
    name = functions.make(label, code("one"), "app.handler", RUNTIME)
    client.publish_version(FunctionName=name, Description="the first")
    client.update_function_code(FunctionName=name, ZipFile=code("two"), Publish=True)
    functions.await_active(name)
    client.update_function_code(FunctionName=name, ZipFile=code("latest"))
    functions.await_active(name)
    return name


def publishing(functions):
    name = made(functions, "publish")
    arn = client.get_function_configuration(FunctionName=name)["FunctionArn"]
    pages = client.get_paginator("list_versions_by_function").paginate(
        FunctionName=name, PaginationConfig={"PageSize": 2}
    )
    seen = [[version["Version"] for version in page["Versions"]] for page in pages]
    checks.equal("list: pages", seen, [["$LATEST", "1"], ["2"]])
    every = client.get_paginator("list_functions").paginate(FunctionVersion="ALL")
    mine = [f["FunctionArn"] for page in every for f in page["Functions"] if f["FunctionName"] == name]
    checks.equal("list all: ARNs", mine, [f"{arn}:$LATEST", f"{arn}:1", f"{arn}:2"])
    first = client.get_function_configuration(FunctionName=name, Qualifier="1")
    checks.includes("the first", first, {"FunctionArn": f"{arn}:1", "Description": "the first", "State": "Active"})
    third = client.publish_version(FunctionName=name)
    checks.equal("publish: number", third["Version"], "3")
    checks.equal("publish: status", third["ResponseMetadata"]["HTTPStatusCode"], 201)
    again = client.publish_version(FunctionName=name)
    checks.equal("publish again: the same", again["RevisionId"], third["RevisionId"])
    wrong = lambda: client.publish_version(FunctionName=name, CodeSha256="none")
    checks.refused("publish: another hash", wrong, "InvalidParameterValueException", 400)
    stale = lambda: client.publish_version(FunctionName=name, RevisionId="none")
    checks.refused("publish: another revision", stale, "PreconditionFailedException", 412)


def invoking(functions):
    name = made(functions, "invoke")
    arn = client.get_function_configuration(FunctionName=name)["FunctionArn"]
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    cases = [
        ("no qualifier", name, {}, "latest", "$LATEST", arn),
        ("$LATEST", name, {"Qualifier": "$LATEST"}, "latest", "$LATEST", f"{arn}:$LATEST"),
        ("a number", name, {"Qualifier": "2"}, "two", "2", f"{arn}:2"),
        ("a number in the name", f"{name}:1", {}, "one", "1", f"{arn}:1"),
        ("an alias", name, {"Qualifier": "live"}, "one", "1", f"{arn}:live"),
        ("an alias in the ARN", f"{arn}:live", {}, "one", "1", f"{arn}:live"),
    ]
    for label, function, more, text, version, invoked in cases:
        answer = invoke(client, function, **more)
        checks.equal(f"{label}: executed version", answer.version, version)
        expected = {"code": text, "version": version, "variable": version, "arn": invoked}
        checks.includes(f"{label}: what the function sees", answer.payload, expected)
        checks.holds(f"{label}: log stream", f"[{version}]" in answer.payload["stream"], answer.payload, version)
    both = lambda: invoke(client, f"{name}:1", Qualifier="2")
    checks.refused("two qualifiers", both, "InvalidParameterValueException", 400)
    streamed = client.invoke_with_response_stream(FunctionName=name, Qualifier="live")
    checks.equal("streamed: executed version", streamed["ExecutedVersion"], "1")
    list(streamed["EventStream"])


def aliases(functions):
    name = made(functions, "alias")
    live = client.create_alias(FunctionName=name, Name="live", FunctionVersion="1", Description="callers")
    checks.includes("create", live, {"Name": "live", "FunctionVersion": "1", "Description": "callers"})
    twice = lambda: client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    checks.refused("create again", twice, "ResourceConflictException", 409, "Alias already exists")
    client.create_alias(FunctionName=name, Name="next", FunctionVersion="$LATEST")
    pages = client.get_paginator("list_aliases").paginate(FunctionName=name, PaginationConfig={"PageSize": 1})
    seen = [[alias["Name"] for alias in page["Aliases"]] for page in pages]
    checks.equal("list: pages", seen, [["live"], ["next"]])
    of_one = client.list_aliases(FunctionName=name, FunctionVersion="1")["Aliases"]
    checks.equal("list: of one version", [alias["Name"] for alias in of_one], ["live"])
    weights = {"AdditionalVersionWeights": {"2": 0.5}}
    shared = client.update_alias(FunctionName=name, Name="live", RoutingConfig=weights)
    checks.equal("share: shown", shared["RoutingConfig"], weights)
    # Never seeing one of two halves in 60 tries is as likely as 60 heads in a row.
    ran = {invoke(client, name, Qualifier="live").version for _ in range(60)}
    checks.equal("share: both run", ran, {"1", "2"})
    used = lambda: client.delete_function(FunctionName=name, Qualifier="2")
    checks.refused("delete a version in use", used, "ResourceConflictException", 409, "[live]")
    stale = lambda: client.update_alias(FunctionName=name, Name="live", RevisionId=live["RevisionId"])
    checks.refused("update: another revision", stale, "PreconditionFailedException", 412)
    none = {"AdditionalVersionWeights": {}}
    client.update_alias(FunctionName=name, Name="live", FunctionVersion="1", RoutingConfig=none)
    client.delete_function(FunctionName=name, Qualifier="2")
    gone = lambda: invoke(client, name, Qualifier="2")
    checks.refused("a deleted version", gone, "ResourceNotFoundException", 404)
    client.update_function_code(FunctionName=name, ZipFile=code("three"), Publish=True)
    functions.await_active(name)
    numbers = [v["Version"] for v in client.list_versions_by_function(FunctionName=name)["Versions"]]
    checks.equal("a number is never used again", numbers, ["$LATEST", "1", "3"])
    client.delete_alias(FunctionName=name, Name="live")
    missing = lambda: client.get_alias(FunctionName=name, Name="live")
    checks.refused("get: deleted", missing, "ResourceNotFoundException", 404, "Cannot find alias arn")


def command_line(functions):
    name = made(functions, "cli")
    checks.equal("publish", aws("publish-version", "--function-name", name)["Version"], "3")
    versions = aws("list-versions-by-function", "--function-name", name)["Versions"]
    checks.equal("list versions", [version["Version"] for version in versions], ["$LATEST", "1", "2", "3"])
    made_alias = aws("create-alias", "--function-name", name, "--name", "live", "--function-version", "1")
    checks.equal("create alias", made_alias["FunctionVersion"], "1")
    routing = "AdditionalVersionWeights={2=0.1}"
    moved = aws("update-alias", "--function-name", name, "--name", "live", "--routing-config", routing)
    checks.equal("share", moved["RoutingConfig"], {"AdditionalVersionWeights": {"2": 0.1}})
    got = aws("get-alias", "--function-name", name, "--name", "live")
    checks.equal("get alias", got["RevisionId"], moved["RevisionId"])
    listed = aws("list-aliases", "--function-name", name)["Aliases"]
    checks.equal("list aliases", [alias["Name"] for alias in listed], ["live"])
    refused = aws("delete-function", "--function-name", name, "--qualifier", "2")
    checks.holds("delete a version in use", "ResourceConflictException" in refused, refused, "a conflict")
    checks.equal("delete alias", aws("delete-alias", "--function-name", name, "--name", "live"), None)
    deleted = aws("delete-function", "--function-name", name, "--qualifier", "2")
    checks.equal("delete version", deleted, {"StatusCode": 204})


with Functions(client) as functions:
    for part in (publishing, invoking, aliases, command_line):
        with checks.part(part.__name__):
            part(functions)
checks.finish()
