"""Who may do what: grants from one account to another for functions, aliases and layers, denials in AWS's words, the
limits of a function's own credentials, and the audit log of it all.

Starts servers of its own: one that takes any key, where a key of twelve digits names its account, and one that verifies.
"""

import functools
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import boto3
import botocore.config

from lambda_checks import Checks, Functions, package, runtime_of
from own_servers import OpenServer, OwnServer

AWS = pathlib.Path(sys.executable).with_name("aws")
OWNER, OTHER = "111111111111", "222222222222"
RUNTIME = runtime_of("python")
REGION = "us-east-1"
DENIED = ("AccessDeniedException", 403)
MISSING = ("ResourceNotFoundException", 404)
SECRET = "a secret of the environment"

#: Tells which layers it has, and what its own credentials let it do.
HANDLER = """
import json, os, sys
sys.path.insert(0, "/opt/python")

def handler(event, context):
    if "sign" in event:
        return {name: os.environ[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")}
    try:
        import tool
        return tool.VALUE
    except ImportError:
        return "no tool"
"""

checks = Checks()


def client_of(server, account):
    return boto3.client(
        "lambda",
        endpoint_url=server.endpoint,
        region_name=REGION,
        aws_access_key_id=account,
        aws_secret_access_key="any",
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )


def arn_of(name):
    return f"arn:aws:lambda:{REGION}:{OWNER}:function:{name}"


def denied(action, resource, why):
    return f"^User: arn:aws:iam::{OTHER}:root is not authorized to perform: lambda:{action} on resource: {resource} {why}$"


def nobody_allows(action):
    return f"because no resource-based policy allows the lambda:{action} action"


def payload_of(answer):
    return json.loads(answer["Payload"].read())


def statement_by_statement(functions, other):
    owner = functions.client
    name = functions.make("shared", package({"app.py": HANDLER}), "app.handler", RUNTIME)
    arn = arn_of(name)
    call = functools.partial(other.invoke, FunctionName=arn)
    words = denied("InvokeFunction", arn, nobody_allows("InvokeFunction"))
    checks.refused("before the grant", call, *DENIED, words)
    nowhere = f"{arn}-nowhere"
    unseen = lambda: other.get_function(FunctionName=nowhere)
    checks.refused("what is not there looks the same", unseen, *DENIED, denied("GetFunction", nowhere, nobody_allows("GetFunction")))

    grant = dict(FunctionName=name, StatementId="other", Action="lambda:InvokeFunction", Principal=OTHER)
    added = owner.add_permission(**grant)
    statement = {
        "Sid": "other", "Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{OTHER}:root"},
        "Action": "lambda:InvokeFunction", "Resource": arn,
    }  # fmt: skip
    checks.equal("the statement", json.loads(added["Statement"]), statement)
    policy = owner.get_policy(FunctionName=name)
    expected = {"Version": "2012-10-17", "Id": "default", "Statement": [statement]}
    checks.equal("the policy", json.loads(policy["Policy"]), expected)
    checks.equal("with the grant", payload_of(call()), "no tool")
    checks.equal("by its account and name", payload_of(other.invoke(FunctionName=f"{OWNER}:function:{name}")), "no tool")
    get = lambda: other.get_function(FunctionName=arn)
    checks.refused("the grant is for one action", get, *DENIED, denied("GetFunction", arn, nobody_allows("GetFunction")))
    qualified = lambda: other.invoke(FunctionName=arn, Qualifier="$LATEST")
    checks.refused("the grant is for one ARN", qualified, *DENIED, "InvokeFunction on resource: .*:[$]LATEST because")
    twice = lambda: owner.add_permission(**grant)
    checks.refused("the same id", twice, "ResourceConflictException", 409, r"The statement id \(other\) provided already exists")

    stale = lambda: owner.remove_permission(FunctionName=name, StatementId="other", RevisionId="stale")
    checks.refused("a stale revision", stale, "PreconditionFailedException", 412)
    owner.remove_permission(FunctionName=name, StatementId="other", RevisionId=policy["RevisionId"])
    checks.refused("after it was taken back", call, *DENIED, words)
    checks.refused("no policy is left", lambda: owner.get_policy(FunctionName=name), *MISSING)

    owner.add_permission(**grant | dict(Action="lambda:UpdateFunctionConfiguration"))
    other.update_function_configuration(FunctionName=arn, Description="by the other")
    functions.await_active(name)
    shown = owner.get_function_configuration(FunctionName=name)["Description"]
    checks.equal("changed by the other, in the owner's account", shown, "by the other")
    own = lambda: other.get_function(FunctionName=name)
    checks.refused("the other's own function of that name", own, *MISSING, f":{OTHER}:function:{name}")


