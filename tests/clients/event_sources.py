"""Event source mappings through boto3 and the AWS CLI: one for every kind of source with the fields that only it has, the
states that a client sees, filters, limits, tags, pages, and what Lambda refuses. Records are not fetched here.
"""

import datetime
import json
import os
import pathlib
import subprocess
import sys

from lambda_checks import Checks, Functions, lambda_client, package, runtime_of

REGION = os.environ.get("AWS_REGION") or os.environ["AWS_DEFAULT_REGION"]
ACCOUNT = "000000000000"
CODE = package({"app.py": "def handler(event, context):\n    return event\n"})
SECRET = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:login-AbCdEf"
INVALID = ("InvalidParameterValueException", 400)

# What the SDK itself would refuse is to reach the server.
client = lambda_client(parameter_validation=False)
checks = Checks()


def arn(service, resource):
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


# By kind: the source, what is asked for beside it, and what is shown that was not asked for.
SOURCES = {
    "sqs": (
        {"EventSourceArn": arn("sqs", "orders")},
        {"BatchSize": 50, "MaximumBatchingWindowInSeconds": 5, "ScalingConfig": {"MaximumConcurrency": 7}},
        {"FunctionResponseTypes": []},
    ),
    "sqs with pollers": (
        {"EventSourceArn": arn("sqs", "steady")},
        {"ProvisionedPollerConfig": {"MinimumPollers": 2, "MaximumPollers": 9}},
        {"BatchSize": 10, "MaximumBatchingWindowInSeconds": 0},
    ),
    "fifo": (
        {"EventSourceArn": arn("sqs", "orders.fifo")},
        {"BatchSize": 10, "FunctionResponseTypes": ["ReportBatchItemFailures"]},
        {"MaximumBatchingWindowInSeconds": 0},
    ),
    "kinesis": (
        {"EventSourceArn": arn("kinesis", "stream/clicks"), "StartingPosition": "LATEST"},
        {
            "ParallelizationFactor": 10,
            "TumblingWindowInSeconds": 900,
            "BisectBatchOnFunctionError": True,
            "MaximumRetryAttempts": 3,
            "MaximumRecordAgeInSeconds": 60,
            "DestinationConfig": {"OnFailure": {"Destination": arn("sqs", "failed")}},
        },
        {"BatchSize": 100, "MaximumBatchingWindowInSeconds": 0, "FunctionResponseTypes": []},
    ),
    "dynamodb": (
        {
            "EventSourceArn": arn("dynamodb", "table/t/stream/2026-01-01T00:00:00.000"),
            "StartingPosition": "TRIM_HORIZON",
        },
        {"FunctionResponseTypes": ["ReportBatchItemFailures"], "MetricsConfig": {"Metrics": ["EventCount"]}},
        {"ParallelizationFactor": 1, "MaximumRetryAttempts": -1, "MaximumRecordAgeInSeconds": -1},
    ),
    "msk": (
        {
            "EventSourceArn": arn("kafka", "cluster/c/0123abcd-0123-0123-0123-0123456789ab-1"),
            "StartingPosition": "TRIM_HORIZON",
            "Topics": ["clicks"],
        },
        {
            "AmazonManagedKafkaEventSourceConfig": {"ConsumerGroupId": "group-1"},
            "SourceAccessConfigurations": [{"Type": "SASL_SCRAM_512_AUTH", "URI": SECRET}],
        },
        {"BatchSize": 100},
    ),
    "kafka": (
        {
            "SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["k1.example.com:9092"]}},
            "StartingPosition": "LATEST",
            "Topics": ["clicks"],
        },
        {
            "SelfManagedKafkaEventSourceConfig": {"ConsumerGroupId": "group-2"},
            "SourceAccessConfigurations": [{"Type": "SASL_SCRAM_256_AUTH", "URI": SECRET}],
            "ProvisionedPollerConfig": {"MinimumPollers": 1, "MaximumPollers": 3},
        },
        {"BatchSize": 100},
    ),
    "mq": (
        {"EventSourceArn": arn("mq", "broker:b:b-0123"), "Queues": ["jobs"]},
        {
            "SourceAccessConfigurations": [
                {"Type": "BASIC_AUTH", "URI": SECRET},
                {"Type": "VIRTUAL_HOST", "URI": "/jobs"},
            ]
        },
        {"BatchSize": 100},
    ),
    "documentdb": (
        {"EventSourceArn": arn("rds", "cluster:docs"), "StartingPosition": "LATEST"},
        {
            "DocumentDBEventSourceConfig": {
                "DatabaseName": "shop",
                "CollectionName": "orders",
                "FullDocument": "UpdateLookup",
            },
            "SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": SECRET}],
        },
        {"BatchSize": 100},
    ),
}


def aws(*arguments):
    """`aws lambda …` as people type it; its parsed output."""
    program = pathlib.Path(sys.executable).parent / "aws"
    done = subprocess.run([program, "lambda", *arguments], capture_output=True, text=True, check=True)
    return json.loads(done.stdout) if done.stdout.strip() else None


