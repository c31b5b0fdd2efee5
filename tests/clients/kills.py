"""Kills the server at random instants under load and starts it again, over and over: what was acknowledged is handled at
least once, groups keep their order, duplicates stay out, the counts add up, nothing is stuck and nothing stays behind.

The load: producers and consumers of a standard queue and of a FIFO queue, a queue that is mapped to a function,
asynchronous invocations, some of which fail at first, with a queue as their destination, schedules for one time that
send to a queue, a topic with a queue and a function as its subscribers, and a FIFO topic with a FIFO queue. What functions did stands in files of theirs, outside of the server. KILLS says how often (a hundred, to
be sure), SEED which instants; both are printed.
"""

import collections
import datetime
import json
import os
import pathlib
import random
import secrets
import tempfile
import threading
import time

import botocore.config
from botocore.exceptions import BotoCoreError, ClientError

from lambda_checks import Checks, Functions, package, runtime_of, wait_until
from own_servers import OwnServer
from system_traces import Traces

KILLS = int(os.environ.get("KILLS") or 12)
SEED = int(os.environ.get("SEED") or secrets.randbelow(1_000_000))
#: How long a server lives, at most; every fifth does not live to be ready.
LIFE_SECONDS_MAX = 1.5
#: How long a consumer that died with its messages keeps them from the others.
HOLD_SECONDS = 4
DRAIN_SECONDS_MAX = 120
GROUPS = 8

HANDLER = """
import os

def note(folder, name):
    with open(f"/mnt/seen/{folder}/{name}", "a") as seen:
        seen.write(".")

def take(event, context):
    for record in event["Records"]:
        note("mapped", record["body"])

def hear(event, context):
    for record in event["Records"]:
        note("heard", record["Sns"]["Message"])

def run(event, context):
    tried = f"/mnt/seen/tried/{event['name']}"
    if event["fails"] and not os.path.exists(tried):
        note("tried", event["name"])
        raise ValueError("the first time")
    note("events", event["name"])
    return event["name"]
"""
REGION, ACCOUNT = "us-east-1", "000000000000"
#: Nobody's on most machines.
OWNER = 12_345
SHARED = f"arn:aws:elasticfilesystem:{REGION}:{ACCOUNT}:access-point/fsap-0123456789abcdef0"
ONE_ATTEMPT = botocore.config.Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=30, max_pool_connections=32)

checks = Checks()
dice = random.Random(SEED)
PYTHON = runtime_of("python")


class Sent:
    """What producers of one kind have sent: acknowledged for certain, or with an answer that died with the server."""

    def __init__(self):
        self.acknowledged, self.unknown = set(), set()

    def check(self, kind, handled):
        checks.holds(f"{kind}: enough was acknowledged", len(self.acknowledged) > KILLS, len(self.acknowledged), f"> {KILLS}")
        checks.equal(f"{kind}: all that was acknowledged was handled", sorted(self.acknowledged - handled)[:9], [])
        checks.equal(f"{kind}: and nothing that was never sent", sorted(handled - self.acknowledged - self.unknown)[:9], [])
        late = f"{len(self.unknown)} without an answer, of which {len(self.unknown & handled)} came"
        print(f"{kind}: {len(self.acknowledged)} acknowledged, {late}, {len(handled)} handled")


