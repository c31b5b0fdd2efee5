"""Topics through boto3 and the AWS CLI: subscribers of every kind, filters, raw delivery, batches, FIFO topics, permissions,
tags, an HTTP endpoint that this script runs itself, dead letters, and what publishes to topics by itself: rules of
EventBridge, schedules and destinations of functions.

Starts a server of its own, whose callers have to say who they are.
"""

import http.server
import json
import os
import pathlib
import queue
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import boto3
import botocore.config

from lambda_checks import UUID, Checks, Functions, package, runtime_of, wait_until
from own_servers import OwnServer

AWS = pathlib.Path(sys.executable).with_name("aws")
REGION, ACCOUNT = "us-east-1", "000000000000"
INVALID, NOT_FOUND = ("InvalidParameter", 400), ("NotFound", 404)
HANDLER = """
import json

def take(event, context):
    print("RAN", json.dumps(event))

def fail(event, context):
    raise ValueError("always")
"""
CODE = package({"app.py": HANDLER})

checks = Checks()
PYTHON = runtime_of("python")


class World:
    def __init__(self, server):
        self.server = server
        self.sns, self.sqs, self.iam = (server.service(name) for name in ("sns", "sqs", "iam"))
        self.functions = Functions(server.client)

    def topic(self, name, **attributes):
        return self.sns.create_topic(Name=name, Attributes=attributes)["TopicArn"]

    def queue(self, name, **attributes):
        """A queue that topics may send to."""
        arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:{name}"
        may = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": arn}
        attributes["Policy"] = json.dumps({"Version": "2012-10-17", "Statement": may})
        return self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"], arn

    def subscribe(self, topic, protocol, endpoint, **attributes):
        answer = self.sns.subscribe(
            TopicArn=topic, Protocol=protocol, Endpoint=endpoint, Attributes=attributes, ReturnSubscriptionArn=True
        )
        return answer["SubscriptionArn"]

    def received(self, url, count=1, limit_s=20):
        """So many messages, taken out of the queue; or what has come when time is over."""
        found, until = [], time.monotonic() + limit_s
        while len(found) < count and time.monotonic() < until:
            wanted = {"MaxNumberOfMessages": 10, "WaitTimeSeconds": 1, "MessageAttributeNames": ["All"], "AttributeNames": ["All"]}
            for message in self.sqs.receive_message(QueueUrl=url, **wanted).get("Messages", []):
                self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                found.append(message)
        return found

    def ran(self, name):
        path = f"/_dormouse/functions/{name}/logs?since_ms=0&limit=10000"
        lines = self.server.signer().request("GET", path).body.decode().splitlines()
        messages = [json.loads(line).get("message", "") for line in lines]
        return [json.loads(text.split("RAN ", 1)[1]) for text in messages if text.startswith("RAN ")]


class Endpoint:
    """An HTTP endpoint: keeps what it is sent, and answers as it is told."""

    def __init__(self):
        self.requests = queue.Queue()
        self.statuses = queue.Queue()
        endpoint = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                endpoint.requests.put((self.path, dict(self.headers), body))
                self.send_response(200 if endpoint.statuses.empty() else endpoint.statuses.get())
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def next(self, limit_s=20):
        return self.requests.get(timeout=limit_s)


