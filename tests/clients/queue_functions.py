"""Queues that wake functions through boto3: batches, single failures, filters, dead letters, and a chain
event → function → queue → function with a failure in the middle, which also survives `kill -9`.

Starts a server of its own, since it is killed in between and pauses are short.
"""

import json
import os
import pathlib
import signal
import tempfile

from lambda_checks import Checks, Functions, package, runtime_of, wait_until
from own_servers import OwnServer

HANDLER = """
import json

tries = 0

def take(event, context):
    records = [{"body": r["body"], "id": r["messageId"], "receives": r["attributes"]["ApproximateReceiveCount"],
                "handle": r["receiptHandle"], "source": r["eventSourceARN"]} for r in event["Records"]]
    print("RAN", json.dumps(records))
    return {"batchItemFailures": [{"itemIdentifier": r["id"]} for r in records if r["body"] == "bad"]}

def first(event, context):
    global tries
    tries += 1
    print("RAN", json.dumps({"event": event, "try": tries}))
    if tries == 1:
        raise ValueError("in the middle")
    return {"order": event["order"]}

def note(event, context):
    for record in event["Records"]:
        told = json.loads(record["body"])
        with open(f"/mnt/seen/{told['responsePayload']['order']}", "a") as seen:
            seen.write(f"{told['requestContext']['approximateInvokeCount']} ")

def fail(event, context):
    raise ValueError("always")
"""
CODE = package({"app.py": HANDLER})
REGION, ACCOUNT = "us-east-1", "000000000000"
CHAINED = 40
#: Nobody's on most machines.
OWNER = 12_345
SHARED = f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:access-point/fsap-0123456789abcdef0"

checks = Checks()
PYTHON = runtime_of("python")


class World:
    def __init__(self, server, seen):
        self.seen = seen
        self.server, self.sqs, self.iam = server, server.service("sqs"), server.service("iam")
        self.functions = Functions(server.client)
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        role = self.iam.create_role(RoleName="worker", AssumeRolePolicyDocument=json.dumps({"Statement": trust}))
        self.role = role["Role"]["Arn"]
        may = {"Effect": "Allow", "Action": ["sqs:*", "lambda:InvokeFunction"], "Resource": "*"}
        self.iam.put_role_policy(RoleName="worker", PolicyName="work", PolicyDocument=json.dumps({"Statement": may}))

    def queue(self, name, **attributes):
        url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url, f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"

    def function(self, label, handler, **settings):
        name = self.functions.make(label, CODE, f"app.{handler}", PYTHON, **settings)
        self.server.client.update_function_configuration(FunctionName=name, Role=self.role)
        self.functions.await_active(name)
        return name

    def map(self, name, arn, **settings):
        created = self.server.client.create_event_source_mapping(FunctionName=name, EventSourceArn=arn, **settings)
        return created["UUID"]

    def count(self, url):
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
        counts = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        return sum(int(count) for count in counts.values())

    def ran(self, name):
        path = f"/_dormouse/functions/{name}/logs?since_ms=0&limit=10000"
        lines = self.server.signer().request("GET", path).body.decode().splitlines()
        messages = [json.loads(line).get("message", "") for line in lines]
        return [json.loads(text.split("RAN ", 1)[1]) for text in messages if text.startswith("RAN ")]

    def records(self, name):
        return [record for batch in self.ran(name) for record in batch]


def batches(world):
    lost_url, lost = world.queue("lost")
    redrive = json.dumps({"deadLetterTargetArn": lost, "maxReceiveCount": 2})
    url, arn = world.queue("jobs", VisibilityTimeout="3", RedrivePolicy=redrive)
    name = world.function("worker", "take")
    bodies = ["one", "bad", "two", "three"]
    entries = [{"Id": str(place), "MessageBody": body} for place, body in enumerate(bodies)]
    world.sqs.send_message_batch(QueueUrl=url, Entries=entries)
    uuid = world.map(name, arn, BatchSize=10, FunctionResponseTypes=["ReportBatchItemFailures"])
    wait_until(lambda: world.count(lost_url) == 1, 30)
    records = world.records(name)
    times = {body: sum(record["body"] == body for record in records) for body in bodies}
    checks.equal("what failed alone comes again, and the others do not", times, {"one": 1, "bad": 2, "two": 1, "three": 1})
    checks.equal("records name their queue", {record["source"] for record in records}, {arn})
    checks.equal("and how often they came", sorted(r["receives"] for r in records if r["body"] == "bad"), ["1", "2"])
    checks.equal("the queue is empty", wait_until(lambda: world.count(url) == 0 or None), True)
    letter = world.sqs.receive_message(QueueUrl=lost_url, AttributeNames=["All"], WaitTimeSeconds=2).get("Messages", [{}])[0]
    checks.equal("the poisoned one is a dead letter", letter.get("Body"), "bad")
    history = {"DeadLetterQueueSourceArn": arn, "ApproximateReceiveCount": "3"}
    checks.includes("with its history", letter.get("Attributes"), history)
    client = world.server.client
    checks.equal("a mapping is disabled", client.update_event_source_mapping(UUID=uuid, Enabled=False)["State"], "Disabling")
    wait_until(lambda: client.get_event_source_mapping(UUID=uuid)["State"] == "Disabled")
    world.sqs.send_message(QueueUrl=url, MessageBody="later")
    checks.equal("and then receives nothing", wait_until(lambda: len(world.records(name)) > len(records), 1), False)
    client.update_event_source_mapping(UUID=uuid, Enabled=True)
    checks.holds("until it is enabled", wait_until(lambda: len(world.records(name)) > len(records)), world.records(name), "later")


