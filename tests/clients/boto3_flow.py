"""The life of a function through boto3: create, get, list, update, invoke, delete.

Checks members of answers exactly: AWS sends no member for what does not apply, and tools depend on it.
"""

import base64
import hashlib
import json
import os
import re
import time
import urllib.parse
import urllib.request

from lambda_checks import ROLE, UUID, Checks, Functions, invoke, lambda_client, package, runtime_of, sources

REGION = os.environ.get("AWS_REGION") or os.environ["AWS_DEFAULT_REGION"]
ACCOUNT = "000000000000"
RUNTIME = runtime_of("python")
FIRST = package(sources("echo.py"))
SECOND = package(sources("echo.py") | {"second.txt": "the second version"})

client = lambda_client()
checks = Checks()


def arn(name):
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"


def digest(zip_file):
    return base64.b64encode(hashlib.sha256(zip_file).digest()).decode()


def without_metadata(response):
    return {key: value for key, value in response.items() if key != "ResponseMetadata"}


def described(name, zip_file, **changed):
    """What AWS shows of such a function apart from its state, revision and date."""
    return {
        "FunctionName": name,
        "FunctionArn": arn(name),
        "Runtime": RUNTIME,
        "Role": ROLE,
        "Handler": "echo.handler",
        "CodeSize": len(zip_file),
        "Description": "",
        "Timeout": 3,
        "MemorySize": 128,
        "CodeSha256": digest(zip_file),
        "Version": "$LATEST",
        "TracingConfig": {"Mode": "PassThrough"},
        "PackageType": "Zip",
        "Architectures": ["x86_64"],
        "EphemeralStorage": {"Size": 512},
        "SnapStart": {"ApplyOn": "None", "OptimizationStatus": "Off"},
        "LoggingConfig": {"LogFormat": "Text", "LogGroup": f"/aws/lambda/{name}"},
    } | changed


def check_description(label, seen, expected):
    """Compares exactly, but for members that are new each time or that not every server can know."""
    seen = without_metadata(seen)
    date = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000"
    checks.matches(f"{label}: LastModified", seen.pop("LastModified", None), date)
    checks.matches(f"{label}: RevisionId", seen.pop("RevisionId", None), UUID)
    # The ARN of AWS's own build of the runtime; absent where there is none.
    seen.pop("RuntimeVersionConfig", None)
    checks.equal(f"{label}: members", seen, expected)


def create_and_get(name):
    environment = {"Variables": {"MARKER": "first"}}
    created = client.create_function(
        FunctionName=name,
        Runtime=RUNTIME,
        Role=ROLE,
        Handler="echo.handler",
        Code={"ZipFile": FIRST},
        Environment=environment,
        Tags={"team": "dormouse"},
    )
    metadata = created["ResponseMetadata"]
    checks.equal("create: HTTP status", metadata["HTTPStatusCode"], 201)
    checks.matches("create: request id", metadata.get("RequestId"), UUID)
    checks.equal("create: content type", metadata["HTTPHeaders"].get("content-type"), "application/json")
    checks.holds("create: date", "date" in metadata["HTTPHeaders"], metadata["HTTPHeaders"], "a Date header")
    pending = {
        "State": "Pending",
        "StateReason": "The function is being created.",
        "StateReasonCode": "Creating",
    }
    expected = described(name, FIRST, Environment=environment)
    check_description("create", created, expected | pending)

    client.get_waiter("function_active_v2").wait(FunctionName=name)
    active = expected | {"State": "Active", "LastUpdateStatus": "Successful"}
    got = client.get_function(FunctionName=name)
    checks.equal("get: HTTP status", got["ResponseMetadata"]["HTTPStatusCode"], 200)
    checks.equal("get: members", sorted(without_metadata(got)), ["Code", "Configuration", "Tags"])
    checks.equal("get: tags", got.get("Tags"), {"team": "dormouse"})
    check_description("get", got["Configuration"], active)
    checks.equal("get: kind of repository", got["Code"].get("RepositoryType"), "S3")
    configuration = client.get_function_configuration(FunctionName=name)
    check_description("get configuration", configuration, active)
    same = without_metadata(configuration) == got["Configuration"]
    checks.holds("get and get configuration agree", same, configuration, got["Configuration"])
    return got