def refused(label, call, message, error=INVALID):
    checks.refused(label, call, *error, message)


def every_kind(function, function_arn):
    for kind, (source, settings, shown) in SOURCES.items():
        made = client.create_event_source_mapping(FunctionName=function, **source, **settings)
        uuid = made["UUID"]
        checks.equal(f"{kind}: HTTP status", made["ResponseMetadata"]["HTTPStatusCode"], 202)
        checks.equal(f"{kind}: it is being made", made["State"], "Creating")
        seen = client.get_event_source_mapping(UUID=uuid)
        checks.equal(f"{kind}: and then it is there", seen["State"], "Enabled")
        checks.includes(f"{kind}: as it was asked for", seen, source | settings)
        checks.includes(f"{kind}: with its defaults", seen, shown | {"FunctionArn": function_arn})
        again = lambda: client.create_event_source_mapping(FunctionName=function, **source, **settings)
        refused(f"{kind}: once for a function", again, uuid, ("ResourceConflictException", 409))
        off = aws("update-event-source-mapping", "--uuid", uuid, "--no-enabled", "--batch-size", "5")
        checks.includes(f"{kind}: a change is told", off, {"State": "Disabling", "BatchSize": 5})
        seen = aws("get-event-source-mapping", "--uuid", uuid)
        checks.includes(f"{kind}: what was not named stays", seen, source | settings | {"BatchSize": 5})
        checks.equal(f"{kind}: it is switched off", seen["State"], "Disabled")


def lists(function, function_arn):
    pages = client.get_paginator("list_event_source_mappings").paginate(
        FunctionName=function, PaginationConfig={"PageSize": 4}
    )
    pages = [page["EventSourceMappings"] for page in pages]
    checks.equal("pages have what they may", [len(page) for page in pages], [4, 4, len(SOURCES) - 8])
    uuids = [mapping["UUID"] for page in pages for mapping in page]
    checks.equal("each is listed once", len(set(uuids)), len(SOURCES))
    queue = SOURCES["sqs"][0]["EventSourceArn"]
    one = aws("list-event-source-mappings", "--event-source-arn", queue)["EventSourceMappings"]
    checks.equal("those of one source", [mapping["FunctionArn"] for mapping in one], [function_arn])
    none = client.list_event_source_mappings(FunctionName=f"{function}:nobody")["EventSourceMappings"]
    checks.equal("an alias has its own", none, [])
    odd = lambda: client.list_event_source_mappings(FunctionName=function, Marker="odd")
    refused("a marker of one's own", odd, "Marker")
    return uuids


def filters(function):
    queue = {"EventSourceArn": arn("sqs", "filtered")}
    make = lambda patterns: client.create_event_source_mapping(
        FunctionName=function, FilterCriteria={"Filters": [{"Pattern": pattern} for pattern in patterns]}, **queue
    )
    good = json.dumps({"body": {"kind": [{"prefix": "order"}], "price": [{"numeric": [">", 10, "<=", 20]}]}})
    for label, pattern in (("no JSON", "{"), ("no list", '{"body": "x"}'), ("no operator", '{"a": [{"near": "b"}]}')):
        refused(f"a filter: {label}", lambda pattern=pattern: make([pattern]), "Invalid filter pattern definition.")
    refused("six filters", lambda: make([good] * 6), "The number of filters must not exceed 5")
    made = make([good] * 5)
    checks.equal("five filters", made["FilterCriteria"], {"Filters": [{"Pattern": good}] * 5})
    client.update_event_source_mapping(UUID=made["UUID"], FilterCriteria={"Filters": []})
    seen = client.get_event_source_mapping(UUID=made["UUID"])
    checks.holds("filters are taken away", "FilterCriteria" not in seen, seen, "none")
    client.delete_event_source_mapping(UUID=made["UUID"])


