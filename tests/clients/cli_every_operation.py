"""Every operation of Lambda once through the AWS CLI, unmodified: its commands are those of the model, so that an operation
that a newer model brings makes this fail until it is called here.

The CLI's own driver runs in this process, as its program `aws` would start it, which saves half a second a call.
"""

import contextlib
import io
import json
import pathlib
import tempfile
import time
import uuid

# First, so that the CLI takes this model instead of its own copy, which is some operations older.
import botocore.session
import awscli.clidriver
from botocore import xform_name

from lambda_checks import ROLE, Checks, Functions, lambda_client, package, runtime_of
from model.calls import unfinished

ACCOUNT = ROLE.split(":")[4]
OK = 0
#: The CLI leaves it out, since it cannot show a stream; boto3 calls it here.
NOT_IN_CLI = {"InvokeWithResponseStream"}
NEVER = f"00000000-0000-4000-8000-{'0' * 12}"

checks = Checks()
mark = uuid.uuid4().hex[:8]
holder = tempfile.TemporaryDirectory(prefix="cli-every-operation-")
folder = pathlib.Path(holder.name)
driver = awscli.clidriver.create_clidriver()
model = botocore.session.get_session().get_service_model("lambda")
COMMANDS = {xform_name(name, "-"): name for name in model.operation_names}
UNFINISHED = unfinished()
called = set()
client = lambda_client()
region = client.meta.region_name
# Parts of a name, joined by the parts' own meaning.
name, layer, provider = f"every-{mark}", f"layer-{mark}", f"provider-{mark}"
arn = f"arn:aws:lambda:{region}:{ACCOUNT}:function:{name}"
FUNCTION = ("--function-name", name)
LIVE = (*FUNCTION, "--qualifier", "live")


def aws(command, *arguments):
    """Runs `aws lambda COMMAND …` that must succeed; gives its parsed output, empty where it has none."""
    code, out, error = run(command, arguments)
    if is_later(command, error):
        return {}
    checks.equal(command, (code, error), (OK, ""))
    return json.loads(out) if out.strip() else {}


def refused(command, error_code, *arguments):
    """Runs `aws lambda COMMAND …` that must be refused, where there is nothing yet that it could be about."""
    code, _, error = run(command, arguments)
    if not is_later(command, error):
        told = f"({error_code}) when calling the {COMMANDS[command]} operation" in error
        checks.holds(f"{command}: {error_code}", code != OK and told, f"{code} {error}", error_code)


def run(command, arguments):
    called.add(COMMANDS[command])
    out, error = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        code = driver.main(["lambda", command, *map(str, arguments), "--output", "json"])
    return code, out.getvalue(), error.getvalue().strip()


def is_later(command, error):
    """Whether this version says that it does not serve the operation, and the list of operations says so too."""
    later = COMMANDS[command] in UNFINISHED and "(NotImplementedException)" in error
    if later:
        print(f"ok {command}: not served yet", flush=True)
    return later


def settled():
    """Waits as the CLI's own waiter does, which has steps of a second."""
    end = time.monotonic() + 20
    while time.monotonic() < end:
        found = client.get_function_configuration(FunctionName=name)
        if found["State"] == "Active" and found["LastUpdateStatus"] == "Successful":
            return
    raise RuntimeError(f"{name} does not settle: {found}")


def document(value):
    return json.dumps(value)


def functions():
    path = folder / "code.zip"
    path.write_bytes(package({"app.py": "def handler(event, context):\n    return event\n"}))
    content = f"fileb://{path}"
    aws("publish-layer-version", "--layer-name", layer, "--zip-file", content, "--compatible-runtimes", runtime_of("python"))
    aws(
        "create-function", *FUNCTION, "--runtime", runtime_of("python"), "--role", ROLE, "--handler", "app.handler",
        "--zip-file", content, "--timeout", 5, "--tags", "team=every",
    )  # fmt: skip
    settled()
    aws("update-function-configuration", *FUNCTION, "--layers", f"arn:aws:lambda:{region}:{ACCOUNT}:layer:{layer}:1")
    settled()
    aws("update-function-code", *FUNCTION, "--zip-file", content)
    settled()
    for command in ("get-function", "get-function-configuration"):
        aws(command, *FUNCTION)
    listed = aws("list-functions")
    checks.holds("list-functions: the function", name in str(listed), listed, name)
    answer = folder / "answer.json"
    aws("invoke", *FUNCTION, "--payload", '{"a": 1}', answer)
    checks.equal("invoke: answer", json.loads(answer.read_text()), {"a": 1})
    called.add("InvokeWithResponseStream")
    stream = client.invoke_with_response_stream(FunctionName=name, Payload=b"{}")["EventStream"]
    chunks = b"".join(event["PayloadChunk"]["Payload"] for event in stream if "PayloadChunk" in event)
    checks.equal("invoke-with-response-stream: answer", chunks, b"{}")
    event = folder / "event.json"
    event.write_text("{}")
    aws("invoke-async", *FUNCTION, "--invoke-args", event)
    aws("get-account-settings")


