"""Subscription filters through boto3: what of a log goes on to a function, who may subscribe it, a function that gets its own
log, and that nothing is lost when the server is killed in the middle.

Starts a server of its own, since it is killed in between.
"""

import json
import os
import pathlib
import tempfile
import time

import botocore.config
from lambda_checks import Checks, Functions, invoke, package, runtime_of, wait_until
from own_servers import OwnServer

HANDLER = """
import base64, gzip, json, os

def take(event, context):
    data = gzip.decompress(base64.b64decode(event["awslogs"]["data"])).decode()
    with open(f"/mnt/seen/{context.function_name}/{context.aws_request_id}.part", "w") as seen:
        seen.write(data)
    os.rename(seen.name, seen.name.removesuffix(".part"))

def say(event, context):
    print(event["level"], event["text"])
"""
CODE = package({"app.py": HANDLER})
REGION, ACCOUNT = "us-east-1", "000000000000"
GROUP = "/shop/orders"
ARN = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}"
#: Nobody's on most machines.
OWNER = 12_345
SHARED = f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:access-point/fsap-0123456789abcdef0"
CONFIG = botocore.config.Config(parameter_validation=False, retries={"total_max_attempts": 1})
PUT, PUT_AT_ONCE = 400, 10
MISSING = ("ResourceNotFoundException", 400)
INVALID = ("InvalidParameterException", 400)

checks = Checks()
PYTHON = runtime_of("python")


class World:
    def __init__(self, server, seen):
        self.server, self.seen = server, seen
        self.functions = Functions(server.client)
        self.connect()

    def connect(self):
        self.logs = self.server.service("logs", config=CONFIG)

    def taker(self, label):
        """A function that keeps what it gets; its ARN."""
        mounted = [{"Arn": SHARED, "LocalMountPath": "/mnt/seen"}]
        name = self.functions.make(label, CODE, "app.take", PYTHON, FileSystemConfigs=mounted)
        (self.seen / name).mkdir()
        os.chown(self.seen / name, OWNER, OWNER)
        return name, f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"

    def admit(self, name, source, label="logs", principal="logs.amazonaws.com", **more):
        self.server.client.add_permission(FunctionName=name, StatementId=label, Action="lambda:InvokeFunction",
                                          Principal=principal, SourceArn=source, **more)

    def got(self, name, kind="DATA_MESSAGE"):
        """What a function has got, by request."""
        files = [file for file in (self.seen / name).iterdir() if file.suffix != ".part"]
        return [data for file in files if (data := json.loads(file.read_text()))["messageType"] == kind]

    def events(self, name):
        return [event for data in self.got(name) for event in data["logEvents"]]

    def put(self, *messages, stream="s", group=GROUP):
        at = int(time.time() * 1000)
        events = [{"timestamp": at, "message": message} for message in messages]
        self.logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)

    def subscribe(self, destination, name="errors", pattern="ERROR", group=GROUP, **more):
        return self.logs.put_subscription_filter(logGroupName=group, filterName=name, filterPattern=pattern, destinationArn=destination,
                                                 **more)


