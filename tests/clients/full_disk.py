"""A disk that is full under a server that goes on: what asks for room is refused with the service's own error and leaves
nothing behind, what was acknowledged before stays, and everything works again as soon as there is room, without a restart.

Starts a server of its own on a small file system in memory, which is filled and emptied by hand. Run as root.
"""

import contextlib
import json
import os
import pathlib
import subprocess
import tempfile

import botocore.config
from botocore.exceptions import ClientError

from lambda_checks import Checks, Functions, invoke, package, runtime_of, wait_until
from own_servers import OwnServer

HANDLER = """
def handler(event, context):
    with open(f"/mnt/seen/{event['name']}", "a") as seen:
        seen.write(".")
    return event

def take(event, context):
    for record in event["Records"]:
        handler({"name": record["body"]}, context)
"""
REGION, ACCOUNT = "us-east-1", "000000000000"
#: Nobody's on most machines.
OWNER = 12_345
SHARED = f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:access-point/fsap-0123456789abcdef0"
DISK_MB = 192
#: How long messages stay hidden, which is as long as the function may run.
HOLD_SECONDS = 2
ONE_ATTEMPT = botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=60)
#: More than what any file has in reserve.
TRIES = 20
PADDING = "x" * 60_000

checks = Checks()
PYTHON = runtime_of("python")


class Disk:
    """A small file system that can be filled to its last page."""

    def __init__(self, path):
        self.path, self.ballast = path, path / "ballast"

    def __enter__(self):
        self.path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m,mode=755", "tmpfs", self.path], check=True)
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", self.path], check=True)

    def fill(self):
        with self.ballast.open("ab", buffering=0) as ballast, contextlib.suppress(OSError):
            while True:
                ballast.write(b"\0" * 4_096)

    def free(self):
        self.ballast.unlink()