def filters(world):
    url, arn = world.queue("filtered")
    name = world.function("hot", "take")
    pattern = json.dumps({"body": {"degrees": [{"numeric": [">", 30]}], "place": [{"prefix": "ber"}]}})
    world.map(name, arn, FilterCriteria={"Filters": [{"Pattern": pattern}]})
    hot, cold = json.dumps({"degrees": 31, "place": "berlin"}), json.dumps({"degrees": 31, "place": "rome"})
    for body in (cold, hot, "no JSON"):
        world.sqs.send_message(QueueUrl=url, MessageBody=body)
    wait_until(lambda: world.count(url) == 0, 20)
    checks.equal("only what matches wakes the function", [record["body"] for record in world.records(name)], [hot])


def fifo(world):
    url, arn = world.queue("ordered.fifo", FifoQueue="true", ContentBasedDeduplication="true", VisibilityTimeout="5")
    name = world.function("ordered", "take")
    for number in range(12):
        world.sqs.send_message(QueueUrl=url, MessageBody=str(number), MessageGroupId=f"g{number % 2}")
    world.map(name, arn, BatchSize=3)
    wait_until(lambda: len(world.records(name)) == 12, 20)
    seen = [int(record["body"]) for record in world.records(name)]
    for group in (0, 1):
        checks.equal(f"group {group} keeps its order", [n for n in seen if n % 2 == group], list(range(group, 12, 2)))


def chain(world):
    url, arn = world.queue("results")
    letters_url, letters = world.queue("given-up")
    first = world.function("first", "first")
    # Log lines of the last moment may be lost with the server; files are not.
    mounted = [{"Arn": SHARED, "LocalMountPath": "/mnt/seen"}]
    second = world.function("second", "note", FileSystemConfigs=mounted)
    client = world.server.client
    client.put_function_event_invoke_config(FunctionName=first, DestinationConfig={"OnSuccess": {"Destination": arn}})
    world.map(second, arn)
    for number in range(CHAINED):
        client.invoke(FunctionName=first, InvocationType="Event", Payload=json.dumps({"order": number}))
        if number == CHAINED // 2:
            world.server.process.send_signal(signal.SIGKILL)
            world.server.process.wait()
            world.server.start()
            world.__dict__.update(sqs=world.server.service("sqs"))
            client = world.server.client

    def told():
        return sorted(int(file.name) for file in world.seen.iterdir())

    wait_until(lambda: len(told()) == CHAINED, 60)
    checks.equal("each event comes out at the end of the chain, through a failure and a crash", told(), list(range(CHAINED)))
    counts = {count for file in world.seen.iterdir() for count in file.read_text().split()}
    checks.holds("one of them needed a second attempt", "2" in counts, counts, "a 2")
    failing = world.function("failing", "fail", DeadLetterConfig={"TargetArn": letters})
    client.put_function_event_invoke_config(FunctionName=failing, MaximumRetryAttempts=0)
    sent = client.invoke(FunctionName=failing, InvocationType="Event", Payload=b'{"lost": true}')
    received = {}

    def received_one():
        got = world.sqs.receive_message(QueueUrl=letters_url, MessageAttributeNames=["All"], WaitTimeSeconds=1)
        received.update((got.get("Messages") or [{}])[0])
        return bool(received)

    wait_until(received_one, 20)
    checks.equal("what a function cannot do goes to its dead-letter queue", received.get("Body"), '{"lost": true}')
    attributes = {key: value["StringValue"] for key, value in received.get("MessageAttributes", {}).items()}
    request = sent["ResponseMetadata"]["RequestId"]
    checks.includes("with its request and error", attributes, {"RequestID": request, "ErrorCode": "200", "ErrorMessage": "always"})


with tempfile.TemporaryDirectory() as folder:
    seen = pathlib.Path(folder, "seen")
    seen.mkdir()
    os.chown(seen, OWNER, OWNER)
    with OwnServer(folder, "--async-retry-seconds", "1", "--file-systems", f"{SHARED}={seen}") as server:
        world = World(server, seen)
        for part in (batches, filters, fifo, chain):
            with checks.part(part.__name__):
                part(world)
checks.finish()