class Load:
    """All producers and consumers, each a thread."""

    def __init__(self, server, seen):
        self.seen = seen
        self.sqs, self.scheduler, self.sns = (server.service(name, config=ONE_ATTEMPT) for name in ("sqs", "scheduler", "sns"))
        self.client = server.client
        self.produces, self.consumes = True, True
        self.threads = []
        self.problems = collections.Counter()
        self.lock = threading.Lock()
        self.standard, self.mapped, self.events, self.schedules, self.published = Sent(), Sent(), Sent(), Sent(), Sent()
        self.requests = {}
        #: Of each body of the standard queue and of the destination: when its deletion was acknowledged.
        self.deleted = {}
        self.received, self.told, self.timed, self.fanned = (collections.Counter() for _ in range(4))
        self.returned = []
        # Of each FIFO message: the ids it was acknowledged with, those it came with, and whether its deletion was asked for.
        self.fifo_ids, self.fifo_came = collections.defaultdict(set), collections.defaultdict(set)
        self.fifo_next = collections.Counter()
        self.fifo_done, self.fifo_first = collections.defaultdict(set), collections.defaultdict(list)
        self.fifo_wrong, self.repeats = [], 0
        # Of each group of the FIFO topic: how many messages were acknowledged, and which came, in their order.
        self.topic_next, self.topic_came = collections.Counter(), collections.defaultdict(list)
        self.make(server)

    def make(self, server):
        iam = server.service("iam")
        services = ["lambda.amazonaws.com", "scheduler.amazonaws.com"]
        trust = {"Effect": "Allow", "Principal": {"Service": services}, "Action": "sts:AssumeRole"}
        role = iam.create_role(RoleName="worker", AssumeRolePolicyDocument=json.dumps({"Statement": trust}))["Role"]["Arn"]
        self.role = role
        may = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}
        iam.put_role_policy(RoleName="worker", PolicyName="work", PolicyDocument=json.dumps({"Statement": may}))
        urls = {}
        for name in ("standard", "mapped", "told", "timed", "fanned", "ordered.fifo", "fanned.fifo"):
            fifo = {"FifoQueue": "true"} if name.endswith(".fifo") else {}
            attributes = {"VisibilityTimeout": str(HOLD_SECONDS), **fifo}
            if name.startswith("fanned"):
                let = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": "*"}
                attributes["Policy"] = json.dumps({"Version": "2012-10-17", "Statement": let})
            urls[name] = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self.urls = urls
        functions, code = Functions(server.client), package({"app.py": HANDLER})
        mounted = [{"Arn": SHARED, "LocalMountPath": "/mnt/seen"}]
        made = {}
        for label in ("take", "run", "hear"):
            made[label] = functions.make(label, code, f"app.{label}", PYTHON, FileSystemConfigs=mounted, Timeout=HOLD_SECONDS)
            server.client.update_function_configuration(FunctionName=made[label], Role=role)
            functions.await_active(made[label])
        self.function = made["run"]
        arn = self.arn = f"arn:aws:sqs:{REGION}:{ACCOUNT}:"
        server.client.create_event_source_mapping(FunctionName=made["take"], EventSourceArn=f"{arn}mapped")
        server.client.put_function_event_invoke_config(
            FunctionName=self.function, DestinationConfig={"OnSuccess": {"Destination": f"{arn}told"}}
        )

        self.make_topics(server.client, made["hear"])

    def make_topics(self, client, function):
        client.add_permission(FunctionName=function, StatementId="topic", Action="lambda:InvokeFunction", Principal="sns.amazonaws.com")
        hear = client.get_function_configuration(FunctionName=function)["FunctionArn"]
        self.topic = self.sns.create_topic(Name="news")["TopicArn"]
        self.fifo_topic = self.sns.create_topic(Name="news.fifo", Attributes={"FifoTopic": "true"})["TopicArn"]
        raw = {"RawMessageDelivery": "true"}
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=f"{self.arn}fanned", Attributes=raw)
        self.sns.subscribe(TopicArn=self.topic, Protocol="lambda", Endpoint=hear)
        self.sns.subscribe(TopicArn=self.fifo_topic, Protocol="sqs", Endpoint=f"{self.arn}fanned.fifo", Attributes=raw)

    def start(self):
        batches = [(self.send_batch, self.standard, "standard"), (self.send_batch, self.mapped, "mapped")]
        producers = [*batches, *batches, (self.invoke,), (self.invoke,), (self.schedule,)]
        producers += [(self.send_in_order, 0), (self.send_in_order, 1), (self.publish,), (self.publish,)]
        producers += [(self.publish_in_order, 0), (self.publish_in_order, 1)]
        consumers = [(self.consume, "standard", self.received)] * 2 + [(self.consume_in_order,)] * 2
        consumers += [(self.consume, "told", self.told), (self.consume, "timed", self.timed)]
        consumers += [(self.consume, "fanned", self.fanned), (self.consume_topic_in_order,)]
        for number, (work, *given) in enumerate(producers):
            self.spawn(lambda: self.produces, work, f"p{number}", random.Random(dice.random()), *given)
        for work, *given in consumers:
            self.spawn(lambda: self.consumes, work, *given)

    def spawn(self, goes_on, work, *given):
        def repeat():
            steps = work(*given)
            while goes_on():
                try:
                    next(steps)
                except Exception as problem:  # any: it is counted, and would be missed as a dead thread
                    self.problems[f"{work.__name__}: {problem!r}"] += 1
                    return

        thread = threading.Thread(target=repeat, daemon=True)
        thread.start()
        self.threads.append(thread)

    def call(self, operation, **given):
        """The answer, or None if it died with the server."""
        try:
            return operation(**given)
        except BotoCoreError:
            time.sleep(0.02)
        except ClientError as error:
            # A server that is there answers well.
            self.problems[f"{operation.__name__}: {error}"] += 1
        return None

    def send_batch(self, producer, dice, sent, queue):
        for count in range(1_000_000):
            bodies = [f"{producer}-{count}-{place}" for place in range(dice.randint(1, 10))]
            entries = [{"Id": str(place), "MessageBody": body} for place, body in enumerate(bodies)]
            if len(bodies) == 1:
                answer = self.call(self.sqs.send_message, QueueUrl=self.urls[queue], MessageBody=bodies[0])
                done = {"0"} if answer else set()
            else:
                answer = self.call(self.sqs.send_message_batch, QueueUrl=self.urls[queue], Entries=entries)
                done = {entry["Id"] for entry in (answer or {}).get("Successful", [])}
            acknowledged = {bodies[int(place)] for place in done}
            sent.acknowledged |= acknowledged
            sent.unknown |= set(bodies) - acknowledged
            time.sleep(dice.uniform(0, 0.05))
            yield

    def invoke(self, producer, dice):
        for count in range(1_000_000):
            event = {"name": f"{producer}-{count}", "fails": dice.random() < 0.1}
            answer = self.call(self.client.invoke, FunctionName=self.function, InvocationType="Event", Payload=json.dumps(event))
            if answer:
                self.events.acknowledged.add(event["name"])
                self.requests[event["name"]] = answer["ResponseMetadata"]["RequestId"]
            else:
                self.events.unknown.add(event["name"])
            time.sleep(dice.uniform(0, 0.05))
            yield

    def schedule(self, producer, dice):
        for count in range(1_000_000):
            name = f"{producer}-{count}"
            due = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=dice.uniform(1, 3))
            answer = self.call(
                self.scheduler.create_schedule, Name=name, ScheduleExpression=f"at({due:%Y-%m-%dT%H:%M:%S})",
                FlexibleTimeWindow={"Mode": "OFF"}, ActionAfterCompletion="DELETE",
                Target={"Arn": f"{self.arn}timed", "RoleArn": self.role, "Input": name},
            )  # fmt: skip
            (self.schedules.acknowledged if answer else self.schedules.unknown).add(name)
            time.sleep(dice.uniform(0, 0.2))
            yield

    def send_in_order(self, producer, dice, share):
        """Sends each message again until it is acknowledged, as one does who does not know what became of it."""
        while True:
            group = dice.randrange(share, GROUPS, 2)
            numbers = range(self.fifo_next[group], self.fifo_next[group] + dice.randint(1, 3))
            self.fifo_next[group] = numbers.stop
            bodies = {str(number): f"{group}-{number}" for number in numbers}
            entries = [
                {"Id": number, "MessageBody": body, "MessageGroupId": str(group), "MessageDeduplicationId": body}
                for number, body in bodies.items()
            ]
            while entries:
                answer = self.call(self.sqs.send_message_batch, QueueUrl=self.urls["ordered.fifo"], Entries=entries)
                for entry in (answer or {}).get("Successful", []):
                    self.fifo_ids[bodies[entry["Id"]]].add(entry["MessageId"])
                if answer and dice.random() < 0.9:
                    break
                # Also what was acknowledged, now and then: a duplicate.
                self.repeats += 1
                yield
            time.sleep(dice.uniform(0, 0.05))
            yield

    def publish(self, producer, dice):
        for count in range(1_000_000):
            message = f"{producer}-{count}"
            answer = self.call(self.sns.publish, TopicArn=self.topic, Message=message)
            (self.published.acknowledged if answer else self.published.unknown).add(message)
            time.sleep(dice.uniform(0, 0.05))
            yield

    def publish_in_order(self, producer, dice, share):
        """Publishes each message again until it is acknowledged, and only then the next one of its group."""
        while True:
            group = dice.randrange(share, GROUPS, 2)
            message = f"{group}-{self.topic_next[group]}"
            given = {"TopicArn": self.fifo_topic, "Message": message, "MessageGroupId": str(group), "MessageDeduplicationId": message}
            while not self.call(self.sns.publish, **given):
                # To the end, also when the last server is the one that answers.
                self.repeats += 1
            self.topic_next[group] += 1
            time.sleep(dice.uniform(0, 0.05))
            yield

    def consume(self, queue, handled):
        while True:
            begun = time.monotonic()
            answer = self.call(self.sqs.receive_message, QueueUrl=self.urls[queue], MaxNumberOfMessages=10, WaitTimeSeconds=1)
            messages = (answer or {}).get("Messages", [])
            with self.lock:
                for message in messages:
                    handled[message["Body"]] += 1
                    if self.deleted.get(message["MessageId"], begun) < begun:
                        self.returned.append(message["Body"])
            for message in self.delete(queue, messages, begun):
                self.deleted[message["MessageId"]] = time.monotonic()
            yield

    def delete(self, queue, messages, begun):
        """Those messages whose deletion was acknowledged while they were held."""
        if not messages:
            return []
        entries = [{"Id": str(place), "ReceiptHandle": message["ReceiptHandle"]} for place, message in enumerate(messages)]
        answer = self.call(self.sqs.delete_message_batch, QueueUrl=self.urls[queue], Entries=entries)
        if not answer or time.monotonic() - begun > HOLD_SECONDS:
            return []
        return [messages[int(entry["Id"])] for entry in answer.get("Successful", [])]

    def consume_in_order(self):
        while True:
            begun = time.monotonic()
            answer = self.call(
                self.sqs.receive_message, QueueUrl=self.urls["ordered.fifo"], MaxNumberOfMessages=10, WaitTimeSeconds=1,
                MessageSystemAttributeNames=["SequenceNumber"],
            )  # fmt: skip
            messages = (answer or {}).get("Messages", [])
            with self.lock:
                self.note_order(messages, begun)
            for message in self.delete("ordered.fifo", messages, begun):
                self.deleted[message["MessageId"]] = time.monotonic()
            yield

    def consume_topic_in_order(self):
        while True:
            begun = time.monotonic()
            answer = self.call(self.sqs.receive_message, QueueUrl=self.urls["fanned.fifo"], MaxNumberOfMessages=10, WaitTimeSeconds=1)
            messages = (answer or {}).get("Messages", [])
            for message in messages:
                group, number = map(int, message["Body"].split("-"))
                self.topic_came[group].append(number)
            self.delete("fanned.fifo", messages, begun)
            yield

    def note_order(self, messages, begun):
        for message in messages:
            group, number = map(int, message["Body"].split("-"))
            self.fifo_came[message["Body"]].add(message["MessageId"])
            if self.deleted.get(message["MessageId"], begun) < begun:
                self.returned.append(message["Body"])
            # Whoever receives a message asks for the deletion of all before it in its batch.
            before = set(range(number)) - self.fifo_done[group]
            if before:
                self.fifo_wrong.append(f"{message['Body']} before {sorted(before)[:3]}")
            if number not in self.fifo_done[group]:
                self.fifo_first[group].append(int(message["Attributes"]["SequenceNumber"]))
            self.fifo_done[group].add(number)

    def handled_by_functions(self, folder):
        return {file.name for file in os.scandir(self.seen / folder)}

    def waiting(self):
        """How many messages each queue still has, out or not."""
        kinds = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"]
        left = {}
        for name, url in self.urls.items():
            counts = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=kinds)["Attributes"]
            left |= {f"{name} {kind.removeprefix('Approximate')}": int(count) for kind, count in counts.items() if count != "0"}
        return left

    def scheduled(self):
        pages = self.scheduler.get_paginator("list_schedules").paginate()
        return [schedule["Name"] for page in pages for schedule in page["Schedules"]]

    def is_done(self):
        if self.waiting() or self.scheduled():
            return False
        ran = self.handled_by_functions("events")
        heard = self.handled_by_functions("heard")
        in_order = sum(len(set(numbers)) for numbers in self.topic_came.values())
        is_published = self.published.acknowledged <= heard & self.fanned.keys() and in_order >= sum(self.topic_next.values())
        return self.events.acknowledged <= ran and len(self.told) >= len(ran) and is_published

    def check(self, server):
        self.schedules.check("schedules for one time", set(self.timed))
        checks.equal("each schedule went when it was done", self.scheduled()[:9], [])
        self.standard.check("standard queue", set(self.received))
        self.mapped.check("mapped queue", self.handled_by_functions("mapped"))
        ran = self.handled_by_functions("events")
        self.events.check("asynchronous invocations", ran)
        told = {json.loads(body)["responsePayload"] for body in self.told}
        checks.equal("each success was told to its destination", sorted(ran ^ told)[:9], [])
        tried = self.handled_by_functions("tried")
        checks.holds("some failed at first", tried and tried <= ran, len(tried), "some, and all of them ran later")
        fates = collections.Counter()
        for request in self.requests.values():
            answer = server.signer().request("GET", f"/_dormouse/events/{request}")
            fates[json.loads(answer.body)["status"] if answer.status == 200 else answer.status] += 1
        checks.equal("each event has ended well", dict(fates), {"Success": len(self.requests)})
        self.published.check("topic to queue", set(self.fanned))
        self.published.check("topic to function", self.handled_by_functions("heard"))
        self.check_order()
        self.check_topic_order()
        checks.equal("nothing came back whose deletion was acknowledged", self.returned[:9], [])
        checks.equal("a server that is there answers well", dict(self.problems.most_common(5)), {})

    def check_order(self):
        sent = {f"{group}-{number}" for group, stop in self.fifo_next.items() for number in range(stop)}
        acknowledged, came = self.fifo_ids.keys(), self.fifo_came.keys()
        checks.holds("FIFO: enough was acknowledged", len(acknowledged) > KILLS, len(acknowledged), f"> {KILLS}")
        checks.equal("FIFO: all that was acknowledged was handled", sorted(acknowledged - came)[:9], [])
        checks.equal("FIFO: and nothing that was never sent", sorted(came - sent)[:9], [])
        checks.equal("FIFO: nothing came before what its group has before it", self.fifo_wrong[:9], [])
        sorted_well = all(numbers == sorted(set(numbers)) for numbers in self.fifo_first.values())
        checks.equal("FIFO: sequence numbers grow", sorted_well, True)
        double = {body: ids for body, ids in self.fifo_came.items() if len(ids) > 1 or not self.fifo_ids[body] <= ids}
        checks.equal("FIFO: what was sent again is one message", dict(list(double.items())[:3]), {})
        print(f"FIFO: {len(acknowledged)} acknowledged in {GROUPS} groups, {self.repeats} calls repeated, {len(self.fifo_came)} handled")


    def check_topic_order(self):
        acknowledged, came = sum(self.topic_next.values()), 0
        for group, count in sorted(self.topic_next.items()):
            # What a consumer that died with its server had taken comes again; first times are in order.
            first = list(dict.fromkeys(self.topic_came[group]))
            came += len(first)
            checks.equal(f"FIFO topic: group {group} comes whole and in order", first, list(range(count)))
        checks.holds("FIFO topic: enough was acknowledged", acknowledged > KILLS, acknowledged, f"> {KILLS}")
        print(f"FIFO topic to FIFO queue: {acknowledged} acknowledged in {GROUPS} groups, {came} came")


