"""EventBridge Scheduler through boto3 and the AWS CLI: schedules for one time wake a function and go away, others are kept as
they were put, groups take their schedules with them.
"""

import datetime
import json
import os
import pathlib
import subprocess
import sys

import boto3
import botocore.config
from lambda_checks import Checks, Functions, lambda_client, logged, package, runtime_of, wait_until

REGION = os.environ.get("AWS_REGION") or os.environ["AWS_DEFAULT_REGION"]
ACCOUNT = "000000000000"
QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:orders"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/scheduler"
OFF = {"Mode": "OFF"}
TARGET = {"Arn": QUEUE, "RoleArn": ROLE, "Input": "hello"}

# What the SDK itself would refuse is to reach the server.
client = boto3.client("scheduler", config=botocore.config.Config(parameter_validation=False, retries={"total_max_attempts": 1}))
checks = Checks()
NOT_FOUND = ("ResourceNotFoundException", 404)
CONFLICT = ("ConflictException", 409)
INVALID = ("ValidationException", 400)


def aws(*arguments):
    """What the AWS CLI prints, read as JSON; or its complaint."""
    program = pathlib.Path(sys.executable).parent / "aws"
    done = subprocess.run([program, "scheduler", *arguments], capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        return done.stderr.strip()
    return json.loads(done.stdout) if done.stdout.strip() else {}


def create(name, expression, **more):
    return client.create_schedule(**{"Name": name, "ScheduleExpression": expression, "FlexibleTimeWindow": OFF, "Target": TARGET} | more)


def schedules():
    arn = create("often", "rate(1 minute)", Description="d")["ScheduleArn"]
    checks.equal("an ARN", arn, f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/often")
    zone = {"ScheduleExpressionTimezone": "Europe/Berlin", "State": "DISABLED", "FlexibleTimeWindow": {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": 15}}
    create("mornings", "cron(0 9 ? * MON-FRI *)", **zone)
    kept = client.get_schedule(Name="mornings")
    checks.includes("a schedule as it was put", kept, zone | {"GroupName": "default", "ActionAfterCompletion": "NONE"})
    checks.includes("its target", kept["Target"], TARGET | {"RetryPolicy": {"MaximumEventAgeInSeconds": 86400, "MaximumRetryAttempts": 185}})
    checks.refused("a name that is taken", lambda: create("often", "rate(1 minute)"), *CONFLICT, "Schedule often already exists.")
    checks.refused("no expression", lambda: create("x", "rate(1 moment)"), *INVALID, r"Invalid Schedule Expression rate\(1 moment\)\.")
    universal = TARGET | {"Arn": "arn:aws:scheduler:::aws-sdk:sqs:sendMessage"}
    checks.refused("the universal target", lambda: create("x", "rate(1 day)", Target=universal), *INVALID, "is not served by Dormouse")
    once = {"ClientToken": "token-1"}
    made = [create("same", "rate(1 day)", **once)["ScheduleArn"] for _ in range(2)]
    checks.equal("the same request twice", made[0], made[1])
    client.update_schedule(Name="same", ScheduleExpression="rate(2 days)", FlexibleTimeWindow=OFF, Target=TARGET)
    checks.equal("updated", client.get_schedule(Name="same")["ScheduleExpression"], "rate(2 days)")
    names = [one["Name"] for page in client.get_paginator("list_schedules").paginate(PaginationConfig={"PageSize": 1}) for one in page["Schedules"]]
    checks.equal("all, page by page", names, ["mornings", "often", "same"])
    checks.equal("those that rest", [one["Name"] for one in client.list_schedules(State="DISABLED")["Schedules"]], ["mornings"])
    for name in names:
        client.delete_schedule(Name=name)
    checks.refused("gone", lambda: client.get_schedule(Name="often"), *NOT_FOUND, "Schedule often does not exist.")


def groups():
    arn = client.create_schedule_group(Name="night", Tags=[{"Key": "a", "Value": "1"}])["ScheduleGroupArn"]
    client.tag_resource(ResourceArn=arn, Tags=[{"Key": "b", "Value": "2"}])
    client.untag_resource(ResourceArn=arn, TagKeys=["a"])
    checks.equal("its tags", client.list_tags_for_resource(ResourceArn=arn)["Tags"], [{"Key": "b", "Value": "2"}])
    create("one", "rate(1 day)", GroupName="night")
    create("one", "rate(1 day)")
    checks.equal("a name in two groups", [one["GroupName"] for one in client.list_schedules()["Schedules"]], ["default", "night"])
    checks.equal("all groups", [one["Name"] for one in client.list_schedule_groups()["ScheduleGroups"]], ["default", "night"])
    client.delete_schedule_group(Name="night")

    def is_gone():
        return [one["Name"] for one in client.list_schedule_groups()["ScheduleGroups"]] == ["default"]

    checks.holds("the group goes", wait_until(is_gone), "it is there", "it is gone")
    checks.refused("with its schedules", lambda: client.get_schedule(Name="one", GroupName="night"), *NOT_FOUND)
    client.delete_schedule(Name="one")
    checks.refused("the default group stays", lambda: client.delete_schedule_group(Name="default"), *INVALID)


def role(*actions):
    """Lets the scheduler do this on behalf of its schedules."""
    iam = boto3.client("iam")
    trust = {"Effect": "Allow", "Principal": {"Service": "scheduler.amazonaws.com"}, "Action": "sts:AssumeRole"}
    iam.create_role(RoleName="scheduler", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}))
    allowed = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    iam.put_role_policy(RoleName="scheduler", PolicyName="send", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [allowed]}))


