"""CloudWatch Logs through boto3 and both versions of the AWS CLI: what functions print is found, tailed and followed live
(`aws logs tail --follow`), and customers keep events of their own: groups, streams, pages, patterns, retention, tags, policies,
and events that a rule of the event bus sends.
"""

import json
import os
import pathlib
import platform
import subprocess
import sys
import time

import boto3
import botocore.config
from aws_cli_v2 import Followed, aws_cli_v2
from lambda_checks import Checks, Functions, Signer, invoke, lambda_client, package, runtime_of, wait_until

REGION = os.environ.get("AWS_REGION") or os.environ["AWS_DEFAULT_REGION"]
ACCOUNT = "000000000000"
GROUP = "/shop/orders"
ARN = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{GROUP}"
CODE = package({"app.py": "def handler(event, context):\n    print('SAID', event['word'])\n    return event['word']\n"})
CONFIG = botocore.config.Config(parameter_validation=False, retries={"total_max_attempts": 1})
MISSING = ("ResourceNotFoundException", 400)
EXISTS = ("ResourceAlreadyExistsException", 400)
INVALID = ("InvalidParameterException", 400)

# What the SDK itself would refuse is to reach the server.
client = boto3.client("logs", config=CONFIG)
checks = Checks()


def now():
    return int(time.time() * 1000)


def put(*messages, group=GROUP, stream="a", at=None):
    at = now() if at is None else at
    events = [{"timestamp": at + place, "message": message} for place, message in enumerate(messages)]
    return client.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)


def messages(answer):
    return [event["message"] for event in answer["events"]]


def filtered(pattern="", group=GROUP, **more):
    """The messages of all pages."""
    pages = client.get_paginator("filter_log_events").paginate(logGroupName=group, filterPattern=pattern, **more)
    return [message for page in pages for message in messages(page)]


def aws(*arguments, program=pathlib.Path(sys.executable).parent / "aws"):
    """What the AWS CLI prints, or its complaint."""
    environment = os.environ | {"AWS_PAGER": ""}
    done = subprocess.run([program, "logs", *arguments], capture_output=True, text=True, timeout=60, env=environment)
    return done.stdout if done.returncode == 0 else done.stderr.strip()


def groups():
    client.create_log_group(logGroupName=GROUP, tags={"team": "shop"})
    checks.refused("a second of the name", lambda: client.create_log_group(logGroupName=GROUP), *EXISTS,
                   "The specified log group already exists")
    for name in ("", "no spaces", "x" * 513, "a:b"):
        checks.refused(f"the name {name[:9]!r}", lambda name=name: client.create_log_group(logGroupName=name), *INVALID)
    checks.refused("a key", lambda: client.create_log_group(logGroupName="x", kmsKeyId="arn:aws:kms:::key/1"), *INVALID, "KMS")
    found = client.describe_log_groups(logGroupNamePrefix="/shop")["logGroups"]
    checks.equal("one is found", [group["logGroupName"] for group in found], [GROUP])
    checks.includes("with its ARNs", found[0], {"arn": f"{ARN}:*", "logGroupArn": ARN, "storedBytes": 0, "logGroupClass": "STANDARD"})
    for number in range(5):
        client.create_log_group(logGroupName=f"many-{number}")
    pages = list(client.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="many-", limit=2))
    checks.equal("pages", [[group["logGroupName"][-1] for group in page["logGroups"]] for page in pages], [["0", "1"], ["2", "3"], ["4"]])
    for number in range(5):
        client.delete_log_group(logGroupName=f"many-{number}")
    checks.equal("they are gone", client.describe_log_groups(logGroupNamePattern="many")["logGroups"], [])
    checks.refused("none to delete", lambda: client.delete_log_group(logGroupName="many-1"), *MISSING, "The specified log group does not exist")


