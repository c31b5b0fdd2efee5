"""The whole life of a function through boto3: create, wait, invoke, read, list, change, delete."""

import base64
import io
import json
import urllib.request
import zipfile

import boto3


def package(answer):
    code = f"""
import os
def handler(event, context):
    print("hello from", context.function_name)
    client = context.client_context
    return {{"answer": {answer!r}, "event": event, "stage": os.environ.get("STAGE"),
            "custom": client.custom if client else None}}
"""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", code)
    return buffer.getvalue()


def invoke(client, name, event, **more):
    answer = client.invoke(FunctionName=name, Payload=json.dumps(event), **more)
    assert answer["StatusCode"] == 200 and "FunctionError" not in answer, answer
    return answer, json.loads(answer["Payload"].read())


client = boto3.client("lambda")
first = package("one")
created = client.create_function(
    FunctionName="life",
    Runtime="python3.11",
    Handler="app.handler",
    Role="arn:aws:iam::000000000000:role/nobody",
    Code={"ZipFile": first},
    Environment={"Variables": {"STAGE": "test"}},
    Tags={"team": "dormice"},
    Timeout=5,
)
assert created["FunctionArn"] == "arn:aws:lambda:us-east-1:000000000000:function:life", created
assert created["Version"] == "$LATEST" and created["PackageType"] == "Zip", created
client.get_waiter("function_active_v2").wait(FunctionName="life", WaiterConfig={"Delay": 1})

context = base64.b64encode(json.dumps({"custom": {"k": "v"}}).encode()).decode()
answer, payload = invoke(client, "life", {"n": 1}, LogType="Tail", ClientContext=context)
assert payload == {"answer": "one", "event": {"n": 1}, "stage": "test", "custom": {"k": "v"}}, payload
assert answer["ExecutedVersion"] == "$LATEST", answer
log = base64.b64decode(answer["LogResult"]).decode()
assert "hello from life" in log and "REPORT RequestId:" in log and "Init Duration" in log, log
for reference in (created["FunctionArn"], "000000000000:function:life", "life:$LATEST"):
    assert invoke(client, reference, 1)[1]["event"] == 1, reference
assert client.invoke(FunctionName="life", InvocationType="DryRun")["StatusCode"] == 204

found = client.get_function(FunctionName="life")
assert found["Tags"] == {"team": "dormice"} and found["Code"]["RepositoryType"] == "S3", found
with urllib.request.urlopen(found["Code"]["Location"]) as download:
    assert download.read() == first, "the package comes back as it was sent"

before = found["Configuration"]["RevisionId"]
changed = client.update_function_code(FunctionName="life", ZipFile=package("two"), RevisionId=before)
assert changed["RevisionId"] != before and changed["CodeSha256"] != created["CodeSha256"], changed
client.get_waiter("function_updated_v2").wait(FunctionName="life", WaiterConfig={"Delay": 1})
assert invoke(client, "life", None)[1]["answer"] == "two"
client.update_function_configuration(FunctionName="life", Environment={"Variables": {"STAGE": "live"}})
client.get_waiter("function_updated_v2").wait(FunctionName="life", WaiterConfig={"Delay": 1})
assert invoke(client, "life", None)[1]["stage"] == "live"

for number in range(3):
    client.create_function(
        FunctionName=f"life-{number}",
        Runtime="python3.11",
        Handler="app.handler",
        Role="arn:aws:iam::000000000000:role/nobody",
        Code={"ZipFile": package("more")},
    )
pages = client.get_paginator("list_functions").paginate(PaginationConfig={"PageSize": 2})
names = [function["FunctionName"] for page in pages for function in page["Functions"]]
assert names == ["life", "life-0", "life-1", "life-2"], names

client.delete_function(FunctionName="life")
try:
    client.get_function_configuration(FunctionName="life")
    raise AssertionError("the function is still there")
except client.exceptions.ResourceNotFoundException as error:
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 404, error.response
print("a whole life")