def fetch(url):
    """A link followed by somebody who does not say who it is."""
    try:
        with urllib.request.urlopen(url, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def topics(world):
    sns = world.sns
    arn = world.topic("plain", DisplayName="Plain")
    checks.equal("a topic's ARN", arn, f"arn:aws:sns:{REGION}:{ACCOUNT}:plain")
    checks.equal("made again", world.topic("plain"), arn)
    checks.refused("made again otherwise", lambda: world.topic("plain", DisplayName="Other"), *INVALID, "different attributes")
    checks.refused("a name", lambda: world.topic("a b"), *INVALID, "Topic names must be made up of only")
    checks.refused("an attribute", lambda: world.topic("x", Colour="red"), *INVALID, "Attributes Reason: AttributeName")
    attributes = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    wanted = {"TopicArn": arn, "Owner": ACCOUNT, "DisplayName": "Plain", "SubscriptionsConfirmed": "0"}
    checks.includes("its attributes", attributes, wanted)
    default = json.loads(attributes["Policy"])["Statement"][0]
    checks.equal("the policy that nobody set", default["Condition"], {"StringEquals": {"AWS:SourceOwner": ACCOUNT}})
    effective = json.loads(attributes["EffectiveDeliveryPolicy"])["http"]["defaultHealthyRetryPolicy"]
    checks.includes("the delivery policy that nobody set", effective, {"numRetries": 3, "minDelayTarget": 20})
    sns.set_topic_attributes(TopicArn=arn, AttributeName="DisplayName", AttributeValue="Renamed")
    checks.equal("renamed", sns.get_topic_attributes(TopicArn=arn)["Attributes"]["DisplayName"], "Renamed")
    missing = arn.replace("plain", "none")
    checks.refused("not found", lambda: sns.get_topic_attributes(TopicArn=missing), *NOT_FOUND, "Topic does not exist")
    try:
        sns.get_topic_attributes(TopicArn=missing)
    except sns.exceptions.NotFoundException as error:
        checks.holds("as an exception of the model", True, error, "")
    sns.tag_resource(ResourceArn=arn, Tags=[{"Key": "team", "Value": "blue"}, {"Key": "cost", "Value": "1"}])
    sns.untag_resource(ResourceArn=arn, TagKeys=["cost"])
    checks.equal("tags", sns.list_tags_for_resource(ResourceArn=arn)["Tags"], [{"Key": "team", "Value": "blue"}])
    many = {world.topic(f"many-{n:03}") for n in range(120)}
    listed = {topic["TopicArn"] for page in sns.get_paginator("list_topics").paginate() for topic in page["Topics"]}
    checks.holds("pages of topics", many | {arn} <= listed, len(listed), "all of them")
    for topic in many:
        sns.delete_topic(TopicArn=topic)
    checks.equal("removed twice", sns.delete_topic(TopicArn=missing)["ResponseMetadata"]["HTTPStatusCode"], 200)
    checks.refused("text messages", lambda: sns.publish(PhoneNumber="+1", Message="x"), *INVALID, "not served")
    checks.refused("mobile push", lambda: sns.list_platform_applications(), "NotImplemented", 501, "not served")


def permissions(world):
    sns = world.sns
    arn = world.topic("shared")
    sns.add_permission(TopicArn=arn, Label="partner", AWSAccountId=["111122223333"], ActionName=["Publish", "Subscribe"])
    again = lambda: sns.add_permission(TopicArn=arn, Label="partner", AWSAccountId=["111122223333"], ActionName=["Publish"])
    checks.refused("a label twice", again, *INVALID, "Statement already exists")
    policy = lambda: json.loads(sns.get_topic_attributes(TopicArn=arn)["Attributes"]["Policy"])
    added = policy()["Statement"][-1]
    wanted = {"Sid": "partner", "Principal": {"AWS": "arn:aws:iam::111122223333:root"}, "Action": ["SNS:Publish", "SNS:Subscribe"]}
    checks.includes("a statement is added", added, wanted)
    sns.remove_permission(TopicArn=arn, Label="partner")
    checks.equal("and removed", [it["Sid"] for it in policy()["Statement"]], ["__default_statement_ID"])
    foreign = {"Statement": {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}}
    put = lambda text: sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=text)
    checks.refused("a policy about others", lambda: put(json.dumps(foreign)), *INVALID, "out of service scope")
    checks.refused("no policy", lambda: put("{"), *INVALID)
    world.iam.create_user(UserName="guest")
    key = world.iam.create_access_key(UserName="guest")["AccessKey"]
    guest = boto3.client(
        "sns",
        endpoint_url=world.server.endpoint,
        region_name=REGION,
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )
    publish = lambda: guest.publish(TopicArn=arn, Message="x")
    checks.refused("a guest", publish, "AuthorizationError", 403)
    principal = {"AWS": f"arn:aws:iam::{ACCOUNT}:user/guest"}
    put(json.dumps({"Statement": {"Effect": "Allow", "Principal": principal, "Action": "sns:Publish", "Resource": arn}}))
    checks.matches("a guest who is let in", publish()["MessageId"], UUID)