class World:
    def __init__(self, server, disk, seen):
        self.server, self.disk, self.seen = server, disk, seen
        self.sqs, self.events, self.scheduler = (
            server.service(name, config=ONE_ATTEMPT) for name in ("sqs", "events", "scheduler")
        )
        iam = server.service("iam")
        trust = {
            "Effect": "Allow", "Principal": {"Service": ["lambda.amazonaws.com", "scheduler.amazonaws.com"]}, "Action": "sts:AssumeRole",
        }  # fmt: skip
        self.role = iam.create_role(RoleName="worker", AssumeRolePolicyDocument=json.dumps({"Statement": trust}))["Role"]["Arn"]
        may = {"Effect": "Allow", "Action": ["sqs:*", "lambda:InvokeFunction"], "Resource": "*"}
        iam.put_role_policy(RoleName="worker", PolicyName="work", PolicyDocument=json.dumps({"Statement": may}))
        self.urls = {name: self.queue(name) for name in ("plain", "heard", "mapped")}
        may = {"Effect": "Allow", "Principal": {"Service": "events.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*"}
        self.sqs.set_queue_attributes(QueueUrl=self.urls["heard"], Attributes={"Policy": json.dumps({"Statement": may})})
        self.events.put_rule(Name="all", EventPattern='{"source": ["shop"]}')
        self.events.put_targets(Rule="all", Targets=[{"Id": "heard", "Arn": self.arn("heard")}])
        functions, code = Functions(server.client), package({"app.py": HANDLER})
        mounted = [{"Arn": SHARED, "LocalMountPath": "/mnt/seen"}]
        self.name, taker = (
            functions.make(handler, code, f"app.{handler}", PYTHON, FileSystemConfigs=mounted, Timeout=HOLD_SECONDS) for handler in ("handler", "take")
        )
        for name in (self.name, taker):
            server.client.update_function_configuration(FunctionName=name, Role=self.role)
            functions.await_active(name)
        server.client.create_event_source_mapping(FunctionName=taker, EventSourceArn=self.arn("mapped"))

    def arn(self, queue):
        return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"

    def queue(self, name):
        return self.sqs.create_queue(QueueName=name, Attributes={"VisibilityTimeout": str(HOLD_SECONDS)})["QueueUrl"]

    def ran(self):
        return {file.name for file in self.seen.iterdir()}

    # Each of these asks for room in its own way; `True` is an acknowledgement.

    def send(self, name):
        return self.sqs.send_message(QueueUrl=self.urls["plain"], MessageBody=name + PADDING) and True

    def send_batch(self, name):
        entries = [{"Id": "one", "MessageBody": name + PADDING}]
        answer = self.sqs.send_message_batch(QueueUrl=self.urls["plain"], Entries=entries)
        return bool(answer.get("Successful")) or answer["Failed"][0]

    def send_mapped(self, name):
        # The function that is woken takes the body for a name.
        attributes = {"padding": {"DataType": "String", "StringValue": PADDING}}
        return self.sqs.send_message(QueueUrl=self.urls["mapped"], MessageBody=name, MessageAttributes=attributes) and True

    def put_event(self, name):
        entry = {"Source": "shop", "DetailType": "d", "Detail": json.dumps({"name": name, "padding": PADDING})}
        answer = self.events.put_events(Entries=[entry])
        return answer["FailedEntryCount"] == 0 or answer["Entries"][0]

    def schedule(self, name):
        target = {"Arn": self.server.client.get_function(FunctionName=self.name)["Configuration"]["FunctionArn"], "RoleArn": self.role}
        target["Input"] = json.dumps({"name": name, "padding": PADDING})
        return self.scheduler.create_schedule(
            Name=name, ScheduleExpression="rate(1 day)", FlexibleTimeWindow={"Mode": "OFF"}, Target=target
        ) and True

    def invoke_later(self, name):
        payload = json.dumps({"name": name, "padding": PADDING})
        return self.server.client.invoke(FunctionName=self.name, InvocationType="Event", Payload=payload) and True

    def invoke_now(self, name):
        return invoke(self.server.client, self.name, {"name": name}).error is None

    def create_function(self, name):
        code = {"ZipFile": package({"app.py": HANDLER, "noise": os.urandom(len(PADDING))})}
        return self.server.client.create_function(
            FunctionName=name, Role=self.role, Code=code, Handler="app.handler", Runtime=PYTHON
        ) and True

    def create_queue(self, name):
        may = {"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*", "Sid": "x" * 8_000}}
        return self.sqs.create_queue(QueueName=name, Attributes={"Policy": json.dumps(may)}) and True

    # And what is there of each.

    def sent(self, count):
        return self.drained("plain", count, lambda body: body.removesuffix(PADDING))

    def heard(self, count):
        return self.drained("heard", count, lambda body: json.loads(body)["detail"]["name"])

    def drained(self, queue, count, name_of):
        """What the queue has, once that many have come; this deletes it."""
        url, found = self.urls[queue], []

        def is_empty():
            got = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=1).get("Messages", [])
            found.extend(name_of(message["Body"]) for message in got)
            for message in got:
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return len(found) >= count and self.count(queue) == 0

        wait_until(is_empty, 60)
        return sorted(found)

    def count(self, queue):
        kinds = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
        counts = self.sqs.get_queue_attributes(QueueUrl=self.urls[queue], AttributeNames=kinds)["Attributes"]
        return sum(map(int, counts.values()))

    def schedules(self):
        pages = self.scheduler.get_paginator("list_schedules").paginate()
        return sorted(schedule["Name"] for page in pages for schedule in page["Schedules"])

    def functions(self):
        pages = self.server.client.get_paginator("list_functions").paginate()
        return sorted(function["FunctionName"] for page in pages for function in page["Functions"])

    def queues(self):
        pages = self.sqs.get_paginator("list_queues").paginate()
        return sorted(url.rpartition("/")[2] for page in pages for url in page.get("QueueUrls", []))


#: What each call is refused with when there is no room.
REFUSALS = {
    "send": ("InternalFailure", 500),
    "send_batch": ("InternalFailure", 500),
    "send_mapped": ("InternalFailure", 500),
    "put_event": ("InternalFailure", None),
    "schedule": ("InternalServerException", 500),
    "invoke_later": ("ServiceException", 500),
    "create_function": ("ServiceException", 500),
    "create_queue": ("InternalFailure", 500),
}