def download(location):
    with urllib.request.urlopen(location) as answer:
        body = answer.read()
        checks.equal("code: media type", answer.headers.get_content_type(), "application/zip")
    checks.equal("code: what was uploaded", digest(body), digest(FIRST))
    forged = re.sub(r"=([^=&]*)$", lambda m: "=" + m[1][::-1], location)
    try:
        with urllib.request.urlopen(forged) as answer:
            checks.holds("code: forged address", False, answer.status, "403")
    except urllib.error.HTTPError as error:
        checks.equal("code: forged address", error.code, 403)


def names_of_function(name):
    """Every form in which the API takes a function's name."""
    forms = {
        "name": name,
        "partial ARN": f"{ACCOUNT}:function:{name}",
        "ARN": arn(name),
        "qualified ARN": f"{arn(name)}:$LATEST",
        "qualified name": f"{name}:$LATEST",
    }
    for label, form in forms.items():
        found = client.get_function_configuration(FunctionName=form)
        # With a qualifier the answer's ARN is qualified too.
        wanted = arn(name) + (":$LATEST" if "qualified" in label else "")
        checks.equal(f"get configuration by {label}", found["FunctionArn"], wanted)
        answer = invoke(client, form)
        checks.equal(f"invoke by {label}: invoked ARN", answer.payload["context"]["invoked_function_arn"], wanted)
    answer = invoke(client, name, Qualifier="$LATEST")
    seen = answer.payload["context"]["invoked_function_arn"]
    checks.equal("invoke with Qualifier: invoked ARN", seen, f"{arn(name)}:$LATEST")


def invocations(name):
    client.update_function_configuration(FunctionName=name, Description="makes the next start cold")
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    event = {"text": "zażółć ☃", "list": [1, 2.5, None, True], "nested": {"": {}}}
    cold = invoke(client, name, event)
    checks.equal("invoke: status", (cold.status, cold.metadata["HTTPStatusCode"]), (200, 200))
    checks.equal("invoke: no function error", cold.error, None)
    checks.equal("invoke: executed version", cold.version, "$LATEST")
    checks.equal("invoke: the event comes back", cold.payload["event"], event)
    checks.equal("invoke: environment variable", cold.payload["marker"], "first")
    context = cold.payload["context"]
    checks.matches("invoke: request id", cold.request_id, UUID)
    checks.equal("invoke: request id in the context", context["aws_request_id"], cold.request_id)
    facts = {
        "function_name": name,
        "function_version": "$LATEST",
        "invoked_function_arn": arn(name),
        "log_group_name": f"/aws/lambda/{name}",
        "client_context": None,
    }
    checks.includes("invoke: context", context, facts)
    checks.equal("invoke: memory in the context", int(context["memory_limit_in_mb"]), 128)
    checks.matches("invoke: log stream", context["log_stream_name"], r"\d{4}/\d\d/\d\d/\[\$LATEST\][0-9a-f]{32}")
    checks.holds("invoke: remaining time", 0 < context["remaining_ms"] <= 3000, context["remaining_ms"], "1..3000")
    log_lines(cold)
    warm = invoke(client, name)
    checks.equal("invoke: same environment", warm.payload["invocations"], 2)
    checks.equal("invoke: same log stream", warm.payload["context"]["log_stream_name"], context["log_stream_name"])
    checks.holds("invoke: a request id of its own", warm.request_id != cold.request_id, warm.request_id, "a new one")
    checks.holds("invoke: no Init Duration when warm", "Init Duration" not in warm.log, warm.log, "none")


def log_lines(cold):
    lines = cold.log.splitlines()
    request = cold.request_id
    start = next((line for line in lines if line.startswith("START")), None)
    checks.equal("log: START", start, f"START RequestId: {request} Version: $LATEST")
    checks.holds("log: own output", any(line.startswith("echoing {") for line in lines), cold.log, "echoing {…")
    checks.holds("log: END", f"END RequestId: {request}" in lines, cold.log, f"END RequestId: {request}")
    order = [
        line.split()[0]
        for line in lines
        if line.split()[:1] and line.split()[0] in ("START", "echoing", "END", "REPORT")
    ]
    checks.equal("log: order", order, ["START", "echoing", "END", "REPORT"])
    report = next((line for line in lines if line.startswith("REPORT")), None)
    fields = (
        rf"REPORT RequestId: {request}\tDuration: \d+\.\d\d ms\tBilled Duration: \d+ ms\tMemory Size: 128 MB\t"
        r"Max Memory Used: \d+ MB\tInit Duration: \d+\.\d\d ms\t"
    )
    checks.matches("log: REPORT of a cold start", report, fields)