def labels():
    checks.equal("tags", client.list_tags_for_resource(resourceArn=ARN)["tags"], {"team": "shop"})
    client.tag_resource(resourceArn=ARN, tags={"stage": "test", "team": "new"})
    client.untag_log_group(logGroupName=GROUP, tags=["stage"])
    checks.equal("in both ways", client.list_tags_log_group(logGroupName=GROUP)["tags"], {"team": "new"})
    checks.refused("too many", lambda: client.tag_resource(resourceArn=ARN, tags={str(n): "" for n in range(51)}), *INVALID)
    checks.refused("no such", lambda: client.list_tags_for_resource(resourceArn=f"{ARN}x"), *MISSING)


def retention():
    client.put_retention_policy(logGroupName=GROUP, retentionInDays=7)
    kept = client.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"][0]
    checks.equal("a week", kept["retentionInDays"], 7)
    checks.refused("eight days", lambda: client.put_retention_policy(logGroupName=GROUP, retentionInDays=8), *INVALID)
    checks.refused("of none", lambda: client.put_retention_policy(logGroupName="none", retentionInDays=7), *MISSING)
    client.create_log_stream(logGroupName=GROUP, logStreamName="old")
    answer = put("too old to be kept", stream="old", at=now() - 8 * 24 * 3_600_000)
    checks.equal("what is older is not taken", answer["rejectedLogEventsInfo"], {"expiredLogEventEndIndex": 1})
    client.delete_retention_policy(logGroupName=GROUP)
    kept = client.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"][0]
    checks.holds("for ever", "retentionInDays" not in kept, kept, "no retention")
    client.delete_log_stream(logGroupName=GROUP, logStreamName="old")


def streams():
    for name in ("a", "b", "c"):
        client.create_log_stream(logGroupName=GROUP, logStreamName=name)
    checks.refused("a second", lambda: client.create_log_stream(logGroupName=GROUP, logStreamName="a"), *EXISTS)
    checks.refused("in no group", lambda: client.create_log_stream(logGroupName="none", logStreamName="a"), *MISSING)
    checks.refused("no name", lambda: client.create_log_stream(logGroupName=GROUP, logStreamName="a:b"), *INVALID)
    pages = list(client.get_paginator("describe_log_streams").paginate(logGroupName=GROUP, limit=2))
    checks.equal("pages", [[stream["logStreamName"] for stream in page["logStreams"]] for page in pages], [["a", "b"], ["c"]])
    client.delete_log_stream(logGroupName=GROUP, logStreamName="c")
    checks.refused("it is gone", lambda: client.delete_log_stream(logGroupName=GROUP, logStreamName="c"), *MISSING)


