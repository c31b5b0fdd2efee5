"""EventBridge through boto3 and the AWS CLI: buses and who may use them, rules with patterns and schedules, targets as they
were put, events that are taken and refused one by one, tags, archives and replays.
"""

import datetime
import json
import os
import pathlib
import subprocess
import sys

import boto3
import botocore.config
from lambda_checks import UUID, Checks, Functions, lambda_client, logged, package, runtime_of, wait_until

REGION = os.environ.get("AWS_REGION") or os.environ["AWS_DEFAULT_REGION"]
ACCOUNT = "000000000000"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders"
BUS = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/shop"
PATTERN = {
    "source": ["shop"],
    "detail": {
        "state": [{"anything-but": {"prefix": "draft"}}],
        "total": [{"numeric": [">", 10, "<=", 1000]}],
        "$or": [{"city": [{"wildcard": "*burg"}]}, {"address": [{"cidr": "10.0.0.0/8"}]}],
    },
}

# What the SDK itself would refuse is to reach the server.
client = boto3.client("events", config=botocore.config.Config(parameter_validation=False, retries={"total_max_attempts": 1}))
checks = Checks()
NOT_FOUND = ("ResourceNotFoundException", 400)
INVALID = ("ValidationException", 400)


def entry(detail, **more):
    return {"Source": "shop", "DetailType": "Order", "Detail": json.dumps(detail), "EventBusName": "shop"} | more


def plain(answer):
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


