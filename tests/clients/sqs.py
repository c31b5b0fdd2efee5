"""Queues through boto3, whose client verifies the MD5 of everything that it sends and receives, and through the AWS CLI:
standard and FIFO queues, dead letters and their way back, long polls, batches that fail in part, settings, tags,
permissions, and two accounts; and forms, as older clients send them.

Starts a server of its own, which takes anybody's word.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
import xml.etree.ElementTree

import boto3
import botocore.config

from lambda_checks import Checks, Signer
from own_servers import BINARY, OwnServer

AWS = pathlib.Path(sys.executable).with_name("aws")
REGION = os.environ.get("AWS_REGION") or os.environ["AWS_DEFAULT_REGION"]
ACCOUNT = "000000000000"
INVALID = ("InvalidParameterValue", 400)

checks = Checks()
config = botocore.config.Config(retries={"total_max_attempts": 1}, read_timeout=60)
sqs = boto3.client("sqs", config=config)


def arn(name):
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"


def attribute(url, *names):
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(names))["Attributes"]
    return found[names[0]] if len(names) == 1 else [found[name] for name in names]


def bodies(answer):
    return [message["Body"] for message in answer.get("Messages", [])]


def receive(url, **settings):
    return sqs.receive_message(QueueUrl=url, **settings).get("Messages", [])


def redrive(name, count):
    return {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn(name), "maxReceiveCount": count})}


def eventually(look, wanted, limit_s=20):
    """What `look` gives once that is wanted, or when time is over."""
    until = time.monotonic() + limit_s
    while not wanted(seen := look()) and time.monotonic() < until:
        time.sleep(0.05)
    return seen


def queues():
    url = sqs.create_queue(QueueName="plain", Attributes={"VisibilityTimeout": "40"}, tags={"a": "1"})["QueueUrl"]
    checks.equal("a queue's address", url, f"{os.environ['AWS_ENDPOINT_URL']}/{ACCOUNT}/plain")
    again = sqs.create_queue(QueueName="plain", Attributes={"VisibilityTimeout": "40"})["QueueUrl"]
    checks.equal("made again", again, url)
    other = lambda: sqs.create_queue(QueueName="plain", Attributes={"VisibilityTimeout": "41"})
    checks.refused("made again otherwise", other, "QueueAlreadyExists", 400, "different value for attribute VisibilityTimeout")
    checks.refused("a name", lambda: sqs.create_queue(QueueName="a.b"), *INVALID, "alphanumeric")
    checks.equal("found by name", sqs.get_queue_url(QueueName="plain")["QueueUrl"], url)
    missing = "AWS.SimpleQueueService.NonExistentQueue"
    checks.refused("not found", lambda: sqs.get_queue_url(QueueName="none"), missing, 400, "does not exist")
    gone = lambda: sqs.send_message(QueueUrl=url.replace("plain", "none"), MessageBody="x")
    checks.refused("sent to none", gone, missing, 400)
    try:
        gone()
    except sqs.exceptions.QueueDoesNotExist as error:
        checks.holds("as an exception of the model", True, error, "")
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "0", "MaximumMessageSize": "2048"})
    checks.equal("set", attribute(url, "MaximumMessageSize", "VisibilityTimeout", "QueueArn"), ["2048", "40", arn("plain")])
    bad = lambda: sqs.set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "901"})
    checks.refused("out of bounds", bad, "InvalidAttributeValue", 400, "0 to 900")
    odd = lambda: sqs.set_queue_attributes(QueueUrl=url, Attributes={"Odd": "901"})
    checks.refused("an unknown attribute", odd, "InvalidAttributeName", 400, "Unknown Attribute Odd")
    sqs.tag_queue(QueueUrl=url, Tags={"b": "2"})
    sqs.untag_queue(QueueUrl=url, TagKeys=["a"])
    checks.equal("tags", sqs.list_queue_tags(QueueUrl=url)["Tags"], {"b": "2"})
    for n in range(3):
        sqs.create_queue(QueueName=f"page-{n}")
    pages = sqs.get_paginator("list_queues").paginate(QueueNamePrefix="page-", PaginationConfig={"PageSize": 2})
    pages = [page["QueueUrls"] for page in pages]
    checks.equal("pages", [len(page) for page in pages], [2, 1])
    for page in pages:
        for found in page:
            sqs.delete_queue(QueueUrl=found)
    checks.equal("deleted", sqs.list_queues(QueueNamePrefix="page-").get("QueueUrls"), None)


def messages():
    url = sqs.create_queue(QueueName="messages", Attributes={"VisibilityTimeout": "0"})["QueueUrl"]
    given = {
        "text": {"DataType": "String", "StringValue": "é"},
        "number.x": {"DataType": "Number.int", "StringValue": "-7"},
        "bytes": {"DataType": "Binary", "BinaryValue": b"\x00\xff"},
    }
    trace = {"AWSTraceHeader": {"DataType": "String", "StringValue": "Root=1-5759e988-bd862e3fe1be46a994272793"}}
    sent = sqs.send_message(
        QueueUrl=url, MessageBody="a\tb <é>", MessageAttributes=given, MessageSystemAttributes=trace, MessageGroupId="tenant"
    )
    [seen] = receive(url, MessageAttributeNames=["All"], MessageSystemAttributeNames=["All"])
    checks.equal("the body", (seen["Body"], seen["MessageId"]), ("a\tb <é>", sent["MessageId"]))
    checks.equal("the attributes", seen["MessageAttributes"], given)
    checks.equal("their MD5", seen["MD5OfMessageAttributes"], sent["MD5OfMessageAttributes"])
    known = seen["Attributes"]
    checks.includes(
        "what SQS knows", known,
        {"ApproximateReceiveCount": "1", "SenderId": ACCOUNT, "MessageGroupId": "tenant"} |
        {"AWSTraceHeader": trace["AWSTraceHeader"]["StringValue"]},
    )
    checks.holds("when it was sent", abs(int(known["SentTimestamp"]) / 1000 - time.time()) < 60, known, "about now")
    [some] = receive(url, MessageAttributeNames=["number.*", "none"], AttributeNames=["ApproximateReceiveCount"])
    checks.equal("by prefix", list(some["MessageAttributes"]), ["number.x"])
    checks.equal("counted", some["Attributes"], {"ApproximateReceiveCount": "2"})
    [bare] = receive(url, VisibilityTimeout=30)
    checks.equal("nothing asked for", sorted(bare), ["Body", "MD5OfBody", "MessageId", "ReceiptHandle"])
    counts = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
    sqs.send_message(QueueUrl=url, MessageBody="later", DelaySeconds=900)
    checks.equal("counts", attribute(url, *counts), ["0", "1", "1"])
    handle = bare["ReceiptHandle"]
    sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
    late = lambda: sqs.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=9)
    checks.refused("changed too late", late, *INVALID, "not available for visibility timeout change")
    forged = lambda: sqs.delete_message(QueueUrl=url, ReceiptHandle="x" + handle[1:])
    checks.refused("a forged handle", forged, "ReceiptHandleIsInvalid", 400, "not a valid receipt handle")
    [back] = receive(url, VisibilityTimeout=30)
    sqs.delete_message(QueueUrl=url, ReceiptHandle=back["ReceiptHandle"])
    sqs.delete_message(QueueUrl=url, ReceiptHandle=back["ReceiptHandle"])
    checks.equal("deleted, twice", attribute(url, *counts), ["0", "0", "1"])
    sqs.purge_queue(QueueUrl=url)
    checks.equal("purged", attribute(url, *counts), ["0", "0", "0"])
    again = lambda: sqs.purge_queue(QueueUrl=url)
    checks.refused("purged again", again, "AWS.SimpleQueueService.PurgeQueueInProgress", 400, "every 60 seconds")
    for name, body, code in [("no character", "\x01", "InvalidMessageContents"), ("too long", "x" * 1048577, INVALID[0])]:
        checks.refused(name, lambda body=body: sqs.send_message(QueueUrl=url, MessageBody=body), code, 400)
    whole = "ä" * 524288
    sqs.send_message(QueueUrl=url, MessageBody=whole)
    checks.equal("a megabyte", [message["Body"] == whole for message in receive(url)], [True])


def batches():
    url = sqs.create_queue(QueueName="batches")["QueueUrl"]
    entries = [{"Id": str(n), "MessageBody": f"m{n}"} for n in range(9)]
    entries.append({"Id": "bad", "MessageBody": "x", "DelaySeconds": 901})
    answer = sqs.send_message_batch(QueueUrl=url, Entries=entries)
    checks.equal("those that were sent", [one["Id"] for one in answer["Successful"]], [str(n) for n in range(9)])
    [failed] = answer["Failed"]
    checks.includes("the one that was not", failed, {"Id": "bad", "SenderFault": True, "Code": INVALID[0]})
    found = receive(url, MaxNumberOfMessages=10)
    checks.equal("received at once", sorted(message["Body"] for message in found), [f"m{n}" for n in range(9)])
    handles = [{"Id": f"e{n}", "ReceiptHandle": message["ReceiptHandle"]} for n, message in enumerate(found)]
    longer = [entry | {"VisibilityTimeout": 60} for entry in handles[:2]] + [
        {"Id": "bad", "ReceiptHandle": "nonsense", "VisibilityTimeout": 60}
    ]
    answer = sqs.change_message_visibility_batch(QueueUrl=url, Entries=longer)
    checks.equal("prolonged", [one["Id"] for one in answer["Successful"]], ["e0", "e1"])
    checks.equal("not prolonged", [one["Code"] for one in answer["Failed"]], ["ReceiptHandleIsInvalid"])
    answer = sqs.delete_message_batch(QueueUrl=url, Entries=handles)
    checks.equal("deleted", len(answer["Successful"]), 9)
    none = lambda: sqs.send_message_batch(QueueUrl=url, Entries=[])
    checks.refused("an empty batch", none, "AWS.SimpleQueueService.EmptyBatchRequest", 400)
    twice = lambda: sqs.send_message_batch(QueueUrl=url, Entries=[{"Id": "a", "MessageBody": "x"}] * 2)
    checks.refused("an id twice", twice, "AWS.SimpleQueueService.BatchEntryIdsNotDistinct", 400, "Id a repeated")
    large = [{"Id": str(n), "MessageBody": "x" * 600000} for n in range(2)]
    too_long = lambda: sqs.send_message_batch(QueueUrl=url, Entries=large)
    checks.refused("too long a batch", too_long, "AWS.SimpleQueueService.BatchRequestTooLong", 400, "1200000")


def long_polls():
    url = sqs.create_queue(QueueName="polled")["QueueUrl"]
    # Nobody can have it before somebody waits for it.
    sqs.send_message(QueueUrl=url, MessageBody="hello", DelaySeconds=2)
    began = time.monotonic()
    found = receive(url, WaitTimeSeconds=20)
    checks.equal("a poll is woken", [message["Body"] for message in found], ["hello"])
    checks.holds("at once", 0.5 < time.monotonic() - began < 10, time.monotonic() - began, "when it can be received")
    began = time.monotonic()
    checks.equal("a poll in vain", receive(url, WaitTimeSeconds=1), [])
    checks.holds("waits as long as it was told", 0.9 < time.monotonic() - began < 10, time.monotonic() - began, "about 1 s")


def fifo():
    name = "orders.fifo"
    no_suffix = lambda: sqs.create_queue(QueueName="orders", Attributes={"FifoQueue": "true"})
    checks.refused("a FIFO queue without its suffix", no_suffix, *INVALID, ".fifo suffix")
    url = sqs.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]
    bare = lambda: sqs.send_message(QueueUrl=url, MessageBody="x")
    checks.refused("no group", bare, "MissingParameter", 400, "MessageGroupId")
    unique = lambda: sqs.send_message(QueueUrl=url, MessageBody="x", MessageGroupId="g")
    checks.refused("nothing to tell duplicates by", unique, *INVALID, "ContentBasedDeduplication")
    first = sqs.send_message(QueueUrl=url, MessageBody="1", MessageGroupId="a", MessageDeduplicationId="1")
    again = sqs.send_message(QueueUrl=url, MessageBody="else", MessageGroupId="a", MessageDeduplicationId="1")
    checks.equal("a duplicate", again["MessageId"], first["MessageId"])
    checks.matches("its number", first["SequenceNumber"], "[0-9]{20}")
    for body, group in [("2", "a"), ("3", "a"), ("x", "b")]:
        sqs.send_message(QueueUrl=url, MessageBody=body, MessageGroupId=group, MessageDeduplicationId=body)
    [one] = receive(url, AttributeNames=["All"], ReceiveRequestAttemptId="try")
    checks.includes("what SQS knows", one["Attributes"], {"MessageGroupId": "a", "MessageDeduplicationId": "1"})
    checks.equal("the attempt repeated", receive(url, ReceiveRequestAttemptId="try")[0]["ReceiptHandle"], one["ReceiptHandle"])
    [other] = receive(url, MaxNumberOfMessages=10)
    checks.equal("a group that is out holds back its own only", other["Body"], "x")
    sqs.delete_message(QueueUrl=url, ReceiptHandle=one["ReceiptHandle"])
    checks.equal("in order", [message["Body"] for message in receive(url, MaxNumberOfMessages=10)], ["2", "3"])
    attributes = {"FifoQueue": "true", "ContentBasedDeduplication": "true", "DeduplicationScope": "messageGroup"}
    url = sqs.create_queue(QueueName="content.fifo", Attributes=attributes)["QueueUrl"]
    ids = [sqs.send_message(QueueUrl=url, MessageBody="same", MessageGroupId=group)["MessageId"] for group in "aab"]
    checks.equal("by content within a group", (ids[0] == ids[1], ids[0] == ids[2]), (True, False))


def dead_letters():
    dead = sqs.create_queue(QueueName="dead")["QueueUrl"]
    url = sqs.create_queue(QueueName="tried", Attributes=redrive("dead", 2) | {"VisibilityTimeout": "0"})["QueueUrl"]
    checks.equal("its sources", sqs.list_dead_letter_source_queues(QueueUrl=dead)["queueUrls"], [url])
    missing = lambda: sqs.create_queue(QueueName="lost", Attributes=redrive("nowhere", 2))
    checks.refused("no such dead-letter queue", missing, *INVALID, "does not exist")
    sent = [sqs.send_message(QueueUrl=url, MessageBody=f"m{n}")["MessageId"] for n in range(3)]
    for _ in range(2):
        receive(url, MaxNumberOfMessages=10)
    checks.equal("tried often enough", receive(url, MaxNumberOfMessages=10), [])
    found = receive(dead, MaxNumberOfMessages=10, VisibilityTimeout=0, AttributeNames=["All"])
    checks.equal("are dead letters", sorted(message["MessageId"] for message in found), sorted(sent))
    checks.equal("of that queue", {one["Attributes"]["DeadLetterQueueSourceArn"] for one in found}, {arn("tried")})
    checks.equal("counted across queues", {one["Attributes"]["ApproximateReceiveCount"] for one in found}, {"3"})

    none = lambda: sqs.start_message_move_task(SourceArn=arn("tried"))
    checks.refused("no dead-letter queue", none, *INVALID, "must be configured as a Dead Letter Queue")
    handle = sqs.start_message_move_task(SourceArn=arn("dead"), MaxNumberOfMessagesPerSecond=1)["TaskHandle"]
    twice = lambda: sqs.start_message_move_task(SourceArn=arn("dead"))
    checks.refused("one at a time", twice, "AWS.SimpleQueueService.UnsupportedOperation", 400, "already a task running")
    checks.holds("cancelled", "ApproximateNumberOfMessagesMoved" in sqs.cancel_message_move_task(TaskHandle=handle), "", "")
    newest = lambda: sqs.list_message_move_tasks(SourceArn=arn("dead"), MaxResults=10)["Results"][0]
    checks.equal("its state", eventually(newest, lambda task: task["Status"] == "CANCELLED")["Status"], "CANCELLED")
    sqs.start_message_move_task(SourceArn=arn("dead"))
    ended = eventually(newest, lambda task: task["Status"] == "COMPLETED")
    checks.equal("moved back", (ended["Status"], "TaskHandle" in ended), ("COMPLETED", False))
    back = receive(url, MaxNumberOfMessages=10, AttributeNames=["All"])
    checks.equal("all of them", sorted(message["Body"] for message in back), ["m0", "m1", "m2"])
    ids = {message["MessageId"] for message in back}
    checks.holds("as new messages", len(ids) == 3 and not ids & set(sent), ids, "ids that none had before")
    checks.holds("as no dead letters", "DeadLetterQueueSourceArn" not in back[0]["Attributes"], back[0], "no source")


def permissions():
    url = sqs.create_queue(QueueName="shared")["QueueUrl"]
    sqs.add_permission(QueueUrl=url, Label="let", AWSAccountIds=["210987654321"], Actions=["SendMessage"])
    policy = json.loads(attribute(url, "Policy"))
    checks.equal("a statement", [one["Sid"] for one in policy["Statement"]], ["let"])
    again = lambda: sqs.add_permission(QueueUrl=url, Label="let", AWSAccountIds=[ACCOUNT], Actions=["*"])
    checks.refused("the label again", again, *INVALID, "Already exists")
    sqs.remove_permission(QueueUrl=url, Label="let")
    checks.equal("removed", sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"]).get("Attributes"), None)
    gone = lambda: sqs.remove_permission(QueueUrl=url, Label="let")
    checks.refused("removed again", gone, *INVALID, "can't find label")


def cli():
    def aws(*arguments):
        command = [AWS, "sqs", *arguments, "--output", "json", "--endpoint-url", os.environ["AWS_ENDPOINT_URL"]]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return json.loads(done.stdout) if done.stdout.strip() else done.stderr.strip()

    url = aws("create-queue", "--queue-name", "cli", "--attributes", "DelaySeconds=0")["QueueUrl"]
    sent = aws("send-message", "--queue-url", url, "--message-body", "hello")
    found = aws("receive-message", "--queue-url", url, "--attribute-names", "All")["Messages"]
    checks.equal("what the CLI sent", [message["MessageId"] for message in found], [sent["MessageId"]])
    aws("delete-message", "--queue-url", url, "--receipt-handle", found[0]["ReceiptHandle"])
    checks.holds("deleted by the CLI", "NonExistentQueue" in aws("get-queue-url", "--queue-name", "none"), "", "an error")
    aws("delete-queue", "--queue-url", url)
    checks.holds("is gone", "NonExistentQueue" in aws("get-queue-url", "--queue-name", "cli"), "", "an error")


def backlog():
    """How much waits: queue by queue for who may know, added up for everybody."""
    url = sqs.create_queue(QueueName="piled-up")["QueueUrl"]
    for delay in (0, 0, 0, 600):
        sqs.send_message(QueueUrl=url, MessageBody="x", DelaySeconds=delay)
    receive(url)
    shown = subprocess.run([BINARY, "queues", "--json"], capture_output=True, text=True, check=True).stdout
    found = [queue for queue in json.loads(shown)["queues"] if queue["name"] == "piled-up"]
    counts = [(queue["purpose"], queue["waiting"], queue["in_flight"], queue["delayed"]) for queue in found]
    checks.equal("the backlog of a queue", counts, [("sqs", 2, 1, 1)])
    table = subprocess.run([BINARY, "queues"], capture_output=True, text=True, check=True).stdout
    row = [line.split()[:5] for line in table.splitlines() if "piled-up" in line]
    checks.equal("shown to people", row, [["sqs", "piled-up", "2", "1", "1"]])

    def added_up():
        with urllib.request.urlopen(f"{os.environ['AWS_ENDPOINT_URL']}/_dormouse/metrics") as page:
            lines = page.read().decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith('dormouse_queued_messages{purpose="sqs"}'))

    held = eventually(added_up, lambda held: held >= 4)
    checks.holds("added up", held >= 4, held, "4 and more")


def forms():
    """As clients of the query protocol speak: to the queue's own path."""
    signer = Signer()
    content = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}

    def ask(path, **parameters):
        body = urllib.parse.urlencode({"Version": "2012-11-05"} | parameters).encode()
        answer = signer.request("POST", path, body, content, service="sqs")
        return answer.status, xml.etree.ElementTree.fromstring(answer.body)

    space = "{http://queue.amazonaws.com/doc/2012-11-05/}"
    text = lambda tree, name: [element.text for element in tree.iter(space + name)]
    settings = {"Attribute.1.Name": "VisibilityTimeout", "Attribute.1.Value": "0", "Tag.1.Key": "a", "Tag.1.Value": "b"}
    status, tree = ask("/", Action="CreateQueue", QueueName="forms", **settings)
    [url] = text(tree, "QueueUrl")
    checks.equal("made", (status, tree.tag), (200, f"{space}CreateQueueResponse"))
    path = urllib.parse.urlparse(url).path
    sent = {
        "SendMessageBatchRequestEntry.1.Id": "a",
        "SendMessageBatchRequestEntry.1.MessageBody": "hello",
        "SendMessageBatchRequestEntry.1.MessageAttribute.1.Name": "n",
        "SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.DataType": "Number",
        "SendMessageBatchRequestEntry.1.MessageAttribute.1.Value.StringValue": "1",
        "SendMessageBatchRequestEntry.2.Id": "b",
        "SendMessageBatchRequestEntry.2.MessageBody": "x",
        "SendMessageBatchRequestEntry.2.DelaySeconds": "901",
    }
    _, tree = ask(path, Action="SendMessageBatch", **sent)
    places = [[entry.find(space + "Id").text for entry in tree.iter(space + name)]
              for name in ("SendMessageBatchResultEntry", "BatchResultErrorEntry")]
    checks.equal("a batch in part", places, [["a"], ["b"]])
    asked = {"AttributeName.1": "SenderId", "MessageAttributeName.1": "All"}
    _, tree = ask(path, Action="ReceiveMessage", **asked)
    checks.equal("received", (text(tree, "Body"), text(tree, "Name"), text(tree, "StringValue")),
                 (["hello"], ["SenderId", "n"], ["1"]))
    checks.equal("in boto3 too", [message["Body"] for message in receive(url)], ["hello"])
    status, tree = ask("/000000000000/none", Action="SendMessage", MessageBody="x")
    code = [element.text for element in tree.iter() if element.tag.endswith("Code")]
    checks.equal("no such queue", (status, code), (400, ["AWS.SimpleQueueService.NonExistentQueue"]))