def events():
    checks.refused("into no stream", lambda: put("m", stream="none"), *MISSING, "The specified log stream does not exist")
    checks.refused("into no group", lambda: put("m", group="none"), *MISSING, "The specified log group does not exist")
    out_of_order = [{"timestamp": now(), "message": "2"}, {"timestamp": now() - 1000, "message": "1"}]
    checks.refused("out of order", lambda: client.put_log_events(logGroupName=GROUP, logStreamName="a", logEvents=out_of_order),
                   *INVALID, "chronological order")
    checks.refused("no events", lambda: client.put_log_events(logGroupName=GROUP, logStreamName="a", logEvents=[]), *INVALID)
    checks.refused("an empty message", lambda: put(""), *INVALID)
    checks.refused("too large", lambda: put(*["x" * 200_000] * 6), *INVALID, "Upload too large")
    checks.equal("two weeks old", put("m", at=now() - 15 * 24 * 3_600_000)["rejectedLogEventsInfo"], {"tooOldLogEventEndIndex": 1})
    checks.equal("of the future", put("m", at=now() + 3 * 3_600_000)["rejectedLogEventsInfo"], {"tooNewLogEventStartIndex": 0})
    at = now() - 60_000
    put(*(f"number {n}" for n in range(10)), at=at)
    put("beside", stream="b", at=at + 4)
    named = {"logGroupName": GROUP, "logStreamName": "a"}
    answer = client.get_log_events(**named, limit=4, startFromHead=True)
    checks.equal("from the head", messages(answer), [f"number {n}" for n in range(4)])
    answer = client.get_log_events(**named, limit=4, nextToken=answer["nextForwardToken"])
    checks.equal("and on", messages(answer), [f"number {n}" for n in range(4, 8)])
    back = client.get_log_events(**named, limit=4, nextToken=answer["nextBackwardToken"])
    checks.equal("and back", messages(back), [f"number {n}" for n in range(4)])
    checks.equal("from the end", messages(client.get_log_events(**named, limit=3)), [f"number {n}" for n in (7, 8, 9)])
    answer = client.get_log_events(logGroupIdentifier=ARN, logStreamName="a", startTime=at + 8, endTime=at + 9, startFromHead=True)
    checks.equal("of a time", messages(answer), ["number 8"])
    end = client.get_log_events(**named, nextToken=answer["nextForwardToken"])
    end = client.get_log_events(**named, nextToken=end["nextForwardToken"])
    checks.equal("the end stays where it is", client.get_log_events(**named, nextToken=end["nextForwardToken"])["nextForwardToken"],
                 end["nextForwardToken"])
    checks.refused("no token", lambda: client.get_log_events(**named, nextToken="f/1"), *INVALID, "nextToken is invalid")
    described = client.describe_log_streams(logGroupName=GROUP, orderBy="LastEventTime", descending=True)["logStreams"]
    checks.equal("the latest first", [stream["logStreamName"] for stream in described], ["a", "b"])
    checks.includes("with its times", described[0], {"firstEventTimestamp": at, "lastEventTimestamp": at + 9})


def patterns():
    client.create_log_stream(logGroupName=GROUP, logStreamName="json")
    client.create_log_stream(logGroupName=GROUP, logStreamName="web")
    orders = [{"state": "paid", "total": 30, "city": {"name": "Hamburg"}}, {"state": "draft", "total": 5}, {"state": "paid", "total": 7}]
    put(*map(json.dumps, orders), "ERROR no such order", "WARN order is slow", stream="json")
    put('127.0.0.1 - - [10/Oct/2026:13:55:36] "GET /a" 404 17', '127.0.0.1 - - [10/Oct/2026:13:55:37] "GET /b" 200 3000', stream="web")

    def found(pattern):
        return len(filtered(pattern, logStreamNames=["json", "web"]))

    expected = {
        "": 7,
        "ERROR": 1,
        "order -slow": 1,
        '?ERROR ?WARN': 2,
        '"no such"': 1,
        '{ $.state = "paid" }': 2,
        '{ $.state = "paid" && $.total > 10 }': 1,
        '{ $.city.name = "Ham*" }': 1,
        '{ $.city NOT EXISTS }': 2,
        '[ip, id, user, time, request, status = 4*, size]': 1,
        '[..., status, size > 1000]': 1,
        r'%ERROR\sno|WARN\sorder%': 2,
        '{ $.city.name = %^H.m% }': 1,
        '[..., status = %^[45][0-9]{2}$%, size]': 1,
    }
    for pattern, count in expected.items():
        checks.equal(f"the pattern {pattern!r}", found(pattern), count)
    for pattern in ('{ $.a = }', '{ state = 1 }', '[a, b', '{ $.a = 1', 'a"b', "%[%", "%(a)%", "%a!%", "%a% %b% %c%", "x" * 1025):
        checks.refused(f"the pattern {pattern[:12]!r}", lambda pattern=pattern: filtered(pattern), *INVALID)
    first = client.filter_log_events(logGroupName=GROUP, limit=3)
    checks.equal("a page", messages(first), ["number 0", "number 1", "number 2"])
    checks.equal("all pages", len(filtered(PaginationConfig={"PageSize": 3})), 18)
    latest = client.filter_log_events(logGroupName=GROUP, logStreamNames=["a"], startFromHead=False, limit=2)
    checks.equal("the latest first", messages(latest), ["number 9", "number 8"])
    checks.refused("before 2024", lambda: client.filter_log_events(logGroupName=GROUP, startFromHead=False, startTime=1), *INVALID)
    checks.equal("streams by prefix", len(filtered(logStreamNamePrefix="we")), 2)
    event = first["events"][0]
    checks.includes("an event", event, {"logStreamName": "a", "message": "number 0"})
    checks.holds("has an id", event["eventId"].isdigit() and event["ingestionTime"] > event["timestamp"], event, "an id and a time")
    both = {"logStreamNamePrefix": "a", "logStreamNames": ["a"]}
    checks.refused("both ways", lambda: client.filter_log_events(logGroupName=GROUP, **both), *INVALID)
    checks.refused("of no stream", lambda: filtered(logStreamNames=["none"]), *MISSING)