def aws(*arguments):
    """What the AWS CLI prints, read as JSON; or its complaint."""
    program = pathlib.Path(sys.executable).parent / "aws"
    done = subprocess.run([program, "events", *arguments], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        return done.stderr.strip()
    return json.loads(done.stdout) if done.stdout.strip() else {}


def buses():
    made = client.create_event_bus(Name="shop", Description="of the shop", Tags=[{"Key": "team", "Value": "shop"}])
    checks.includes("a bus is made", made, {"EventBusArn": BUS, "Description": "of the shop"})
    checks.refused("a second of the name", lambda: client.create_event_bus(Name="shop"), "ResourceAlreadyExistsException", 400,
                   "Event bus shop already exists.")
    checks.equal("all buses", [bus["Name"] for bus in client.list_event_buses()["EventBuses"]], ["default", "shop"])
    checks.refused("the default bus stays", lambda: client.delete_event_bus(Name="default"), *INVALID)
    client.put_permission(EventBusName="shop", Action="events:PutEvents", Principal="111122223333", StatementId="partner")
    policy = json.loads(client.describe_event_bus(Name=BUS)["Policy"])
    checks.equal("who may", policy["Statement"][0]["Principal"], {"AWS": "arn:aws:iam::111122223333:root"})
    client.remove_permission(EventBusName="shop", StatementId="partner")
    checks.holds("nobody else may", "Policy" not in client.describe_event_bus(Name="shop"), "a policy", "none")
    client.update_event_bus(Name="shop", Description="new")
    checks.equal("a new description", client.describe_event_bus(Name="shop")["Description"], "new")


def rules():
    arn = client.put_rule(Name="paid", EventBusName="shop", EventPattern=json.dumps(PATTERN), Description="d")["RuleArn"]
    checks.equal("a rule's ARN", arn, f"arn:aws:events:{REGION}:{ACCOUNT}:rule/shop/paid")
    described = client.describe_rule(Name="paid", EventBusName="shop")
    checks.includes("a rule", described, {"State": "ENABLED", "EventBusName": "shop", "CreatedBy": ACCOUNT, "Description": "d"})
    checks.equal("its pattern", json.loads(described["EventPattern"]), PATTERN)
    client.disable_rule(Name="paid", EventBusName="shop")
    checks.equal("it rests", client.describe_rule(Name="paid", EventBusName="shop")["State"], "DISABLED")
    client.enable_rule(Name="paid", EventBusName="shop")
    checks.refused("no rule", lambda: client.describe_rule(Name="none"), *NOT_FOUND, "Rule none does not exist on EventBus default.")
    checks.refused("no pattern", lambda: client.put_rule(Name="x", EventPattern='{"slug":"x"}'), "InvalidEventPatternException", 400,
                   'Event pattern is not valid. Reason: "slug" must be an object or an array')
    client.put_rule(Name="nightly", ScheduleExpression="cron(0 3 L * ? *)")
    checks.equal("a schedule", client.describe_rule(Name="nightly")["ScheduleExpression"], "cron(0 3 L * ? *)")
    checks.refused("no schedule", lambda: client.put_rule(Name="x", ScheduleExpression="rate(1 minutes)"), *INVALID,
                   "Parameter ScheduleExpression is not valid.")
    client.tag_resource(ResourceARN=arn, Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    client.untag_resource(ResourceARN=arn, TagKeys=["a"])
    checks.equal("tags", client.list_tags_for_resource(ResourceARN=arn)["Tags"], [{"Key": "b", "Value": "2"}])


def patterns():
    event = {"id": "1", "source": "shop", "detail-type": "Order", "account": ACCOUNT, "region": REGION, "resources": [],
             "time": "2026-01-01T00:00:00Z"}

    def picks(detail):
        answer = client.test_event_pattern(EventPattern=json.dumps(PATTERN), Event=json.dumps(event | {"detail": detail}))
        return answer["Result"]

    wanted = {"state": "paid", "total": 11, "city": "Hamburg"}
    checks.equal("picked by its city", picks(wanted), True)
    checks.equal("picked by its address", picks(wanted | {"city": "Rome", "address": "10.2.3.4"}), True)
    checks.equal("neither", picks(wanted | {"city": "Rome"}), False)
    checks.equal("a draft", picks(wanted | {"state": "draft-1"}), False)
    checks.equal("too little", picks(wanted | {"total": 10}), False)


def targets():
    put = [
        {"Id": "a", "Arn": f"{QUEUE}.fifo", "SqsParameters": {"MessageGroupId": "g"}, "InputPath": "$.detail"},
        {"Id": "b", "Arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f", "RetryPolicy": {"MaximumRetryAttempts": 1},
         "DeadLetterConfig": {"Arn": QUEUE},
         "InputTransformer": {"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": '{"n": <n>, "rule": <aws.events.rule-arn>}'}},
    ]
    checks.equal("none failed", client.put_targets(Rule="paid", EventBusName="shop", Targets=put)["FailedEntryCount"], 0)
    kept = client.list_targets_by_rule(Rule="paid", EventBusName="shop")["Targets"]
    checks.equal("targets as they were put", kept, put)
    found = client.list_rule_names_by_target(TargetArn=f"{QUEUE}.fifo", EventBusName="shop")["RuleNames"]
    checks.equal("the rules of a target", found, ["paid"])
    checks.refused("a rule with targets stays", lambda: client.delete_rule(Name="paid", EventBusName="shop"), *INVALID,
                   "Rule can't be deleted since it has targets.")
    six = [{"Id": str(number), "Arn": QUEUE} for number in range(6)]
    checks.refused("a sixth", lambda: client.put_targets(Rule="paid", EventBusName="shop", Targets=six), "LimitExceededException", 400)
    stream = [{"Id": "s", "Arn": f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/s"}]
    checks.refused("another service", lambda: client.put_targets(Rule="paid", EventBusName="shop", Targets=stream), *INVALID, "kinesis")
    client.remove_targets(Rule="paid", EventBusName="shop", Ids=["a", "b"])
    checks.equal("none is left", client.list_targets_by_rule(Rule="paid", EventBusName="shop")["Targets"], [])


def events():
    client.create_archive(ArchiveName="orders", EventSourceArn=BUS, EventPattern='{"detail":{"keep":[true]}}', RetentionDays=1)
    put = [entry({"keep": True}), entry({"keep": False}), entry({"keep": True}, Detail="{"), entry({}, Source="aws.s3"),
           entry({"keep": True, "large": "x" * 300_000})]
    answer = client.put_events(Entries=put)
    checks.equal("two failed", answer["FailedEntryCount"], 2)
    codes = [result.get("ErrorCode") for result in answer["Entries"]]
    checks.equal("each says why", codes, [None, None, "MalformedDetail", "NotAuthorizedForSourceException", None])
    checks.matches("an event's id", answer["Entries"][0]["EventId"], UUID)
    checks.refused("too much", lambda: client.put_events(Entries=[entry({"a": "x" * 1_100_000})]), *INVALID, "over the limit")
    checks.includes("two were kept", client.describe_archive(ArchiveName="orders"), {"EventCount": 2, "State": "ENABLED", "RetentionDays": 1})


def replays():
    now = datetime.datetime.now(datetime.timezone.utc)
    archive = client.describe_archive(ArchiveName="orders")["ArchiveArn"]
    hour = datetime.timedelta(hours=1)
    asked = {"ReplayName": "again", "EventSourceArn": archive, "EventStartTime": now - hour, "EventEndTime": now + hour,
             "Destination": {"Arn": BUS}}
    checks.equal("it begins", client.start_replay(**asked)["State"], "STARTING")
    checks.refused("once only", lambda: client.start_replay(**asked), "ResourceAlreadyExistsException", 400)

    def over():
        return client.describe_replay(ReplayName="again")["State"] == "COMPLETED"

    checks.holds("it ends", wait_until(over), "another state", "COMPLETED")
    checks.refused("too late to stop it", lambda: client.cancel_replay(ReplayName="again"), "IllegalStatusException", 400)
    checks.equal("all replays", [replay["ReplayName"] for replay in client.list_replays()["Replays"]], ["again"])
    client.delete_archive(ArchiveName="orders")
    checks.refused("the archive is gone", lambda: client.describe_archive(ArchiveName="orders"), *NOT_FOUND)


def delivered():
    """A function on one bus is woken through another: what arrives is the transformed event, once it may."""
    functions_client = lambda_client()
    code = package({"app.py": "def handler(event, context):\n    print('GOT', event)\n"})
    with Functions(functions_client) as functions:
        name = functions.make("woken", code, "app.handler", runtime_of("python"))
        arn = functions_client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
        forward = client.put_rule(Name="forward", EventPattern='{"source":["far"]}')["RuleArn"]
        client.put_targets(Rule="forward", Targets=[{"Id": "bus", "Arn": BUS}])
        wake = client.put_rule(Name="wake", EventBusName="shop", EventPattern='{"detail":{"n":[{"exists":true}]}}')["RuleArn"]
        template = {"InputPathsMap": {"n": "$.detail.n"}, "InputTemplate": '{"n": <n>, "by": "<aws.events.rule-name>"}'}
        client.put_targets(Rule="wake", EventBusName="shop", Targets=[{"Id": "f", "Arn": arn, "InputTransformer": template}])
        checks.holds("two rules", forward != wake, forward, "another ARN")
        functions_client.add_permission(FunctionName=name, StatementId="bus", Action="lambda:InvokeFunction",
                                        Principal="events.amazonaws.com", SourceArn=wake)
        for number in range(3):
            client.put_events(Entries=[entry({"n": number}, Source="far", EventBusName="default")])

        def arrived():
            lines = [line.strip() for line in logged(name) if line.startswith("GOT")]
            return lines if len(lines) >= 3 else None

        expected = [f"GOT {{'n': {number}, 'by': 'wake'}}" for number in range(3)]
        checks.equal("each event arrives as the template says", sorted(wait_until(arrived, 20) or []), expected)
        client.remove_targets(Rule="forward", Ids=["bus"])
        client.delete_rule(Name="forward")
        client.remove_targets(Rule="wake", EventBusName="shop", Ids=["f"])
        client.delete_rule(Name="wake", EventBusName="shop")


def command_line():
    checks.includes("the CLI makes a rule", aws("put-rule", "--name", "cli", "--event-pattern", '{"source":["cli"]}'),
                    {"RuleArn": f"arn:aws:events:{REGION}:{ACCOUNT}:rule/cli"})
    checks.includes("and puts a target", aws("put-targets", "--rule", "cli", "--targets", f"Id=a,Arn={QUEUE}"), {"FailedEntryCount": 0})
    checks.equal("and lists it", aws("list-targets-by-rule", "--rule", "cli"), {"Targets": [{"Id": "a", "Arn": QUEUE}]})
    entries = json.dumps([{"Source": "else", "DetailType": "t", "Detail": "{}"}])
    checks.includes("and puts events", aws("put-events", "--entries", entries), {"FailedEntryCount": 0})
    checks.holds("and is told what is wrong", "Rule none does not exist" in str(aws("describe-rule", "--name", "none")), "", "the reason")
    names = [rule["Name"] for rule in aws("list-rules", "--max-items", "1")["Rules"]]
    checks.equal("and reads pages", names, ["cli"])
    aws("remove-targets", "--rule", "cli", "--ids", "a")
    checks.equal("and deletes the rule", aws("delete-rule", "--name", "cli"), {})


def the_end():
    checks.refused("a bus with rules stays", lambda: client.delete_event_bus(Name="shop"), *INVALID)
    client.delete_rule(Name="paid", EventBusName="shop")
    client.delete_rule(Name="nightly")
    client.delete_event_bus(Name="shop")
    checks.refused("it is gone", lambda: client.describe_event_bus(Name="shop"), *NOT_FOUND)
    checks.equal("no rule is left", plain(client.list_rules()), {"Rules": []})
    # Unserved operations are refused by name.
    checks.refused("connections", lambda: client.list_connections(), "NotImplementedException", 501, "ListConnections")


for part in (buses, rules, patterns, targets, events, replays, delivered, command_line, the_end):
    with checks.part(part.__name__):
        part()
checks.finish()