def functions_and_queues(world):
    sns = world.sns
    arn = world.topic("orders")
    name = world.functions.make("taker", CODE, "app.take", PYTHON)
    world.functions.await_active(name)
    function = world.server.client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    url, queue_arn = world.queue("orders")
    raw_url, raw_arn = world.queue("orders-raw")
    by_function = world.subscribe(arn, "lambda", function)
    world.server.client.add_permission(
        FunctionName=name, StatementId="sns", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com", SourceArn=arn
    )
    by_queue = world.subscribe(arn, "sqs", queue_arn)
    world.subscribe(arn, "sqs", raw_arn, RawMessageDelivery="true")
    checks.equal("subscribed again", world.subscribe(arn, "sqs", queue_arn), by_queue)
    attribute = {"city": {"DataType": "String", "StringValue": "Lübeck"}, "bin": {"DataType": "Binary", "BinaryValue": b"\0\xff"}}
    sent = sns.publish(TopicArn=arn, Message="hällo", Subject="Greeting", MessageAttributes=attribute)
    event = (wait_until(lambda: world.ran(name), 40) or [{"Records": [{}]}])[0]["Records"][0]
    checks.includes("the event of a function", event, {"EventSource": "aws:sns", "EventSubscriptionArn": by_function})
    wanted = {"Type": "Notification", "MessageId": sent["MessageId"], "TopicArn": arn, "Subject": "Greeting", "Message": "hällo"}
    checks.includes("with the message", event.get("Sns", {}), wanted)
    shown = {"city": {"Type": "String", "Value": "Lübeck"}, "bin": {"Type": "Binary", "Value": "AP8="}}
    checks.equal("and its attributes", event.get("Sns", {}).get("MessageAttributes"), shown)
    envelope = json.loads(world.received(url)[0]["Body"])
    checks.includes("the envelope of a queue", envelope, wanted | {"MessageAttributes": shown, "Signature": ""})
    raw = world.received(raw_url)[0]
    checks.equal("the bare text", raw["Body"], "hällo")
    checks.equal("with attributes of the queue's own", raw["MessageAttributes"]["bin"]["BinaryValue"], b"\0\xff")
    by_protocol = json.dumps({"default": "all", "sqs": "queues"})
    sns.publish(TopicArn=arn, Message=by_protocol, MessageStructure="json")
    checks.equal("a text for queues", world.received(raw_url)[0]["Body"], "queues")
    checks.refused("no text for all", lambda: sns.publish(TopicArn=arn, Message="{}", MessageStructure="json"), *INVALID, "No default entry")
    checks.refused("no message", lambda: sns.publish(TopicArn=arn, Message=""), *INVALID, "Empty message")
    checks.refused("too long", lambda: sns.publish(TopicArn=arn, Message="x" * 262_145), *INVALID, "Message too long")
    longest = sns.publish(TopicArn=arn, Message="x" * 262_144)
    checks.matches("the longest", longest["MessageId"], UUID)
    checks.equal("arrives", len(world.received(raw_url)[0]["Body"]), 262_144)
    bad = lambda: sns.publish(TopicArn=arn, Message="x", MessageAttributes={"a": {"DataType": "Colour", "StringValue": "x"}})
    checks.refused("an attribute of no type", bad, "ParameterValueInvalid", 400, "invalid message attribute type")
    listed = sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]
    checks.equal("subscriptions", {it["Protocol"] for it in listed}, {"lambda", "sqs"})
    sns.unsubscribe(SubscriptionArn=by_function)
    sns.unsubscribe(SubscriptionArn=by_function)
    counts = sns.get_topic_attributes(TopicArn=arn)["Attributes"]["SubscriptionsConfirmed"]
    checks.equal("one ended", counts, "2")
    gone = lambda: sns.get_subscription_attributes(SubscriptionArn=by_function)
    checks.refused("is not there", gone, *NOT_FOUND, "Subscription does not exist")