def versions():
    checks.includes("publish-version: number", aws("publish-version", *FUNCTION) or {"Version": "1"}, {"Version": "1"})
    aws("list-versions-by-function", *FUNCTION)
    aws("create-alias", *FUNCTION, "--name", "live", "--function-version", "1")
    aws("update-alias", *FUNCTION, "--name", "live", "--description", "changed")
    aws("get-alias", *FUNCTION, "--name", "live")
    aws("list-aliases", *FUNCTION)


def settings():
    aws("put-function-concurrency", *FUNCTION, "--reserved-concurrent-executions", 5)
    aws("get-function-concurrency", *FUNCTION)
    aws("put-provisioned-concurrency-config", *LIVE, "--provisioned-concurrent-executions", 1)
    aws("get-provisioned-concurrency-config", *LIVE)
    aws("list-provisioned-concurrency-configs", *FUNCTION)
    aws("delete-provisioned-concurrency-config", *LIVE)
    aws("delete-function-concurrency", *FUNCTION)
    aws("put-function-recursion-config", *FUNCTION, "--recursive-loop", "Allow")
    aws("get-function-recursion-config", *FUNCTION)
    aws("put-runtime-management-config", *FUNCTION, "--update-runtime-on", "FunctionUpdate")
    aws("get-runtime-management-config", *FUNCTION)
    aws("tag-resource", "--resource", arn, "--tags", "more=yes")
    aws("list-tags", "--resource", arn)
    aws("untag-resource", "--resource", arn, "--tag-keys", "more")
    aws("put-function-event-invoke-config", *LIVE, "--maximum-retry-attempts", 1)
    aws("update-function-event-invoke-config", *LIVE, "--maximum-event-age-in-seconds", 60)
    aws("get-function-event-invoke-config", *LIVE)
    aws("list-function-event-invoke-configs", *FUNCTION)
    aws("delete-function-event-invoke-config", *LIVE)
    aws("create-function-url-config", *LIVE, "--auth-type", "AWS_IAM")
    aws("update-function-url-config", *LIVE, "--cors", "AllowOrigins=https://example.com")
    aws("get-function-url-config", *LIVE)
    aws("list-function-url-configs", *FUNCTION)
    aws("delete-function-url-config", *LIVE)


def policies():
    permission = ("--statement-id", "s3", "--action", "lambda:InvokeFunction", "--principal", "s3.amazonaws.com")
    aws("add-permission", *FUNCTION, *permission)
    aws("get-policy", *FUNCTION)
    aws("remove-permission", *FUNCTION, "--statement-id", "s3")
    statement = {"Sid": "all", "Effect": "Allow", "Principal": {"AWS": "123456789012"}, "Resource": arn}
    policy = document({"Version": "2012-10-17", "Statement": [statement | {"Action": "lambda:InvokeFunction"}]})
    aws("put-resource-policy", "--resource-arn", arn, "--policy", policy)
    aws("get-resource-policy", "--resource-arn", arn)
    aws("delete-resource-policy", "--resource-arn", arn)
    which = ("--layer-name", layer, "--version-number", 1)
    anyone = ("--statement-id", "all", "--action", "lambda:GetLayerVersion", "--principal", "*")
    aws("add-layer-version-permission", *which, *anyone)
    aws("get-layer-version-policy", *which)
    aws("remove-layer-version-permission", *which, "--statement-id", "all")


