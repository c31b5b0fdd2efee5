"""How a function is configured, labelled and guarded, through boto3 and the AWS CLI: settings that are only kept, secrets at
rest, tags, runtime management, recursion, and code signing.
"""

import json
import os
import pathlib
import subprocess
import sys

from lambda_checks import Checks, Functions, invoke, lambda_client, package, runtime_of

RUNTIME = runtime_of("python")
CODE = package({"app.py": "import os\ndef handler(event, context):\n    return os.environ.get('PASSWORD')\n"})
SECRET = "correct-horse-battery-staple"
VPC = {"SubnetIds": ["subnet-1", "subnet-2"], "SecurityGroupIds": ["sg-1"]}
QUEUE = "arn:aws:sqs:us-east-1:000000000000:failed"
KEY = "arn:aws:kms:us-east-1:000000000000:key/0a"
PUBLISHER = "arn:aws:signer:us-east-1:000000000000:/signing-profiles/ours/aB3"

client = lambda_client()
checks = Checks()


def aws(*arguments):
    """`aws lambda …` as people type it; its parsed output."""
    program = pathlib.Path(sys.executable).parent / "aws"
    done = subprocess.run([program, "lambda", *arguments], capture_output=True, text=True, check=True)
    return json.loads(done.stdout) if done.stdout.strip() else None


def make(functions, label, **settings):
    return functions.make(label, CODE, "app.handler", RUNTIME, **settings)


with Functions(client) as functions:
    with checks.part("kept settings"):
        name = make(
            functions, "kept", VpcConfig=VPC, DeadLetterConfig={"TargetArn": QUEUE}, KMSKeyArn=KEY,
            Environment={"Variables": {"PASSWORD": SECRET}},
        )
        seen = client.get_function(FunctionName=name)["Configuration"]
        checks.includes("a network is kept", seen["VpcConfig"], VPC | {"Ipv6AllowedForDualStack": False})
        checks.equal("a dead-letter target is kept", seen["DeadLetterConfig"], {"TargetArn": QUEUE})
        checks.equal("a key is kept", seen["KMSKeyArn"], KEY)
        checks.equal("the function has its variable", invoke(client, name).payload, SECRET)
        data = pathlib.Path(os.environ["DORMOUSE_DATA_DIR"])
        showing = [str(path) for path in data.glob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]
        checks.equal("no record shows a variable", showing, [])
        changed = client.update_function_configuration(
            FunctionName=name, VpcConfig={"SubnetIds": [], "SecurityGroupIds": []}, KMSKeyArn="",
            DeadLetterConfig={"TargetArn": ""},
        )
        checks.equal("a network is taken back", changed["VpcConfig"]["SubnetIds"], [])
        checks.equal("so are target and key", [m for m in ("DeadLetterConfig", "KMSKeyArn") if m in changed], [])
        functions.await_active(name)

    with checks.part("what cannot be run"):
        name = make(functions, "durable", DurableConfig={"ExecutionTimeout": 60})
        seen = client.get_function_configuration(FunctionName=name)["DurableConfig"]
        checks.equal("a durable function is kept", seen, {"ExecutionTimeout": 60, "RetentionPeriodInDays": 14})
        call = lambda: client.invoke(FunctionName=name)
        checks.refused("and not run", call, "InvalidParameterValueException", 400, "DurableConfig")

    with checks.part("tags"):
        name = make(functions, "tagged", Tags={"team": "a"})
        arn = client.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
        aws("tag-resource", "--resource", arn, "--tags", "team=b,cost=1")
        checks.equal("tags are added", client.list_tags(Resource=arn)["Tags"], {"team": "b", "cost": "1"})
        client.untag_resource(Resource=arn, TagKeys=["team"])
        checks.equal("and removed", aws("list-tags", "--resource", arn)["Tags"], {"cost": "1"})
        checks.equal("and shown with it", client.get_function(FunctionName=name)["Tags"], {"cost": "1"})
        version = client.publish_version(FunctionName=name)["FunctionArn"]
        call = lambda: client.tag_resource(Resource=version, Tags={"a": "b"})
        checks.refused("versions have none", call, "InvalidParameterValueException", 400, "specify a function ARN")

    with checks.part("runtime management and recursion"):
        seen = client.get_runtime_management_config(FunctionName=name)["UpdateRuntimeOn"]
        checks.equal("runtimes are updated by themselves", seen, "Auto")
        runtime = client.get_function_configuration(FunctionName=name)["RuntimeVersionConfig"]["RuntimeVersionArn"]
        aws(
            "put-runtime-management-config", "--function-name", name, "--update-runtime-on", "Manual",
            "--runtime-version-arn", runtime, "--qualifier", "1",
        )
        seen = client.get_runtime_management_config(FunctionName=name, Qualifier="1")
        checks.includes("a version stays", seen, {"UpdateRuntimeOn": "Manual", "RuntimeVersionArn": runtime})
        seen = client.get_runtime_management_config(FunctionName=name)["UpdateRuntimeOn"]
        checks.equal("and no other", seen, "Auto")
        client.put_function_recursion_config(FunctionName=name, RecursiveLoop="Allow")
        seen = aws("get-function-recursion-config", "--function-name", name)["RecursiveLoop"]
        checks.equal("circles are allowed", seen, "Allow")

    with checks.part("code signing"):
        made = client.create_code_signing_config(
            AllowedPublishers={"SigningProfileVersionArns": [PUBLISHER]},
            CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Enforce"}, Tags={"team": "a"},
        )["CodeSigningConfig"]
        arn = made["CodeSigningConfigArn"]
        checks.equal("a configuration has tags", client.list_tags(Resource=arn)["Tags"], {"team": "a"})
        name = make(functions, "signed")
        aws("put-function-code-signing-config", "--function-name", name, "--code-signing-config-arn", arn)
        users = client.list_functions_by_code_signing_config(CodeSigningConfigArn=arn)["FunctionArns"]
        checks.equal("who has it is told", [user.rsplit(":", 1)[1] for user in users], [name])
        update = lambda: client.update_function_code(FunctionName=name, ZipFile=CODE)
        checks.refused("unsigned code is refused", update, "CodeVerificationFailedException", 400)
        delete = lambda: client.delete_code_signing_config(CodeSigningConfigArn=arn)
        checks.refused("what is in use stays", delete, "ResourceConflictException", 409)
        client.update_code_signing_config(
            CodeSigningConfigArn=arn, CodeSigningPolicies={"UntrustedArtifactOnDeployment": "Warn"}
        )
        checks.equal("a warning lets code in", update()["LastUpdateStatus"], "InProgress")
        functions.await_active(name)
        client.delete_function_code_signing_config(FunctionName=name)
        seen = client.get_function_code_signing_config(FunctionName=name).get("CodeSigningConfigArn")
        checks.equal("a function loses it", seen, None)
        delete()
        get = lambda: client.get_code_signing_config(CodeSigningConfigArn=arn)
        checks.refused("and it can go", get, "ResourceNotFoundException", 404, "can not be found")

checks.finish()