def limits(function):
    make = lambda **settings: lambda: client.create_event_source_mapping(FunctionName=function, **settings)
    queue, fifo = {"EventSourceArn": arn("sqs", "q")}, {"EventSourceArn": arn("sqs", "q.fifo")}
    stream = SOURCES["kinesis"][0]
    invalid = ("ValidationException", 400)
    refused("more than ten need a window", make(**queue, BatchSize=11), "Maximum batch window in seconds must be")
    refused("ten of a FIFO queue", make(**fifo, BatchSize=11), "Batch size must be at most 10")
    refused("no window for a FIFO queue", make(**fifo, MaximumBatchingWindowInSeconds=1), "not supported for FIFO")
    refused("a factor is for streams", make(**queue, ParallelizationFactor=2), "Unsupported ParallelizationFactor")
    refused("a queue has no start", make(**queue, StartingPosition="LATEST"), "StartingPosition is not valid for SQS")
    refused("a stream has one", make(EventSourceArn=stream["EventSourceArn"]), "'startingPosition'")
    refused("topics are for Kafka", make(**queue, Topics=["clicks"]), "Unsupported Topics parameter")
    refused("Kafka needs one", make(EventSourceArn=SOURCES["msk"][0]["EventSourceArn"]), "Topics must be specified")
    tomorrow = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=1)
    future = make(**(stream | {"StartingPosition": "AT_TIMESTAMP"}), StartingPositionTimestamp=tomorrow)
    refused("no start in the future", future, "cannot be in the future")
    refused("a record of half a minute", make(**stream, MaximumRecordAgeInSeconds=30), "must be -1 or between 60 and 604800")
    one_sided = make(**queue, ProvisionedPollerConfig={"MinimumPollers": 9, "MaximumPollers": 3})
    refused("pollers from nine to three", one_sided, "less than or equal to MaximumPollers")
    refused("another region", make(EventSourceArn=f"arn:aws:sqs:eu-west-9:{ACCOUNT}:q"), "same region")
    refused("no source at all", make(), "Unrecognized event source.")
    refused("what is no source", make(EventSourceArn=arn("s3", "bucket")), "Unrecognized event source.")
    success = make(**stream, DestinationConfig={"OnSuccess": {"Destination": arn("sqs", "done")}})
    refused("nobody is told of success", success, "Unsupported DestinationConfig parameter OnSuccess")
    nobody = lambda: client.create_event_source_mapping(FunctionName="nobody-here", **queue)
    refused("no such function", nobody, "Function not found", ("ResourceNotFoundException", 404))
    for name, values in {
        "BatchSize": (0, 10001),
        "MaximumBatchingWindowInSeconds": (-1, 301),
        "ParallelizationFactor": (0, 11),
        "TumblingWindowInSeconds": (-1, 901),
        "MaximumRetryAttempts": (-2, 10001),
        "MaximumRecordAgeInSeconds": (-2, 604801),
    }.items():
        lower = name[0].lower() + name[1:]
        for value in values:
            refused(f"{name}={value}", make(**stream, **{name: value}), f"Value '{value}' at '{lower}'", invalid)


def unfit_queues(function):
    """What is refused although the setting itself is right: the queue or the role is not."""
    make = lambda name: lambda: client.create_event_source_mapping(FunctionName=function, EventSourceArn=arn("sqs", name))
    refused("a queue that is not there", make("nowhere"), "NonExistentQueue.*arn:aws:sqs:[^ ]*:nowhere")
    client.update_function_configuration(FunctionName=function, Role=f"arn:aws:iam::{ACCOUNT}:role/nobody", Timeout=31)
    functions.await_active(function)
    refused("a role that may not read it", make("q"), "does not have permissions to call ReceiveMessage on SQS")
    functions.reads_queues(function)
    refused("a function that takes longer than its messages stay hidden", make("q"), "31 seconds")


def labels_and_end(function, uuids):
    missing = ("ResourceNotFoundException", 404)
    resource = client.get_event_source_mapping(UUID=uuids[0])["EventSourceMappingArn"]
    client.tag_resource(Resource=resource, Tags={"team": "a", "cost": "b"})
    aws("untag-resource", "--resource", resource, "--tag-keys", "team")
    checks.equal("tags", client.list_tags(Resource=resource)["Tags"], {"cost": "b"})
    other = lambda: client.update_event_source_mapping(UUID=uuids[0], FunctionName="nobody-here")
    refused("a function that is not there", other, "Function not found", missing)
    gone = client.delete_event_source_mapping(UUID=uuids[0])
    checks.equal("it is being deleted", (gone["State"], gone["UUID"]), ("Deleting", uuids[0]))
    for label, call in (
        ("get", lambda: client.get_event_source_mapping(UUID=uuids[0])),
        ("update", lambda: client.update_event_source_mapping(UUID=uuids[0], BatchSize=1)),
        ("delete", lambda: client.delete_event_source_mapping(UUID=uuids[0])),
    ):
        refused(f"{label}: it is gone", call, "The resource you requested does not exist.", missing)
    for uuid in uuids[1:]:
        aws("delete-event-source-mapping", "--uuid", uuid)
    left = client.list_event_source_mappings(FunctionName=function)["EventSourceMappings"]
    checks.equal("none is left", left, [])


with Functions(client) as functions:
    name = functions.make("event-sources", CODE, "app.handler", runtime_of("python"))
    whole = client.get_function_configuration(FunctionName=name)["FunctionArn"]
    functions.reads_queues(name, "orders", "steady", "orders.fifo", "filtered", "q", "q.fifo")
    with checks.part("every kind of source"):
        every_kind(name, whole)
    with checks.part("lists"):
        listed = lists(name, whole)
    with checks.part("filters"):
        filters(name)
    with checks.part("limits"):
        limits(name)
    with checks.part("queues that do not fit"):
        unfit_queues(functions.make("unfit", CODE, "app.handler", runtime_of("python")))
    with checks.part("labels and the end"):
        labels_and_end(name, listed)
checks.finish()