def functions_log():
    functions_client = lambda_client()
    with Functions(functions_client) as functions:
        name = functions.make("said", CODE, "app.handler", runtime_of("python"))
        group = f"/aws/lambda/{name}"
        answer = invoke(functions_client, name, {"word": "hello"})
        said = wait_until(lambda: filtered("SAID", group=group))
        checks.equal("what it printed is found", [line.strip() for line in said], ["SAID hello"])
        lines = filtered(f'"{answer.request_id}"', group=group)
        checks.equal("beside the lines of the platform", sorted(line.split()[0] for line in lines), ["END", "REPORT", "START"])
        described = client.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
        checks.holds("the group is told", len(described) == 1 and described[0]["storedBytes"] > 0, described, "one with bytes")
        streams = client.describe_log_streams(logGroupName=group, orderBy="LastEventTime", descending=True)["logStreams"]
        stream = streams[0]["logStreamName"]
        checks.matches("a stream of an environment", stream, r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}")
        lines = messages(client.get_log_events(logGroupName=group, logStreamName=stream, startFromHead=True))
        checks.holds("in their order", [line.split()[0] for line in lines][-4:] == ["START", "SAID", "END", "REPORT"], lines, "the four")
        tailed(functions_client, name, group)
        elsewhere(functions_client, name)
        client.delete_log_group(logGroupName=group)
        checks.refused("its log is gone", lambda: filtered(group=group), *MISSING)
        invoke(functions_client, name, {"word": "again"})
        checks.equal("and comes anew", [line.strip() for line in wait_until(lambda: filtered("SAID", group=group))], ["SAID again"])
        client.delete_log_group(logGroupName=group)