def two_accounts():
    class Open(OwnServer):
        command_name = "dev"

    key = lambda account: {"aws_access_key_id": account, "aws_secret_access_key": "any"}
    with tempfile.TemporaryDirectory() as folder:
        empty = pathlib.Path(folder, "empty")
        empty.mkdir()
        with Open(folder, empty) as server:
            one, other = (
                boto3.client("sqs", endpoint_url=server.endpoint, config=config, **key(account))
                for account in ("111111111111", "222222222222")
            )
            url = one.create_queue(QueueName="q")["QueueUrl"]
            send = lambda: other.send_message(QueueUrl=url, MessageBody="x")
            checks.refused("not let in", send, "AccessDenied", 400, "not authorized to perform: sqs:SendMessage")
            one.add_permission(QueueUrl=url, Label="let", AWSAccountIds=["222222222222"], Actions=["SendMessage", "GetQueueUrl"])
            found = other.get_queue_url(QueueName="q", QueueOwnerAWSAccountId="111111111111")["QueueUrl"]
            checks.equal("let in", (found, "MessageId" in send()), (url, True))
            receive_it = lambda: other.receive_message(QueueUrl=url)
            checks.refused("not for everything", receive_it, "AccessDenied", 400, "sqs:ReceiveMessage")
            delete = lambda: other.delete_queue(QueueUrl=url)
            one.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps({"Statement": {
                "Effect": "Allow", "Principal": "*", "Action": "sqs:*", "Resource": "*"}})})
            checks.refused("what is the owner's alone", delete, "AccessDenied", 400, "sqs:DeleteQueue")
            [message] = receive_it()["Messages"]
            checks.equal("by policy", message["Body"], "x")
            checks.equal("two queues of one name", other.create_queue(QueueName="q")["QueueUrl"] == url, False)


for part in [queues, messages, batches, long_polls, fifo, dead_letters, permissions, backlog, forms, two_accounts, cli]:
    with checks.part(part.__name__):
        part()
checks.finish()