def kinds_of_invocation(name):
    context = {"custom": {"k": "v"}, "env": {"locale": "pl"}, "client": {"installation_id": "i"}}
    encoded = base64.b64encode(json.dumps(context).encode()).decode()
    seen = invoke(client, name, ClientContext=encoded).payload["context"]["client_context"]
    checks.equal("invoke: client context", seen, {"custom": {"k": "v"}, "env": {"locale": "pl"}})

    dry = client.invoke(FunctionName=name, InvocationType="DryRun")
    checks.equal("dry run: status", (dry["StatusCode"], dry["Payload"].read()), (204, b""))
    before = invoke(client, name).payload["invocations"]
    client.invoke(FunctionName=name, InvocationType="DryRun")
    after = invoke(client, name).payload["invocations"]
    checks.equal("dry run: runs nothing", after - before, 1)

    silent = client.invoke(FunctionName=name)
    checks.equal("invoke: an empty payload is an empty object", json.load(silent["Payload"])["event"], {})
    checks.holds("invoke: no log unless asked", "LogResult" not in silent, silent, "no LogResult")
    for payload in ("null", "7", '"text"', "[]", "true"):
        event = json.load(client.invoke(FunctionName=name, Payload=payload)["Payload"])["event"]
        checks.equal(f"invoke: event {payload}", event, json.loads(payload))


def updates(name):
    before = client.get_function_configuration(FunctionName=name)
    dry = client.update_function_code(FunctionName=name, ZipFile=SECOND, DryRun=True)
    checks.equal("update code: dry run shows the new hash", dry["CodeSha256"], digest(SECOND))
    unchanged = client.get_function_configuration(FunctionName=name)
    checks.equal("update code: dry run changes nothing", without_metadata(unchanged), without_metadata(before))

    wrong = "00000000-0000-4000-8000-000000000000"
    stale = "The Revision Id provided does not match the latest Revision Id. Call the GetFunction/GetAlias API to retrieve the latest Revision Id"
    for label, call in {
        "code": lambda: client.update_function_code(FunctionName=name, ZipFile=SECOND, RevisionId=wrong),
        "configuration": lambda: client.update_function_configuration(FunctionName=name, Timeout=9, RevisionId=wrong),
    }.items():
        checks.refused(f"update {label}: stale revision", call, "PreconditionFailedException", 412, re.escape(stale))

    changed = client.update_function_code(FunctionName=name, ZipFile=SECOND, RevisionId=before["RevisionId"])
    checks.equal("update code: HTTP status", changed["ResponseMetadata"]["HTTPStatusCode"], 200)
    checks.equal(
        "update code: hash and size", (changed["CodeSha256"], changed["CodeSize"]), (digest(SECOND), len(SECOND))
    )
    progress = {
        "State": "Active",
        "LastUpdateStatus": "InProgress",
        "LastUpdateStatusReason": "The function is being created.",
        "LastUpdateStatusReasonCode": "Creating",
    }
    checks.includes("update code: in progress", changed, progress)
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    after = client.get_function_configuration(FunctionName=name)
    checks.equal("update code: finished", (after["State"], after["LastUpdateStatus"]), ("Active", "Successful"))
    checks.holds("update code: no reason remains", "LastUpdateStatusReason" not in after, after, "none")
    checks.holds(
        "update code: new revision", after["RevisionId"] != before["RevisionId"], after["RevisionId"], "another"
    )
    checks.holds(
        "update code: later date",
        after["LastModified"] > before["LastModified"],
        after["LastModified"],
        f"> {before['LastModified']}",
    )
    answer = invoke(client, name)
    checks.equal("update code: the next start is cold", answer.payload["invocations"], 1)
    update_configuration(name, after)