def tailed(functions_client, name, group):
    """`aws logs tail`, which version 2 alone has."""
    if platform.machine() != "x86_64":
        print("the AWS CLI's version 2 is published as a package for x86_64 alone: `aws logs tail` was not run", flush=True)
        return
    program = aws_cli_v2()
    version = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=60).stdout
    checks.matches("version 2", version.split()[0], r"aws-cli/2\.[0-9.]+")
    lines = aws("tail", group, "--since", "10m", program=program)
    checks.holds("aws logs tail", "SAID hello" in lines and "REPORT" in lines, lines, "the lines of the function")
    lines = aws("tail", group, "--since", "10m", "--format", "short", "--filter-pattern", "SAID", program=program)
    checks.matches("of a pattern, in short", lines.strip(), r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d SAID hello")
    refused = aws("tail", "/none", program=program)
    checks.holds("of no group", "ResourceNotFoundException" in refused, refused, "the reason")
    with Followed(program, "logs", "tail", group, "--follow", "--since", "10m") as followed:
        checks.equal("aws logs tail --follow begins with what is there", followed.said("SAID hello"), 1)
        invoke(functions_client, name, {"word": "first"})
        checks.equal("and goes on live", followed.said("SAID first"), 1)
        invoke(functions_client, name, {"word": "second"})
        checks.equal("and on", followed.said("SAID second"), 1)
        checks.holds("without an end", followed.process.poll() is None, followed.lines, "a running process")
        checks.equal("nothing comes twice", followed.said("SAID hello"), 1)


def elsewhere(functions_client, name):
    """A function that logs to a group of another name, as JSON."""
    logging = {"LogGroup": "/shop/functions", "LogFormat": "JSON", "ApplicationLogLevel": "INFO", "SystemLogLevel": "INFO"}
    iam = boto3.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="says", AssumeRolePolicyDocument=json.dumps({"Statement": trust}))["Role"]["Arn"]
    may = {"Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"], "Resource": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/shop/functions:*"}
    iam.put_role_policy(RoleName="says", PolicyName="write", PolicyDocument=json.dumps({"Statement": may}))
    functions_client.update_function_configuration(FunctionName=name, LoggingConfig=logging, Role=role)
    wait_until(lambda: functions_client.get_function_configuration(FunctionName=name)["LastUpdateStatus"] == "Successful")
    invoke(functions_client, name, {"word": "elsewhere"})
    found = wait_until(lambda: filtered("elsewhere", group="/shop/functions"))
    checks.holds("another group", len(found) == 1 and "SAID elsewhere" in found[0], found, "the line")
    starts = filtered('{ $.type = "platform.start" }', group="/shop/functions")
    checks.equal("as JSON", len(starts), 1)
    functions_client.update_function_configuration(FunctionName=name, LoggingConfig={"LogFormat": "Text"})
    wait_until(lambda: functions_client.get_function_configuration(FunctionName=name)["LastUpdateStatus"] == "Successful")
    configured = functions_client.get_function_configuration(FunctionName=name)["LoggingConfig"]
    if configured["LogGroup"] != f"/aws/lambda/{name}":
        functions_client.update_function_configuration(FunctionName=name, LoggingConfig={"LogGroup": f"/aws/lambda/{name}"})
        wait_until(lambda: functions_client.get_function_configuration(FunctionName=name)["LastUpdateStatus"] == "Successful")
    client.delete_log_group(logGroupName="/shop/functions")
    iam.delete_role_policy(RoleName="says", PolicyName="write")
    iam.delete_role(RoleName="says")


def rules():
    bus = boto3.client("events")
    group = "/aws/events/orders"
    client.create_log_group(logGroupName=group)
    bus.put_rule(Name="logged", EventPattern='{"source":["shop"]}')
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:{group}"
    checks.equal("a group is a target", bus.put_targets(Rule="logged", Targets=[{"Id": "g", "Arn": arn}])["FailedEntryCount"], 0)
    bus.put_events(Entries=[{"Source": "shop", "DetailType": "Order", "Detail": json.dumps({"n": n})} for n in range(3)])
    found = wait_until(lambda: len(got := filtered('{ $.detail.n >= 0 }', group=group)) == 3 and got, 20)
    checks.equal("events arrive whole", sorted(json.loads(event)["detail"]["n"] for event in found or []), [0, 1, 2])
    bus.remove_targets(Rule="logged", Ids=["g"])
    bus.delete_rule(Name="logged")
    client.delete_log_group(logGroupName=group)


def with_key(service, key, **more):
    return boto3.client(service, config=CONFIG, aws_access_key_id=key["AccessKeyId"], aws_secret_access_key=key["SecretAccessKey"], **more)