def woken():
    """A schedule for one time wakes a function at its time, once, with its attributes filled in; then it is gone."""
    role("lambda:InvokeFunction")
    functions_client = lambda_client()
    code = package({"app.py": "import time\ndef handler(event, context):\n    print('GOT', time.time(), event)\n"})
    with Functions(functions_client) as functions:
        name = functions.make("woken", code, "app.handler", runtime_of("python"))
        arn = functions_client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
        at = (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=4)).replace(microsecond=0)
        text = at.strftime("%Y-%m-%dT%H:%M:%S")
        said = '{"at": "<aws.scheduler.scheduled-time>", "of": "<aws.scheduler.schedule-arn>", "n": <aws.scheduler.attempt-number>}'
        target = {"Arn": arn, "RoleArn": ROLE, "Input": said}
        gone = create("gone", f"at({text})", Target=target, ActionAfterCompletion="DELETE")["ScheduleArn"]
        stays = create("stays", f"at({text})", Target={"Arn": arn, "RoleArn": ROLE})["ScheduleArn"]

        def arrived():
            lines = [line.strip() for line in logged(name) if line.startswith("GOT")]
            return lines if len(lines) >= 2 else None

        lines = wait_until(arrived, 30) or []
        checks.equal("both wake it", len(lines), 2)
        events = " ".join(lines)
        checks.holds("the input is filled in", f"{{'at': '{text}Z', 'of': '{gone}', 'n': 1}}" in events, events, text)
        checks.holds("without an input it is an event", "'source': 'aws.scheduler'" in events and stays in events, events, stays)
        early = [line for line in lines if float(line.split()[1]) < at.timestamp()]
        checks.equal("not before its time", early, [])

        def is_gone():
            return [one["Name"] for one in client.list_schedules()["Schedules"]] == ["stays"]

        checks.holds("one goes away, one stays", wait_until(is_gone), "", "stays")
        client.delete_schedule(Name="stays")


def command_line():
    made = aws("create-schedule", "--name", "cli", "--schedule-expression", "cron(0 3 L * ? *)", "--schedule-expression-timezone", "America/New_York",
               "--flexible-time-window", "Mode=OFF", "--target", json.dumps(TARGET))
    checks.includes("the CLI makes a schedule", made, {"ScheduleArn": f"arn:aws:scheduler:{REGION}:{ACCOUNT}:schedule/default/cli"})
    checks.includes("and reads it", aws("get-schedule", "--name", "cli"), {"ScheduleExpressionTimezone": "America/New_York"})
    checks.equal("and lists it", [one["Name"] for one in aws("list-schedules")["Schedules"]], ["cli"])
    checks.holds("and is told what is wrong", "Schedule none does not exist" in str(aws("get-schedule", "--name", "none")), "", "the reason")
    checks.equal("and deletes it", aws("delete-schedule", "--name", "cli"), {})


for part in (schedules, groups, woken, command_line):
    with checks.part(part.__name__):
        part()
checks.finish()