def whole_policies(functions, other):
    owner = functions.client
    name = functions.make("whole", package({"app.py": HANDLER}), "app.handler", RUNTIME)
    arn = arn_of(name)
    call = functools.partial(other.invoke, FunctionName=arn)

    def put(*statements):
        shared = {"Principal": {"AWS": OTHER}, "Resource": arn}
        document = {"Version": "2012-10-17", "Statement": [shared | statement for statement in statements]}
        return owner.put_resource_policy(ResourceArn=arn, Policy=json.dumps(document))

    allow = {"Effect": "Allow", "Action": "lambda:Invoke*"}
    kept = put(allow)
    checks.equal("allowed by a wildcard", payload_of(call()), "no tool")
    got = owner.get_resource_policy(ResourceArn=arn)
    checks.equal("the whole policy", (got["Policy"], got["RevisionId"]), (kept["Policy"], kept["RevisionId"]))
    checks.equal("the other form of it", owner.get_policy(FunctionName=name)["Policy"], kept["Policy"])
    put(allow, {"Effect": "Deny", "Action": "*"})
    explicit = "with an explicit deny in a resource-based policy"
    checks.refused("an explicit denial wins", call, *DENIED, denied("InvokeFunction", arn, explicit))
    address = lambda ranges: {"Condition": {"IpAddress": {"aws:SourceIp": ranges}}}
    put(allow | address("203.0.113.0/24"))
    checks.refused("from elsewhere only", call, *DENIED, nobody_allows("InvokeFunction"))
    put(allow | address(["203.0.113.0/24", "127.0.0.0/8"]))
    checks.equal("from here", payload_of(call()), "no tool")
    tagged = {"Condition": {"StringEquals": {"aws:ResourceTag/stage": "open"}}}
    put(allow | tagged)
    checks.refused("without the tag", call, *DENIED)
    put(allow | {"Condition": {"StringEquals": {"aws:PrincipalAccount": OTHER, "aws:RequestedRegion": REGION}}})
    checks.equal("by account and region", payload_of(call()), "no tool")
    public = lambda: put({"Effect": "Allow", "Principal": "*", "Action": "lambda:*"})
    checks.refused("everybody for everything", public, "PublicPolicyException", 400)
    nonsense = lambda: owner.put_resource_policy(ResourceArn=arn, Policy="{}")
    checks.refused("what is no policy", nonsense, "InvalidParameterValueException", 400, "Syntax errors in policy.")
    owner.delete_resource_policy(ResourceArn=arn)
    checks.refused("after it was deleted", call, *DENIED)


def aliases(functions, other):
    owner = functions.client
    name = functions.make("aliased", package({"app.py": HANDLER}), "app.handler", RUNTIME)
    version = owner.publish_version(FunctionName=name)["Version"]
    owner.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
    owner.add_permission(
        FunctionName=name, Qualifier="live", StatementId="other", Action="lambda:InvokeFunction", Principal=OTHER
    )
    arn = arn_of(name)
    checks.equal("the alias", payload_of(other.invoke(FunctionName=f"{arn}:live")), "no tool")
    checks.refused("not the function", lambda: other.invoke(FunctionName=arn), *DENIED)
    checks.refused("not the version", lambda: other.invoke(FunctionName=arn, Qualifier=version), *DENIED)
    owner.delete_alias(FunctionName=name, Name="live")
    owner.create_alias(FunctionName=name, Name="live", FunctionVersion=version)
    checks.refused("an alias made anew", lambda: other.invoke(FunctionName=f"{arn}:live"), *DENIED)


def layers(functions, other):
    owner = functions.client
    layer = functions.layer("tool", package({"python/tool.py": "VALUE = 'the tool'\n"}))
    name = layer.split(":")[-2]
    with Functions(other) as others:
        make = lambda: others.make("borrows", package({"app.py": HANDLER}), "app.handler", RUNTIME, Layers=[layer])
        words = denied("GetLayerVersion", layer, nobody_allows("GetLayerVersion"))
        checks.refused("a layer that is not shared", make, *DENIED, words)
        read = lambda: other.get_layer_version_by_arn(Arn=layer)
        checks.refused("reading it", read, *DENIED, words)
        shared = owner.add_layer_version_permission(
            LayerName=name, VersionNumber=1, StatementId="other", Action="lambda:GetLayerVersion", Principal=OTHER
        )
        principal = json.loads(shared["Statement"])["Principal"]
        checks.equal("the statement of a layer", principal, {"AWS": f"arn:aws:iam::{OTHER}:root"})
        checks.equal("a shared layer is read", read()["LayerVersionArn"], layer)
        borrower = make()
        checks.equal("a shared layer is used", payload_of(other.invoke(FunctionName=borrower)), "the tool")
        delete = lambda: other.delete_layer_version(LayerName=layer.rpartition(":")[0], VersionNumber=1)
        checks.refused("a shared layer is not deleted", delete, *DENIED)
        policy = owner.get_layer_version_policy(LayerName=name, VersionNumber=1)
        checks.equal("its policy", policy["RevisionId"], shared["RevisionId"])
        owner.remove_layer_version_permission(LayerName=name, VersionNumber=1, StatementId="other")
        checks.refused("after it was taken back", read, *DENIED, words)
        again = payload_of(other.invoke(FunctionName=borrower))
        checks.equal("who has it keeps it", again, "the tool")