def batches(world):
    sns = world.sns
    arn = world.topic("batches")
    url, queue_arn = world.queue("batches")
    world.subscribe(arn, "sqs", queue_arn, RawMessageDelivery="true")
    entries = [{"Id": "a", "Message": "one"}, {"Id": "b", "Message": "two", "Subject": " no"}, {"Id": "c", "Message": "three"}]
    answer = sns.publish_batch(TopicArn=arn, PublishBatchRequestEntries=entries)
    checks.equal("taken", [it["Id"] for it in answer["Successful"]], ["a", "c"])
    failed = [(it["Id"], it["Code"], it["SenderFault"]) for it in answer["Failed"]]
    checks.equal("not taken", failed, [("b", "InvalidParameter", True)])
    checks.equal("arrive", {it["Body"] for it in world.received(url, 2)}, {"one", "three"})
    batch = lambda entries: lambda: sns.publish_batch(TopicArn=arn, PublishBatchRequestEntries=entries)
    several = [{"Id": str(n), "Message": "x"} for n in range(11)]
    checks.refused("too many", batch(several), "TooManyEntriesInBatchRequest", 400)
    checks.refused("twice the same", batch([several[0], several[0]]), "BatchEntryIdsNotDistinct", 400)
    checks.refused("none", batch([]), "EmptyBatchRequest", 400)
    checks.refused("an id", batch([{"Id": "a b", "Message": "x"}]), "InvalidBatchEntryId", 400)
    large = [{"Id": str(n), "Message": "x" * 30_000} for n in range(9)]
    checks.refused("too long together", batch(large), "BatchRequestTooLong", 400)


def filters(world):
    sns = world.sns
    arn = world.topic("filters")
    url, queue_arn = world.queue("filters")
    body_url, body_arn = world.queue("filters-body")
    wanted = {"kind": [{"prefix": "or"}], "price": [{"numeric": [">", 10]}]}
    one = world.subscribe(arn, "sqs", queue_arn, RawMessageDelivery="true", FilterPolicy=json.dumps(wanted))
    scope = {"FilterPolicyScope": "MessageBody", "FilterPolicy": json.dumps({"order": {"city": ["Kiel"]}})}
    world.subscribe(arn, "sqs", body_arn, RawMessageDelivery="true", **scope)
    text = lambda value: {"DataType": "String", "StringValue": value}
    number = lambda value: {"DataType": "Number", "StringValue": value}
    publish = lambda message, **attributes: sns.publish(TopicArn=arn, Message=message, MessageAttributes=attributes)
    publish("cheap", kind=text("order"), price=number("10"))
    publish("none")
    publish("dear", kind={"DataType": "String.Array", "StringValue": '["x", "order"]'}, price=number("10.5"))
    publish(json.dumps({"order": {"city": "Bonn"}}))
    publish(json.dumps({"order": {"city": "Kiel"}}))
    checks.equal("by attributes", [it["Body"] for it in world.received(url)], ["dear"])
    checks.equal("by the body", [json.loads(it["Body"]) for it in world.received(body_url)], [{"order": {"city": "Kiel"}}])
    put = lambda name, value: sns.set_subscription_attributes(SubscriptionArn=one, AttributeName=name, AttributeValue=value)
    checks.refused("no filter", lambda: put("FilterPolicy", "{"), *INVALID, "FilterPolicy: failed to parse JSON")
    checks.refused("nested", lambda: put("FilterPolicy", '{"a": {"b": ["c"]}}'), *INVALID, "Invalid parameter: FilterPolicy: ")
    many = json.dumps({str(n): ["x"] for n in range(6)})
    checks.refused("too many keys", lambda: put("FilterPolicy", many), *INVALID, "more than 5 keys")
    attributes = lambda: sns.get_subscription_attributes(SubscriptionArn=one)["Attributes"]
    checks.includes("shown", attributes(), {"FilterPolicy": json.dumps(wanted), "FilterPolicyScope": "MessageAttributes"})
    put("FilterPolicy", "{}")
    checks.equal("taken away", "FilterPolicy" in attributes(), False)
    publish("all")
    checks.equal("then all come", [it["Body"] for it in world.received(url)], ["all"])