def roles():
    """What a role may do with logs, once a user has assumed it."""
    iam = boto3.client("iam")
    user = iam.create_user(UserName="clerk")["User"]["Arn"]
    key = iam.create_access_key(UserName="clerk")["AccessKey"]
    trust = {"Effect": "Allow", "Principal": {"AWS": user}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName="writer", AssumeRolePolicyDocument=json.dumps({"Statement": trust}))["Role"]["Arn"]
    may = {"Effect": "Allow", "Action": ["logs:PutLogEvents"], "Resource": f"{ARN}:*"}
    iam.put_role_policy(RoleName="writer", PolicyName="write", PolicyDocument=json.dumps({"Statement": may}))
    event = [{"timestamp": now(), "message": "by the role"}]
    denied = ("AccessDeniedException", 400)
    checks.refused("a user without policies", lambda: with_key("logs", key).filter_log_events(logGroupName=GROUP), *denied,
                   "clerk is not authorized to perform: logs:FilterLogEvents")
    assumed = with_key("sts", key).assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    writer = with_key("logs", assumed, aws_session_token=assumed["SessionToken"])
    writer.put_log_events(logGroupName=GROUP, logStreamName="a", logEvents=event)
    checks.equal("a role writes where it may", len(filtered('"by the role"')), 1)
    checks.refused("not elsewhere", lambda: writer.put_log_events(logGroupName="other", logStreamName="a", logEvents=event), *denied,
                   "is not authorized to perform: logs:PutLogEvents on resource: arn:aws:logs:.*:log-group:other:log-stream:a")
    checks.refused("and does not read", lambda: writer.filter_log_events(logGroupName=GROUP), *denied, "logs:FilterLogEvents")
    iam.delete_role_policy(RoleName="writer", PolicyName="write")
    iam.delete_role(RoleName="writer")
    iam.delete_access_key(UserName="clerk", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="clerk")


def command_line():
    """Version 1."""
    aws("create-log-stream", "--log-group-name", GROUP, "--log-stream-name", "cli")
    aws("put-log-events", "--log-group-name", GROUP, "--log-stream-name", "cli", "--log-events", f"timestamp={now()},message=typed")
    found = json.loads(aws("filter-log-events", "--log-group-name", GROUP, "--filter-pattern", "typed"))
    checks.equal("the CLI puts and finds", messages(found), ["typed"])
    got = aws("get-log-events", "--log-group-name", GROUP, "--log-stream-name", "cli", "--output", "text")
    checks.holds("and gets", "typed" in got, got, "the message")
    groups = json.loads(aws("describe-log-groups", "--log-group-name-prefix", "/shop"))["logGroups"]
    checks.equal("and lists", [group["logGroupName"] for group in groups], [GROUP])
    refused = aws("get-log-events", "--log-group-name", "none", "--log-stream-name", "s")
    checks.holds("and is told", "ResourceNotFoundException" in refused, refused, "the reason")


def the_end():
    client.delete_log_stream(logGroupName=GROUP, logStreamName="a")
    checks.equal("a deleted stream's events are gone", filtered(logStreamNamePrefix="a"), [])
    client.create_log_stream(logGroupName=GROUP, logStreamName="a")
    put("anew")
    checks.equal("those of its successor are there", filtered(logStreamNames=["a"]), ["anew"])
    client.delete_log_group(logGroupName=GROUP)
    checks.refused("the group is gone", lambda: filtered(), *MISSING)
    # Unserved operations are refused by name.
    checks.refused("queries", lambda: client.start_query(logGroupName=GROUP, startTime=0, endTime=1, queryString="fields @message"),
                   "NotImplementedException", 501, "StartQuery")
    # Its answers would come from a host of their own, `stream-…`.
    tail = Signer().request("POST", "/", json.dumps({"logGroupIdentifiers": [ARN]}).encode(), service="logs",
                            headers={"x-amz-target": "Logs_20140328.StartLiveTail", "content-type": "application/x-amz-json-1.1"})
    checks.equal("live tails", tail.status, 501)
    checks.holds("by name", "StartLiveTail" in tail.message, tail.message, "the name of the operation")


for part in (groups, labels, retention, streams, events, patterns, functions_log, rules, roles, command_line, the_end):
    with checks.part(part.__name__):
        part()
checks.finish()