def command_line(functions, other):
    name = functions.make("by-command", package({"app.py": HANDLER}), "app.handler", RUNTIME)

    def aws(account, *arguments):
        environment = {key: os.environ[key] for key in ("PATH",)} | {
            "AWS_ENDPOINT_URL": other.meta.endpoint_url, "AWS_ACCESS_KEY_ID": account, "AWS_SECRET_ACCESS_KEY": "any",
            "AWS_DEFAULT_REGION": REGION, "AWS_PAGER": "", "AWS_MAX_ATTEMPTS": "1", "HOME": "/nonexistent",
        }  # fmt: skip
        command = [AWS, "lambda", *arguments, "--output", "json"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)

    grant = ("--statement-id", "s", "--action", "lambda:GetFunction", "--principal", OTHER)
    added = aws(OWNER, "add-permission", "--function-name", name, *grant)
    checks.equal("aws: add-permission", added.returncode, 0)
    got = aws(OTHER, "get-function", "--function-name", arn_of(name))
    checks.equal("aws: get-function of another account", got.returncode, 0)
    refused = aws(OTHER, "delete-function", "--function-name", arn_of(name))
    words = refused.stderr.strip()
    checks.holds("aws: delete-function", "AccessDeniedException" in words and refused.returncode != 0, words, "a denial")
    removed = aws(OWNER, "remove-permission", "--function-name", name, "--statement-id", "s")
    checks.equal("aws: remove-permission", removed.returncode, 0)


def own_credentials(server):
    """A function whose role does not exist may do nothing with its credentials but write its logs."""
    with Functions(server.client) as functions:
        secret = {"Variables": {"TOKEN": SECRET}}
        name = functions.make("limited", package({"app.py": HANDLER}), "app.handler", RUNTIME, Environment=secret)
        keys = payload_of(functions.client.invoke(FunctionName=name, Payload=json.dumps({"sign": True})))
        inside = boto3.client(
            "lambda",
            endpoint_url=server.endpoint,
            region_name=REGION,
            aws_access_key_id=keys["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=keys["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=keys["AWS_SESSION_TOKEN"],
        )
        words = f"^User: arn:aws:sts::[0-9]+:assumed-role/.*/{name} is not authorized to perform: lambda:{{0}} .*{{1}}"
        why = "because no identity-based policy allows the lambda:{0} action$"
        for action, call in (
            ("InvokeFunction", lambda: inside.invoke(FunctionName=name)),
            ("GetFunction", lambda: inside.get_function(FunctionName=name)),
            ("ListFunctions", inside.list_functions),
            ("CreateAlias", lambda: inside.create_alias(FunctionName=name, Name="a", FunctionVersion="1")),
        ):
            checks.refused(f"its own {action}", call, *DENIED, words.format(action, why.format(action)))
        role = functions.client.get_function_configuration(FunctionName=name)["Role"]
        account, role = role.split(":")[4], role.rpartition("/")[2]
        principal = f"arn:aws:sts::{account}:assumed-role/{role}/{name}"
        functions.client.add_permission(
            FunctionName=name, StatementId="self", Action="lambda:GetFunction", Principal=principal
        )
        # Only a role that is there has sessions: one made later, or for others, must not find a stranger in its place.
        get = lambda: inside.get_function(FunctionName=name)
        checks.refused("named as a session of its role", get, *DENIED, words.format("GetFunction", ""))
        return name


def audited(server, name):
    lines = "".join(path.read_text() for path in sorted((server.data_dir / "audit").glob("audit-*.jsonl")))
    events = [json.loads(line) for line in lines.splitlines()]
    kept = [event for event in events if event["eventName"] == "CreateFunction"]
    checks.equal("audit: the creation", [event["requestParameters"]["functionName"] for event in kept], [name])
    checks.includes("audit: its form", kept[0], {"eventSource": "lambda.amazonaws.com", "awsRegion": REGION})
    checks.equal("audit: by the root", kept[0]["userIdentity"]["type"], "Root")
    refused = [event for event in events if event.get("errorCode") == "AccessDeniedException"]
    names = {event["eventName"] for event in refused}
    checks.equal("audit: what was denied", names, {"GetFunction", "ListFunctions", "CreateAlias"})
    checks.equal("audit: to whom", {event["userIdentity"]["type"] for event in refused}, {"AssumedRole"})
    invocations = [event for event in events if event["eventName"] == "Invoke"]
    checks.equal("audit: no invocation", invocations, [])
    checks.equal("audit: no secret", SECRET in lines, False)


with tempfile.TemporaryDirectory(prefix="authorization-") as folder, OpenServer(folder) as server:
    owner, other = (client_of(server, account) for account in (OWNER, OTHER))
    with Functions(owner) as functions:
        for part in (statement_by_statement, whole_policies, aliases, layers, command_line):
            with checks.part(part.__name__):
                part(functions, other)
    checks.equal("no audit log unless asked for", (server.data_dir / "audit").exists(), False)

with tempfile.TemporaryDirectory(prefix="authorization-") as folder, OwnServer(folder) as server:
    with checks.part("own credentials"):
        name = own_credentials(server)
        server.stop()
        audited(server, name)
checks.finish()