def subscribing(world):
    logs = world.logs
    logs.create_log_group(logGroupName=GROUP)
    for stream in ("s", "t"):
        logs.create_log_stream(logGroupName=GROUP, logStreamName=stream)
    world.put("ERROR before anybody is subscribed")
    name, arn = world.taker("taker")
    not_let_in = "Could not execute the lambda function. Make sure you have given CloudWatch Logs permission to execute your function."
    checks.refused("a function that lets nobody in", lambda: world.subscribe(arn), *INVALID, not_let_in)
    world.admit(name, f"{ARN}:*", "elsewhere", "logs.eu-central-1.amazonaws.com")
    world.admit(name, f"{ARN}:*", "others", f"logs.{REGION}.amazonaws.com", SourceAccount="111122223333")
    checks.refused("one that lets in other logs", lambda: world.subscribe(arn), *INVALID, not_let_in)
    checks.refused("no function", lambda: world.subscribe(f"{arn}x"), *INVALID, not_let_in)
    world.admit(name, f"{ARN}:*")
    checks.refused("no group", lambda: world.subscribe(arn, group="none"), *MISSING, "The specified log group does not exist")
    checks.refused("no pattern", lambda: world.subscribe(arn, pattern="{ $.a = }"), *INVALID, "Invalid filter pattern")
    checks.refused("with a role", lambda: world.subscribe(arn, roleArn=f"arn:aws:iam::{ACCOUNT}:role/r"), *INVALID,
                   "destinationArn for vendor lambda cannot be used with roleArn")
    checks.refused("a stream of Kinesis", lambda: world.subscribe(f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s"), *INVALID, "kinesis")
    checks.refused("of another account", lambda: world.subscribe(arn.replace(ACCOUNT, "111122223333")), *INVALID)
    world.subscribe(arn)
    told = wait_until(lambda: world.got(name, "CONTROL_MESSAGE"))
    checks.equal("the function is told at once", [data["owner"] for data in told], ["CloudwatchLogs"])
    world.put("ERROR one", "fine", "ERROR two")
    world.put("an ERROR on another stream", stream="t")
    wait_until(lambda: len(world.events(name)) >= 3)
    by_stream = {data["logStream"]: [event["message"] for event in data["logEvents"]] for data in world.got(name)}
    checks.equal("what matches comes, by stream", by_stream, {"s": ["ERROR one", "ERROR two"], "t": ["an ERROR on another stream"]})
    checks.includes("with all that AWS tells", world.got(name)[0], {"owner": ACCOUNT, "logGroup": GROUP, "subscriptionFilters": ["errors"]})
    found = logs.filter_log_events(logGroupName=GROUP, filterPattern="?one ?another")["events"]
    same = {(event["eventId"], event["timestamp"]) for event in found} <= {(event["id"], event["timestamp"]) for event in world.events(name)}
    checks.holds("ids and times are those of the events", same, world.events(name), found)
    world.subscribe(arn, pattern="WARN")
    version = world.server.client.publish_version(FunctionName=name)["Version"]
    checks.refused("a version has a policy of its own", lambda: world.subscribe(f"{arn}:{version}", name="all of it"), *INVALID, not_let_in)
    world.admit(name, f"{ARN}:*", Qualifier=version)
    world.subscribe(f"{arn}:{version}", name="all of it", pattern="", distribution="Random")
    checks.refused("a third", lambda: world.subscribe(arn, name="third"), "LimitExceededException", 400)
    pages = list(logs.get_paginator("describe_subscription_filters").paginate(logGroupName=GROUP, PaginationConfig={"PageSize": 1}))
    described = [one for page in pages for one in page["subscriptionFilters"]]
    checks.equal("both are told", [(one["filterName"], one["filterPattern"]) for one in described], [("all of it", ""), ("errors", "WARN")])
    checks.includes("with their members", described[0], {"destinationArn": f"{arn}:{version}", "distribution": "Random", "logGroupName": GROUP})
    logs.delete_subscription_filter(logGroupName=GROUP, filterName="all of it")
    checks.refused("it is gone", lambda: logs.delete_subscription_filter(logGroupName=GROUP, filterName="all of it"), *MISSING,
                   "The specified subscription filter does not exist")
    world.put("ERROR is not wanted any more", "WARN is")
    wait_until(lambda: len(world.events(name)) >= 4)
    checks.equal("a changed pattern holds", [event["message"] for event in world.events(name) if "wanted" in event["message"]], [])


def of_functions(world):
    """What a function prints wakes another."""
    name, arn = world.taker("watcher")
    speaker = world.functions.make("speaker", CODE, "app.say", PYTHON)
    group = f"/aws/lambda/{speaker}"
    source = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:*"
    world.admit(name, source, principal=f"logs.{REGION}.amazonaws.com", SourceAccount=ACCOUNT)
    checks.refused("before it has logged", lambda: world.subscribe(arn, group=group), *MISSING)
    invoke(world.server.client, speaker, {"level": "INFO", "text": "awake"})
    world.subscribe(arn, group=group)
    invoke(world.server.client, speaker, {"level": "INFO", "text": "nothing"})
    invoke(world.server.client, speaker, {"level": "ERROR", "text": "something"})
    began = time.monotonic()
    wait_until(lambda: world.events(name))
    print(f"the other function had it {time.monotonic() - began:.2f} s later", flush=True)
    checks.equal("an error of one function wakes another", [event["message"].strip() for event in world.events(name)], ["ERROR something"])


def latest(world):
    """`$LATEST` goes by the policy of its function, under its own name."""
    group = "/shop/latest"
    name, arn = world.taker("newest")
    logs = {"Service": "logs.amazonaws.com"}
    world.logs.create_log_group(logGroupName=group)
    world.logs.create_log_stream(logGroupName=group, logStreamName="s")

    def let_in(*resources):
        statement = {"Effect": "Allow", "Principal": logs, "Action": "lambda:InvokeFunction", "Resource": resources,
                     "Condition": {"ArnLike": {"aws:SourceArn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:*"}}}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        world.server.client.put_resource_policy(ResourceArn=arn, Policy=policy)

    let_in(arn)
    checks.refused("the function is another", lambda: world.subscribe(f"{arn}:$LATEST", group=group), *INVALID, "Could not execute")
    let_in(arn, f"{arn}:$LATEST")
    world.subscribe(f"{arn}:$LATEST", group=group)
    described = world.logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
    checks.equal("told as it was given", [one["destinationArn"] for one in described], [f"{arn}:$LATEST"])
    world.put("ERROR for the newest", group=group)
    wait_until(lambda: world.events(name))
    checks.equal("it has what matches", [event["message"] for event in world.events(name)], ["ERROR for the newest"])


def round_and_round(world):
    """A function that gets its own log goes round for ever, but not ever faster."""
    name, arn = world.taker("itself")
    group = f"/aws/lambda/{name}"
    world.admit(name, f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:*")
    world.logs.create_log_group(logGroupName=group)
    began = time.monotonic()
    world.subscribe(arn, pattern="START", group=group)
    wait_until(lambda: len(world.got(name)) >= 4, 20)
    took, rounds = time.monotonic() - began, len(world.got(name))
    checks.holds("a function gets its own log", rounds >= 4, rounds, "four rounds")
    checks.holds("about once a second", took > 2.5, took, "more than 2.5 seconds")
    world.logs.delete_subscription_filter(logGroupName=group, filterName="errors")
    checks.holds("the server has warned", "subscribed to its own log" in world.server.said(), world.server.said()[-500:], "a warning")


def killed(world):
    """Every event that was taken comes, though the server is killed in the middle, again and again."""
    group = "/shop/killed"
    name, arn = world.taker("sturdy")
    world.admit(name, f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}:*")
    world.logs.create_log_group(logGroupName=group)
    world.logs.create_log_stream(logGroupName=group, logStreamName="s")
    world.subscribe(arn, name="kept", pattern="number", group=group)
    for first in range(0, PUT, PUT_AT_ONCE):
        world.put(*(f"number {n}" for n in range(first, first + PUT_AT_ONCE)), group=group)
        if first % 100 == 50:
            # Some of them are handed on by now.
            wait_until(lambda: world.events(name))
            world.server.kill()
            world.server.start()
            world.connect()

    def numbers():
        return sorted({int(event["message"].split()[1]) for event in world.events(name)})

    wait_until(lambda: len(numbers()) == PUT, 60)
    checks.equal("nothing that was taken is lost", numbers(), list(range(PUT)))
    ids = [event["id"] for event in world.events(name)]
    print(f"{PUT} events were put through {PUT // 100} kills; {len(ids)} came, {len(set(ids))} of them different", flush=True)
    checks.equal("what comes twice has the same id", len(set(ids)), PUT)
    kept = world.logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
    checks.equal("the filter is still there", [one["filterName"] for one in kept], ["kept"])
    world.logs.delete_log_group(logGroupName=group)
    world.logs.create_log_group(logGroupName=group)
    kept = world.logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]
    checks.equal("and goes with its group", kept, [])


with tempfile.TemporaryDirectory() as folder:
    seen = pathlib.Path(folder, "seen")
    seen.mkdir()
    os.chown(seen, OWNER, OWNER)
    with OwnServer(folder, "--async-retry-seconds", "1", "--file-systems", f"{SHARED}={seen}") as server:
        world = World(server, seen)
        for part in (subscribing, of_functions, latest, round_and_round, killed):
            with checks.part(part.__name__):
                part(world)
checks.finish()