def update_configuration(name, before):
    settings = {
        "Handler": "echo.other",
        "Timeout": 7,
        "MemorySize": 256,
        "Description": "changed",
        "Environment": {"Variables": {"MARKER": "second", "EMPTY": ""}},
    }
    changed = client.update_function_configuration(FunctionName=name, **settings)
    checks.includes("update configuration: answer", changed, settings)
    checks.equal("update configuration: in progress", changed.get("LastUpdateStatus"), "InProgress")
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    checks.equal("update configuration: new handler", invoke(client, name).payload, "the other handler")
    client.update_function_configuration(FunctionName=name, Handler="echo.handler")
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    answer = invoke(client, name)
    checks.equal("update configuration: the rest stays", answer.payload["marker"], "second")
    checks.equal("update configuration: memory", int(answer.payload["context"]["memory_limit_in_mb"]), 256)
    checks.holds(
        "update configuration: timeout",
        3000 < answer.payload["context"]["remaining_ms"] <= 7000,
        answer.payload["context"],
        "3..7 s",
    )
    after = client.get_function_configuration(FunctionName=name)
    checks.equal("update configuration: same code", after["CodeSha256"], before["CodeSha256"])
    client.update_function_configuration(FunctionName=name, Environment={})
    client.get_waiter("function_updated_v2").wait(FunctionName=name)
    none = client.get_function_configuration(FunctionName=name)
    checks.holds(
        "update configuration: no variables, no member", "Environment" not in none, none.get("Environment"), "absent"
    )


def listing(functions):
    names = [functions.make(f"list-{number:02}", FIRST, "echo.handler", RUNTIME) for number in range(60)]
    first = client.list_functions()
    checks.equal("list: at most 50 on a page", len(first["Functions"]), 50)
    checks.holds("list: marker", first.get("NextMarker"), first.get("NextMarker"), "a marker")
    paginator = client.get_paginator("list_functions")
    for size in (None, 7, 50):
        found = [
            item for page in paginator.paginate(PaginationConfig={"PageSize": size}) for item in page["Functions"]
        ]
        seen = [item["FunctionName"] for item in found]
        checks.equal(f"list: pages of {size}: each once", sorted(set(seen) & set(names)), sorted(names))
        checks.equal(f"list: pages of {size}: no repetition", len(seen), len(set(seen)))
    page = client.list_functions(MaxItems=7)
    checks.equal("list: MaxItems", len(page["Functions"]), 7)
    item = next(item for item in found if item["FunctionName"] == names[0])
    # ListFunctions leaves out State and LastUpdateStatus with their reasons, as its reference says.
    check_description("list: an item", item, described(names[0], FIRST))
    everything = client.list_functions(FunctionVersion="ALL")["Functions"][0]["FunctionArn"]
    checks.holds("list: ALL names versions", everything.endswith(":$LATEST"), everything, "…:$LATEST")
    last = list(paginator.paginate())[-1]
    checks.holds("list: the last page has no marker", "NextMarker" not in last, last.get("NextMarker"), "absent")


def busy_update(name):
    """A change while another one is under way is refused; the function goes on being served meanwhile."""
    client.update_function_code(FunctionName=name, ZipFile=SECOND)
    try:
        client.update_function_configuration(FunctionName=name, Timeout=4)
        held = True  # The first change was already done: nothing to see.
    except client.exceptions.ResourceConflictException as error:
        text = f"The operation cannot be performed at this time. An update is in progress for resource: {arn(name)}"
        held = error.response["Error"]["Message"] == text
    checks.holds("update during an update", held, held, "done, or refused as AWS refuses it")
    client.get_waiter("function_updated_v2").wait(FunctionName=name)


def deletion(name):
    deleted = client.delete_function(FunctionName=name)
    checks.equal("delete: HTTP status", deleted["ResponseMetadata"]["HTTPStatusCode"], 204)
    checks.refused(
        "delete: it is gone", lambda: client.get_function(FunctionName=name), "ResourceNotFoundException", 404
    )
    checks.refused(
        "delete: it cannot be invoked", lambda: client.invoke(FunctionName=name), "ResourceNotFoundException", 404
    )


started = time.monotonic()
with Functions(client) as functions:
    name = f"flow-{functions.mark}"
    functions.names.append(name)
    with checks.part("create and get"):
        got = create_and_get(name)
        download(got["Code"]["Location"])
    for step in (invocations, names_of_function, kinds_of_invocation, updates, busy_update):
        with checks.part(step.__name__):
            step(name)
    with checks.part("listing"):
        listing(functions)
    with checks.part("deletion"):
        deletion(name)
print(f"{time.monotonic() - started:.1f} s")
checks.finish()