def fifo(world):
    sns = world.sns
    checks.refused("a name", lambda: world.topic("x", FifoTopic="true"), *INVALID, "must end with .fifo")
    arn = world.topic("lines.fifo", FifoTopic="true")
    attributes = sns.get_topic_attributes(TopicArn=arn)["Attributes"]
    checks.includes("a FIFO topic", attributes, {"FifoTopic": "true", "ContentBasedDeduplication": "false"})
    url, queue_arn = world.queue("lines.fifo", FifoQueue="true")
    plain_url, plain_arn = world.queue("lines")
    world.subscribe(arn, "sqs", queue_arn)
    world.subscribe(arn, "sqs", plain_arn, RawMessageDelivery="true")
    function = lambda: world.subscribe(arn, "lambda", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:x")
    checks.refused("a function", function, *INVALID, "SQS queue")
    publish = lambda message, **more: sns.publish(TopicArn=arn, Message=message, **more)
    checks.refused("no group", lambda: publish("x"), *INVALID, "MessageGroupId parameter is required for FIFO topics")
    checks.refused("no id", lambda: publish("x", MessageGroupId="g"), *INVALID, "ContentBasedDeduplication enabled")
    numbers = []
    for n in range(20):
        answer = publish(str(n), MessageGroupId=f"g{n % 2}", MessageDeduplicationId=f"d{n}")
        numbers.append(answer["SequenceNumber"])
        publish("again", MessageGroupId=f"g{n % 2}", MessageDeduplicationId=f"d{n}")
    checks.holds("numbers grow", numbers == sorted(set(numbers)) and len(numbers[0]) == 20, numbers, "20 of 20 digits")
    envelopes = [json.loads(it["Body"]) for it in world.received(url, 20)]
    texts = [int(it["Message"]) for it in envelopes]
    checks.equal("in order in each group, and once", [[n for n in texts if n % 2 == g] for g in (0, 1)],
                 [list(range(0, 20, 2)), list(range(1, 20, 2))])
    checks.equal("with their numbers", sorted(it["SequenceNumber"] for it in envelopes), numbers)
    checks.equal("also in a plain queue", len(world.received(plain_url, 20)), 20)
    checks.equal("and nothing more", world.received(url, 1, 1), [])
    sns.set_topic_attributes(TopicArn=arn, AttributeName="ContentBasedDeduplication", AttributeValue="true")
    publish("same", MessageGroupId="g")
    publish("same", MessageGroupId="g")
    publish("other", MessageGroupId="g")
    checks.equal("told apart by content", [json.loads(it["Body"])["Message"] for it in world.received(url, 2)], ["same", "other"])
    entries = [{"Id": str(n), "Message": f"b{n}", "MessageGroupId": "g"} for n in range(10)]
    sns.publish_batch(TopicArn=arn, PublishBatchRequestEntries=entries)
    batch = [json.loads(it["Body"])["Message"] for it in world.received(url, 10)]
    checks.equal("a batch keeps its order", batch, [f"b{n}" for n in range(10)])


def endpoints(world):
    sns = world.sns
    arn = world.topic("web")
    endpoint = Endpoint()
    url = f"http://user:secret@{endpoint.url.removeprefix('http://')}/hook?a=1"
    answer = sns.subscribe(TopicArn=arn, Protocol="http", Endpoint=url)
    checks.equal("nothing is subscribed yet", answer["SubscriptionArn"], "pending confirmation")
    path, headers, body = endpoint.next()
    asked = json.loads(body)
    checks.equal("where it is asked", path, "/hook?a=1")
    wanted = {
        "x-amz-sns-message-type": "SubscriptionConfirmation",
        "x-amz-sns-topic-arn": arn,
        "x-amz-sns-message-id": asked["MessageId"],
        "content-type": "text/plain; charset=UTF-8",
        "user-agent": "Amazon Simple Notification Service Agent",
        "authorization": "Basic dXNlcjpzZWNyZXQ=",
    }
    checks.includes("how it is asked", {name.lower(): value for name, value in headers.items()}, wanted)
    checks.includes("what it is asked", asked, {"Type": "SubscriptionConfirmation", "TopicArn": arn})
    listed = sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"][0]
    shown = (listed["SubscriptionArn"], listed["Endpoint"].split("@")[0])
    checks.equal("listed as pending, without its password", shown, ("PendingConfirmation", "http://user:****"))
    wrong = lambda: sns.confirm_subscription(TopicArn=arn, Token="0" * 96)
    checks.refused("a wrong token", wrong, *INVALID, "Invalid parameter: Token")
    status, text = fetch(asked["SubscribeURL"])
    checks.holds("confirmed by the link", status == 200 and "<SubscriptionArn>arn:" in text, (status, text), "an ARN")
    subscription = sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"][0]["SubscriptionArn"]
    attributes = sns.get_subscription_attributes(SubscriptionArn=subscription)["Attributes"]
    checks.includes("attributes", attributes, {"PendingConfirmation": "false", "ConfirmationWasAuthenticated": "false"})
    policy = {"healthyRetryPolicy": {"minDelayTarget": 1, "maxDelayTarget": 1, "numRetries": 2}}
    put = lambda name, value: sns.set_subscription_attributes(SubscriptionArn=subscription, AttributeName=name, AttributeValue=value)
    put("DeliveryPolicy", json.dumps(policy))
    lost_url, lost = world.queue("web-lost")
    put("RedrivePolicy", json.dumps({"deadLetterTargetArn": lost}))
    endpoint.statuses.put(500)
    sent = sns.publish(TopicArn=arn, Message="hello", Subject="s")
    endpoint.next()
    _, headers, body = endpoint.next()
    headers = {name.lower(): value for name, value in headers.items()}
    wanted = {"x-amz-sns-message-type": "Notification", "x-amz-sns-subscription-arn": subscription, "x-amz-sns-message-id": sent["MessageId"]}
    checks.includes("a message, at the second attempt", headers, wanted)
    message = json.loads(body)
    checks.includes("what it says", message, {"Type": "Notification", "Message": "hello", "Subject": "s", "TopicArn": arn})
    put("RawMessageDelivery", "true")
    sns.publish(TopicArn=arn, Message="bare")
    _, headers, body = endpoint.next()
    checks.equal("raw", (body, headers.get("x-amz-sns-rawdelivery")), ("bare", "true"))
    for status in (500, 503, 429):
        endpoint.statuses.put(status)
    sns.publish(TopicArn=arn, Message="often")
    letter = world.received(lost_url)[0]
    checks.equal("given up after its attempts", (letter["Body"], endpoint.requests.qsize()), ("often", 3))
    endpoint.statuses.put(404)
    sns.publish(TopicArn=arn, Message="refused")
    letter = world.received(lost_url)[0]
    checks.equal("refused for good", (letter["Body"], endpoint.requests.qsize()), ("refused", 4))
    for _ in range(4):
        endpoint.next()
    status, _ = fetch(message["UnsubscribeURL"])
    _, _, body = endpoint.next()
    asked = json.loads(body)
    checks.equal("ended by its link", (status, asked["Type"]), (200, "UnsubscribeConfirmation"))
    sns.publish(TopicArn=arn, Message="unheard")
    sns.confirm_subscription(TopicArn=arn, Token=asked["Token"], AuthenticateOnUnsubscribe="true")
    sns.publish(TopicArn=arn, Message="heard")
    checks.equal("restored by its token", endpoint.next()[2], "heard")
    status, text = fetch(message["UnsubscribeURL"])
    checks.holds("and now guarded", status == 403 and "AuthorizationError" in text, (status, text), "403")
    sns.unsubscribe(SubscriptionArn=subscription)
    checks.equal("ended by who may", sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"], [])
    refused = lambda url: lambda: sns.subscribe(TopicArn=arn, Protocol="http", Endpoint=url)
    checks.refused("where machines keep credentials", refused("http://169.254.169.254/latest"), *INVALID, "Endpoint Reason")
    checks.refused("another protocol", refused("https://example.com"), *INVALID, "Endpoint must match")
    checks.refused("mail", lambda: sns.subscribe(TopicArn=arn, Protocol="email", Endpoint="a@b"), *INVALID, "not served")


def dead_letters(world):
    sns = world.sns
    arn = world.topic("dead")
    lost_url, lost = world.queue("dead-lost")
    redrive = json.dumps({"deadLetterTargetArn": lost})
    world.subscribe(arn, "sqs", f"arn:aws:sqs:{REGION}:{ACCOUNT}:not-there", RawMessageDelivery="true", RedrivePolicy=redrive)
    sns.publish(TopicArn=arn, Message="lost")
    letter = world.received(lost_url)[0]
    code = letter["MessageAttributes"]["ERROR_CODE"]["StringValue"]
    checks.equal("a queue that is not there", (letter["Body"], code), ("lost", "RESOURCE_NOT_FOUND"))
    closed = world.sqs.create_queue(QueueName="closed")["QueueUrl"]
    world.subscribe(arn, "sqs", f"arn:aws:sqs:{REGION}:{ACCOUNT}:closed", RawMessageDelivery="true", RedrivePolicy=redrive)
    sns.publish(TopicArn=arn, Message="no")
    codes = sorted(it["MessageAttributes"]["ERROR_CODE"]["StringValue"] for it in world.received(lost_url, 2))
    checks.equal("a queue that lets nobody in", codes, ["NO_PERMISSIONS", "RESOURCE_NOT_FOUND"])
    checks.equal("got nothing", world.received(closed, 1, 1), [])
    other = world.topic("dead-function")
    name = world.functions.make("closed", CODE, "app.take", PYTHON)
    function = world.server.client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    world.subscribe(other, "lambda", function, RedrivePolicy=redrive)
    permit = lambda source: world.server.client.add_permission(
        FunctionName=name, StatementId=f"sns-{source[-4:]}", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com",
        SourceArn=source,
    )
    permit(arn)
    sns.publish(TopicArn=other, Message="no")
    codes = [it["MessageAttributes"]["ERROR_CODE"]["StringValue"] for it in world.received(lost_url)]
    checks.equal("a function that lets in another topic", (codes, world.ran(name)), (["NO_PERMISSIONS"], []))
    permit(other)
    sns.publish(TopicArn=other, Message="yes")
    ran = wait_until(lambda: world.ran(name), 40) or [{"Records": [{"Sns": {}}]}]
    checks.equal("and then this one", ran[0]["Records"][0]["Sns"].get("Message"), "yes")


def publishers(world):
    arn = world.topic("news")
    url, queue_arn = world.queue("news")
    world.subscribe(arn, "sqs", queue_arn, RawMessageDelivery="true")
    services = ["events.amazonaws.com"]
    may = {"Effect": "Allow", "Principal": {"Service": services}, "Action": "sns:Publish", "Resource": arn}
    world.sns.set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=json.dumps({"Statement": may}))
    events, scheduler = world.server.service("events"), world.server.service("scheduler")
    events.put_rule(Name="news", EventPattern=json.dumps({"source": ["press"]}))
    events.put_targets(Rule="news", Targets=[{"Id": "1", "Arn": arn, "InputPath": "$.detail"}])
    events.put_events(Entries=[{"Source": "press", "DetailType": "x", "Detail": json.dumps({"a": 1})}])
    checks.equal("a rule", [json.loads(it["Body"]) for it in world.received(url)], [{"a": 1}])
    trust = {"Effect": "Allow", "Principal": {"Service": ["scheduler.amazonaws.com", "lambda.amazonaws.com"]}, "Action": "sts:AssumeRole"}
    role = world.iam.create_role(RoleName="press", AssumeRolePolicyDocument=json.dumps({"Statement": trust}))["Role"]["Arn"]
    may = {"Effect": "Allow", "Action": "sns:Publish", "Resource": arn}
    world.iam.put_role_policy(RoleName="press", PolicyName="publish", PolicyDocument=json.dumps({"Statement": may}))
    at = time.strftime("at(%Y-%m-%dT%H:%M:%S)", time.gmtime(time.time() + 2))
    target = {"Arn": arn, "RoleArn": role, "Input": "due"}
    scheduler.create_schedule(Name="news", ScheduleExpression=at, FlexibleTimeWindow={"Mode": "OFF"}, Target=target)
    checks.equal("a schedule", [it["Body"] for it in world.received(url)], ["due"])
    name = world.functions.make("failing", CODE, "app.fail", PYTHON)
    client = world.server.client
    client.update_function_configuration(FunctionName=name, Role=role)
    world.functions.await_active(name)
    destination = {"OnFailure": {"Destination": arn}}
    client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0, DestinationConfig=destination)
    client.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"n": 1}')
    told = json.loads(world.received(url, 1, 40)[0]["Body"])
    checks.equal("a failure's destination", (told["requestPayload"], told["responsePayload"]["errorMessage"]), ({"n": 1}, "always"))
    client.delete_function_event_invoke_config(FunctionName=name)
    client.put_function_event_invoke_config(FunctionName=name, MaximumRetryAttempts=0)
    client.update_function_configuration(FunctionName=name, DeadLetterConfig={"TargetArn": arn})
    world.functions.await_active(name)
    client.invoke(FunctionName=name, InvocationType="Event", Payload=b'{"n": 2}')
    letter = world.received(url, 1, 40)[0]
    checks.equal("a dead letter", (json.loads(letter["Body"]), "ErrorMessage" in letter["MessageAttributes"]), ({"n": 2}, True))