def signing():
    signers = f"SigningProfileVersionArns=arn:aws:signer:{region}:{ACCOUNT}:/signing-profiles/Own/0123456789"
    created = aws("create-code-signing-config", "--allowed-publishers", signers)
    made = created.get("CodeSigningConfig", {}).get("CodeSigningConfigArn")
    which = ("--code-signing-config-arn", made or f"arn:aws:lambda:{region}:{ACCOUNT}:code-signing-config:csc-{'0' * 17}")
    aws("update-code-signing-config", *which, "--description", "changed")
    aws("get-code-signing-config", *which)
    aws("list-code-signing-configs")
    aws("put-function-code-signing-config", *which, *FUNCTION)
    aws("get-function-code-signing-config", *FUNCTION)
    aws("list-functions-by-code-signing-config", *which)
    aws("delete-function-code-signing-config", *FUNCTION)
    aws("delete-code-signing-config", *which)


def event_sources():
    queue = f"arn:aws:sqs:{region}:{ACCOUNT}:orders"
    Functions(client).reads_queues(name, "orders")
    created = aws("create-event-source-mapping", *FUNCTION, "--event-source-arn", queue, "--no-enabled")
    which = ("--uuid", created.get("UUID", NEVER))
    aws("get-event-source-mapping", *which)
    aws("list-event-source-mappings", *FUNCTION)
    aws("update-event-source-mapping", *which, "--batch-size", 5)
    aws("delete-event-source-mapping", *which)


def capacity():
    which = ("--capacity-provider-name", provider)
    aws(
        "create-capacity-provider", *which, "--vpc-config", "SubnetIds=subnet-0a,SecurityGroupIds=sg-0a",
        "--permissions-config", f"CapacityProviderOperatorRoleArn={ROLE}",
    )  # fmt: skip
    aws("get-capacity-provider", *which)
    aws("list-capacity-providers")
    aws("update-capacity-provider", *which, "--capacity-provider-scaling-config", "MaxVCpuCount=20")
    aws("list-function-versions-by-capacity-provider", *which)
    # Of functions on managed instances alone, which run no code here.
    scaling = ("--qualifier", "$LATEST.PUBLISHED")
    limits = ("--function-scaling-config", "MinExecutionEnvironments=1,MaxExecutionEnvironments=2")
    refused("put-function-scaling-config", "InvalidParameterValueException", *FUNCTION, *scaling, *limits)
    refused("get-function-scaling-config", "InvalidParameterValueException", *FUNCTION, *scaling)
    aws("delete-capacity-provider", *which)


def durable():
    """Records of executions that only a running durable function makes; here there is none."""
    which = ("--durable-execution-arn", f"{arn}:$LATEST/durable-execution/run/{NEVER}")
    none = "ResourceNotFoundException"
    listed = aws("list-durable-executions-by-function", *FUNCTION)
    checks.equal("list-durable-executions-by-function: none", listed.get("DurableExecutions", []), [])
    for command in ("get-durable-execution", "get-durable-execution-history", "stop-durable-execution"):
        refused(command, none, *which)
    for command in ("delete-durable-execution", "pause-durable-execution", "resume-durable-execution"):
        refused(command, none, *which)
    refused("get-durable-execution-state", "InvalidParameterValueException", *which, "--checkpoint-token", "dG9rZW4=")
    refused("checkpoint-durable-execution", "InvalidParameterValueException", *which, "--checkpoint-token", "dG9rZW4=")
    for end in ("success", "failure", "heartbeat"):
        refused(f"send-durable-execution-callback-{end}", none, "--callback-id", "dG9rZW4=")


def the_end():
    which = ("--layer-name", layer, "--version-number", 1)
    aws("get-layer-version", *which)
    aws("get-layer-version-by-arn", "--arn", f"arn:aws:lambda:{region}:{ACCOUNT}:layer:{layer}:1")
    aws("list-layers")
    aws("list-layer-versions", "--layer-name", layer)
    aws("delete-layer-version", *which)
    aws("delete-alias", *FUNCTION, "--name", "live")
    aws("delete-function", *FUNCTION)
    refused("get-function", "ResourceNotFoundException", *FUNCTION)


for part in (functions, versions, settings, policies, signing, event_sources, capacity, durable, the_end):
    with checks.part(part.__name__):
        part()
checks.equal("every operation of the model is called", called ^ set(model.operation_names), set())
checks.finish()
