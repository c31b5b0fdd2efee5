"""A chain with failures in the middle, through boto3 and version 2 of the AWS CLI:

    orders (queue) → first ─┬─ even ones, sent by the function ─────────────────────┬→ results (queue) → second
                            └─ odd ones → price, asynchronously → its destination ──┘

Each function acts with its role's own credentials. Some orders fail in `first` and come again alone, some fail in `price` and
are tried again, one is poison and ends in the dead-letter queue with its history; `aws logs tail --follow` shows it all while
it happens. In the end everything that was sent is accounted for.

Starts a server of its own, whose pauses are short.
"""

import contextlib
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

from aws_cli_v2 import Followed, aws_cli_v2
from lambda_checks import Checks, Functions, package, runtime_of, wait_until
from own_servers import OwnServer

#: Signs by Signature Version 4 itself: the runtime has no SDK.
HANDLER = """
import hashlib, hmac, json, os, time, urllib.parse, urllib.request

def call(service, path, body, **headers):
    endpoint, now = os.environ["AWS_ENDPOINT_URL"], time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    headers |= {"host": urllib.parse.urlparse(endpoint).netloc, "x-amz-date": now}
    headers |= {"x-amz-security-token": os.environ["AWS_SESSION_TOKEN"], "content-type": "application/x-amz-json-1.0"}
    names, body = sorted(headers), json.dumps(body).encode()
    signed = [f"{name}:{headers[name]}" for name in names]
    canonical = ["POST", path, "", *signed, "", ";".join(names), hashlib.sha256(body).hexdigest()]
    scope = f"{now[:8]}/{os.environ['AWS_REGION']}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\\n{now}\\n{scope}\\n" + hashlib.sha256("\\n".join(canonical).encode()).hexdigest()
    key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    credential = f"{os.environ['AWS_ACCESS_KEY_ID']}/{scope}"
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    names = ";".join(names)
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    urllib.request.urlopen(urllib.request.Request(endpoint + path, body, headers), timeout=2).read()

def pass_on(order):
    if order % 2:
        path = f"/2015-03-31/functions/{os.environ['PRICE']}/invocations"
        call("lambda", path, {"order": order}, x_amz_invocation_type="Event")
    else:
        body = {"QueueUrl": os.environ["RESULTS"], "MessageBody": json.dumps({"order": order})}
        call("sqs", "/", body, x_amz_target="AmazonSQS.SendMessage")

def first(event, context):
    failed = []
    for record in event["Records"]:
        times = int(record["attributes"]["ApproximateReceiveCount"])
        if record["body"] == "poison" or times == 1 and int(record["body"]) % 4 == 0:
            print(f"FIRST fails at {record['body']} the {times}. time")
            failed.append({"itemIdentifier": record["messageId"]})
        else:
            pass_on(int(record["body"]))
            print(f"FIRST passes {record['body']} on the {times}. time")
    return {"batchItemFailures": failed}

def price(event, context):
    tried = f"/tmp/{event['order']}"
    if event["order"] % 5 == 0 and not os.path.exists(tried):
        open(tried, "w").close()
        raise ValueError(f"PRICE fails at {event['order']}")
    return event

def second(event, context):
    for record in event["Records"]:
        told = json.loads(record["body"])
        # As the function sent it, or as a destination is told.
        way, order = ("told", told["responsePayload"]) if "responsePayload" in told else ("sent", told)
        print(f"SECOND takes {order['order']} {way}")
"""
CODE = package({"app.py": HANDLER})
REGION, ACCOUNT = "us-east-1", "000000000000"
ORDERS = range(1, 25)
#: How long a function may take, and after how long what it failed at comes again.
PAUSE_SECONDS = 2
RECEIVES_MAX = 3

checks = Checks()
PYTHON = runtime_of("python")
#: Version 2, which alone has `aws logs tail`, is published as a package for x86_64 alone.
TAILS = platform.machine() == "x86_64"
AWS = aws_cli_v2() if TAILS else pathlib.Path(sys.executable).with_name("aws")