def kill_often(server):
    """The traces of all servers that were killed."""
    traces = []
    for number in range(KILLS):
        if number % 5 == 4:
            server.spawn()
            time.sleep(dice.uniform(0, 0.6))
        else:
            server.start()
            # A random instant is what is tested here.
            time.sleep(dice.uniform(0.05, LIFE_SECONDS_MAX))
        traces.append(Traces(server.process.pid, server.data_dir))
        server.kill()
        traces[-1].ended()
    return traces


def main(folder):
    seen = pathlib.Path(folder, "seen")
    for part in (seen, *(seen / name for name in ("mapped", "events", "tried", "heard"))):
        part.mkdir()
        os.chown(part, OWNER, OWNER)
    begun = time.monotonic()
    with OwnServer(folder, "--async-retry-seconds", "1", "--file-systems", f"{SHARED}={seen}") as server:
        load = Load(server, seen)
        load.start()
        traces = [Traces(server.process.pid, server.data_dir)]
        server.kill()
        traces[0].ended()
        traces += kill_often(server)
        server.start()
        load.produces = False

        wait_until(load.is_done, DRAIN_SECONDS_MAX, 0.25)
        checks.equal("nothing is stuck", load.waiting(), {})
        load.consumes = False
        for thread in load.threads:
            thread.join(40)
        load.check(server)
        traces.append(Traces(server.process.pid, server.data_dir))
        checks.equal("the last one stops well", server.stop(), 0)
        traces[-1].ended()

    def left():
        return sorted({trace for killed in traces for trace in killed.remaining()})

    wait_until(lambda: not left(), 10, 0.5)
    checks.equal("nothing stays behind", left()[:9], [])
    print(f"{len(traces) - 1} kills, {time.monotonic() - begun:.0f} s, seed {SEED}")


with tempfile.TemporaryDirectory(prefix="dormouse-kills-") as folder, checks.part("kills"):
    main(folder)
checks.finish()