def command_line(world):
    def aws(*arguments):
        variables = os.environ | {"AWS_ENDPOINT_URL": world.server.endpoint, "AWS_DEFAULT_REGION": REGION}
        command = [AWS, "--region", REGION, "sns", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=variables)
        return json.loads(done.stdout) if done.returncode == 0 and done.stdout.strip() else done.stderr.strip()

    arn = aws("create-topic", "--name", "shell", "--tags", "Key=a,Value=b").get("TopicArn")
    checks.equal("a topic", arn, f"arn:aws:sns:{REGION}:{ACCOUNT}:shell")
    url, queue_arn = world.queue("shell")
    made = aws("subscribe", "--topic-arn", arn, "--protocol", "sqs", "--notification-endpoint", queue_arn,
               "--attributes", "RawMessageDelivery=true")
    checks.matches("subscribed", made["SubscriptionArn"], f"{arn}:{UUID}")
    checks.matches("published", aws("publish", "--topic-arn", arn, "--message", "typed")["MessageId"], UUID)
    checks.equal("arrives", world.received(url)[0]["Body"], "typed")
    entries = 'Id=1,Message=a Id=2,Message=b'.split()
    checks.equal("a batch", len(aws("publish-batch", "--topic-arn", arn, "--publish-batch-request-entries", *entries)["Successful"]), 2)
    checks.equal("tags", aws("list-tags-for-resource", "--resource-arn", arn)["Tags"], [{"Key": "a", "Value": "b"}])
    refused = aws("get-topic-attributes", "--topic-arn", arn + "x")
    checks.holds("refused", "NotFound" in refused, refused, "NotFound")
    checks.equal("removed", aws("delete-topic", "--topic-arn", arn), "")