class Chain:
    def __init__(self, server):
        self.client, self.sqs, self.logs = server.client, server.service("sqs"), server.service("logs")
        self.env = os.environ | {"AWS_ENDPOINT_URL": server.endpoint, "AWS_DEFAULT_REGION": REGION, "AWS_PAGER": ""}
        self.functions = Functions(server.client)
        self.urls = {"dead": self.sqs.create_queue(QueueName="dead")["QueueUrl"]}
        redrive = json.dumps({"deadLetterTargetArn": arn("dead"), "maxReceiveCount": RECEIVES_MAX})
        visibility = {"VisibilityTimeout": str(PAUSE_SECONDS)}
        for name, more in (("orders", {"RedrivePolicy": redrive}), ("results", {})):
            self.urls[name] = self.sqs.create_queue(QueueName=name, Attributes=visibility | more)["QueueUrl"]
        self.role = self.make_role(server.service("iam"))
        self.price = self.function("price", {})
        # One environment, which remembers what it has failed at.
        self.client.put_function_concurrency(FunctionName=self.price, ReservedConcurrentExecutions=1)
        self.client.put_function_event_invoke_config(
            FunctionName=self.price, DestinationConfig={"OnSuccess": {"Destination": arn("results")}}
        )
        self.first = self.function("first", {"PRICE": self.price, "RESULTS": self.urls["results"]})
        self.second = self.function("second", {})

    @staticmethod
    def make_role(iam):
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        role = iam.create_role(RoleName="chained", AssumeRolePolicyDocument=json.dumps({"Statement": trust}))["Role"]["Arn"]
        take = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"]
        may = [
            {"Effect": "Allow", "Action": take, "Resource": [arn("orders"), arn("results")]},
            {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": arn("results")},
            {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:price-*"},
        ]
        iam.put_role_policy(RoleName="chained", PolicyName="work", PolicyDocument=json.dumps({"Statement": may}))
        return role

    def function(self, label, variables):
        settings = {"Timeout": PAUSE_SECONDS, "Environment": {"Variables": variables}}
        name = self.functions.make(label, CODE, f"app.{label}", PYTHON, **settings)
        self.client.update_function_configuration(FunctionName=name, Role=self.role)
        self.functions.await_active(name)
        # There to be followed before the first line comes.
        with contextlib.suppress(self.logs.exceptions.ResourceAlreadyExistsException):
            self.logs.create_log_group(logGroupName=group(name))
        return name

    def map(self):
        for queue, name in (("orders", self.first), ("results", self.second)):
            self.client.create_event_source_mapping(
                FunctionName=name, EventSourceArn=arn(queue), BatchSize=5, FunctionResponseTypes=["ReportBatchItemFailures"]
            )

    def send(self):
        """The first half and the poison by the CLI, the others by boto3."""
        bodies = [str(order) for order in ORDERS]
        bodies.insert(5, "poison")
        for place in range(0, len(bodies), 10):
            entries = [{"Id": str(number), "MessageBody": body} for number, body in enumerate(bodies[place : place + 10])]
            if place == 0:
                given = ["--queue-url", self.urls["orders"], "--entries", json.dumps(entries)]
                command = [AWS, "sqs", "send-message-batch", *given]
                done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=self.env)
                answer = json.loads(done.stdout) if done.returncode == 0 else done.stderr
            else:
                answer = self.sqs.send_message_batch(QueueUrl=self.urls["orders"], Entries=entries)
            checks.equal("orders are sent", len(answer["Successful"]), len(entries))

    def follow(self, name):
        return Followed(AWS, "logs", "tail", group(name), "--follow", "--format", "short", env=self.env)

    def lines(self, name, word):
        """What a function has said, by its log."""
        pages = self.logs.get_paginator("filter_log_events").paginate(logGroupName=group(name), filterPattern=word)
        return [event["message"].strip() for page in pages for event in page["events"]]

    def taken(self):
        """Each order that has come to the end, and the way it came."""
        found = (re.fullmatch(r"SECOND takes (\d+) (\w+)", line) for line in self.lines(self.second, "SECOND"))
        return [(int(match[1]), match[2]) for match in found if match]

    def waiting(self):
        kinds = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
        counts = {}
        for name, url in self.urls.items():
            found = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=kinds)["Attributes"]
            counts[name] = sum(int(count) for count in found.values())
        return counts


def arn(queue):
    return f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}"


def group(name):
    return f"/aws/lambda/{name}"


def goes_through(chain):
    chain.map()
    chain.send()
    ended = {"orders": 0, "results": 0, "dead": 1}
    wait_until(lambda: len(set(chain.taken())) >= len(ORDERS) and chain.waiting() == ended, 30, 0.1)
    taken = chain.taken()
    expected = [(order, "told" if order % 2 else "sent") for order in ORDERS]
    checks.equal("each order comes out at the end, by its way", sorted(set(taken)), expected)
    checks.equal("nothing is left but the poison", chain.waiting(), ended)
    failed = set(chain.lines(chain.first, '"FIRST fails"'))
    again = {f"FIRST fails at {order} the 1. time" for order in ORDERS if order % 4 == 0}
    poison = {f"FIRST fails at poison the {time}. time" for time in range(1, RECEIVES_MAX + 1)}
    checks.equal("in the middle failed what had to", failed, again | poison)
    priced = {int(order) for order in re.findall(r"ValueError: PRICE fails at (\d+)", "\n".join(chain.lines(chain.price, "PRICE")))}
    checks.equal("and was tried again", priced, {order for order in ORDERS if order % 2 and order % 5 == 0})
    print(
        f"{len(ORDERS) + 1} sent: {len(set(taken))} at the end ({len(taken) - len(set(taken))} twice), 1 dead letter; "
        f"on the way {len(failed)} failures of the first function and {len(priced)} of an asynchronous one",
        flush=True,
    )


def dead_letter(chain):
    taken = chain.sqs.receive_message(QueueUrl=chain.urls["dead"], MessageSystemAttributeNames=["All"], WaitTimeSeconds=2)
    letter = taken["Messages"][0]
    checks.equal("the poison is the dead letter", letter["Body"], "poison")
    # This is one receive more.
    history = {"DeadLetterQueueSourceArn": arn("orders"), "ApproximateReceiveCount": str(RECEIVES_MAX + 1)}
    checks.includes("with its history", letter["Attributes"], history)


def watched(chain):
    if not TAILS:
        print("the AWS CLI's version 2 is published as a package for x86_64 alone: `aws logs tail` was not run", flush=True)
        return goes_through(chain)
    with chain.follow(chain.first) as first, chain.follow(chain.second) as second:
        goes_through(chain)
        for text in ("FIRST fails at 4 the 1. time", "FIRST passes 4 on the 2. time", f"FIRST fails at poison the {RECEIVES_MAX}. time"):
            checks.equal(f"aws logs tail --follow shows {text!r}", first.said(text), 1)
        checks.equal("and the end of the chain", second.said("SECOND takes 4 sent"), 1)
        running = [followed.process.poll() is None for followed in (first, second)]
        checks.equal("and goes on", running, [True, True])
    return None


with tempfile.TemporaryDirectory() as folder, OwnServer(folder, "--async-retry-seconds", "1") as server:
    chain = Chain(server)
    for part in (watched, dead_letter):
        with checks.part(part.__name__):
            part(chain)
checks.finish()