def outcome(call, name):
    """`True`, or the error's code and its status."""
    try:
        answer = call(name)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    if answer is True:
        return True
    return answer.get("Code") or answer.get("ErrorCode"), answer.get("SenderFault")


def main(world):
    acknowledged = {kind: [] for kind in REFUSALS}
    for kind in REFUSALS:
        name = f"{kind}-before".replace("_", "-")
        checks.equal(f"{kind}: taken while there is room", outcome(getattr(world, kind), name), True)
        acknowledged[kind].append(name)
    for name in ("invoke-later-before", "send-mapped-before"):
        checks.holds(f"{name} ran", wait_until(lambda name=name: name in world.ran()), world.ran(), name)
    world.disk.fill()
    for kind, refusal in REFUSALS.items():
        refused = None
        # A file may have some room left in itself.
        for count in range(TRIES):
            name = f"{kind}-{count}".replace("_", "-")
            refused = outcome(getattr(world, kind), name)
            if refused is not True:
                break
            acknowledged[kind].append(name)
        checks.equal(f"{kind}: refused without room, after {len(acknowledged[kind]) - 1} that found some", refused, refusal)
    checks.equal("the schedules are those that were acknowledged", world.schedules(), sorted(acknowledged["schedule"]))
    health = world.server.signer().request("GET", "/_dormouse/health")
    checks.equal("invocations go on", outcome(world.invoke_now, "invoke-later-before"), True)
    checks.equal("the server is well", (health.status, world.server.process.poll()), (200, None))

    world.disk.free()
    for kind in REFUSALS:
        name = f"{kind}-after".replace("_", "-")
        taken = wait_until(lambda kind=kind, name=name: outcome(getattr(world, kind), name) is True)
        checks.equal(f"{kind}: taken when there is room again", taken, True)
        acknowledged[kind].append(name)
    verify(world, acknowledged)
    checks.equal("a stop", world.server.stop(), 0)
    world.server.start()
    world.sqs, world.scheduler = (world.server.service(name, config=ONE_ATTEMPT) for name in ("sqs", "scheduler"))
    checks.equal("schedules after a restart", world.schedules(), sorted(acknowledged["schedule"]))
    checks.equal("queues after it", world.queues(), sorted([*world.urls, *acknowledged["create_queue"]]))
    own = [name for name in world.functions() if name.startswith("create-function-")]
    checks.equal("functions after it", own, sorted(acknowledged["create_function"]))
    checks.equal("and nothing waits", {name: world.count(name) for name in world.urls}, dict.fromkeys(world.urls, 0))


def verify(world, acknowledged):
    sent, heard = sorted(acknowledged["send"] + acknowledged["send_batch"]), sorted(acknowledged["put_event"])
    checks.equal("messages: those that were acknowledged, and no other", world.sent(len(sent)), sent)
    checks.equal("events: those that were acknowledged, and no other", world.heard(len(heard)), heard)
    wanted = {*acknowledged["invoke_later"], *acknowledged["send_mapped"]}
    wait_until(lambda: world.ran() == wanted and world.count("mapped") == 0, 60)
    checks.equal("the functions ran with what was acknowledged, and nothing else", sorted(world.ran() ^ wanted), [])
    checks.equal("an invocation works", invoke(world.server.client, world.name, {"name": "invoke-later-before"}).error, None)


with tempfile.TemporaryDirectory() as folder, Disk(pathlib.Path(folder, "disk")) as disk:
    seen = pathlib.Path(folder, "seen")
    seen.mkdir()
    os.chown(seen, OWNER, OWNER)
    server = OwnServer(folder, "--async-retry-seconds", "1", "--file-systems", f"{SHARED}={seen}")
    server.data_dir = disk.path / "data"
    with server, checks.part("full disk"):
        main(World(server, disk, seen))
    if checks.failed:
        print("what the server said last:", *server.said().splitlines()[-20:], sep="\n  ")
checks.finish()