def restart(world):
    arn = world.topic("lasting")
    url, queue_arn = world.queue("lasting")
    world.subscribe(arn, "sqs", queue_arn, RawMessageDelivery="true")
    ordered = world.topic("lasting.fifo", FifoTopic="true")
    ordered_url, ordered_arn = world.queue("lasting.fifo", FifoQueue="true")
    world.subscribe(ordered, "sqs", ordered_arn, RawMessageDelivery="true")
    group = {"TopicArn": ordered, "MessageGroupId": "g"}
    for n in range(20):
        world.sns.publish(TopicArn=arn, Message=str(n))
        number = world.sns.publish(Message=str(n), MessageDeduplicationId=str(n), **group)["SequenceNumber"]
    world.server.kill()
    world.server.start()
    world = World(world.server)
    again = world.sns.publish(Message="19", MessageDeduplicationId="19", **group)
    world.sns.publish(Message="20", MessageDeduplicationId="20", **group)
    checks.holds("numbers grow on", again["SequenceNumber"] > number, again["SequenceNumber"], f"more than {number}")
    bodies = [it["Body"] for it in world.received(ordered_url, 21)]
    checks.equal("in order and once, whatever happened", bodies, [str(n) for n in range(21)])
    world.sns.publish(TopicArn=arn, Message="20")
    bodies = {it["Body"] for it in world.received(url, 21)}
    checks.equal("what was answered before a kill arrives", bodies, {str(n) for n in range(21)})


with tempfile.TemporaryDirectory() as folder, OwnServer(folder) as server:
    world = World(server)
    for part in (topics, permissions, functions_and_queues, batches, filters, fifo, endpoints, dead_letters, publishers,
                 command_line, restart):
        with checks.part(part.__name__):
            part(world)
checks.finish()
