"""Capacity providers and scaling configurations, through boto3 and the AWS CLI: created, listed page by page, labelled,
kept for who uses them, and shown as they were set.
"""

import json
import pathlib
import subprocess
import sys

from lambda_checks import ROLE, Checks, Functions, lambda_client, package, runtime_of

RUNTIME = runtime_of("python")
CODE = package({"app.py": "def handler(event, context):\n    return event\n"})
PROVIDER = {
    "VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]},
    "PermissionsConfig": {"CapacityProviderOperatorRoleArn": ROLE},
}
SCALING = {
    "MaxVCpuCount": 30,
    "ScalingMode": "Manual",
    "ScalingPolicies": [
        {"PredefinedMetricType": "LambdaCapacityProviderAverageCPUUtilization", "TargetValue": 62.5}
    ],
}

client = lambda_client()
checks = Checks()


def aws(*arguments):
    """`aws lambda …` as people type it; its parsed output."""
    program = pathlib.Path(sys.executable).parent / "aws"
    done = subprocess.run([program, "lambda", *arguments], capture_output=True, text=True, check=True)
    return json.loads(done.stdout) if done.stdout.strip() else None


with Functions(client) as functions:
    names = [f"pool-{number}-{functions.mark}" for number in range(3)]

    with checks.part("providers"):
        made = client.create_capacity_provider(
            CapacityProviderName=names[0], CapacityProviderScalingConfig=SCALING, Tags={"team": "a"}, **PROVIDER
        )["CapacityProvider"]
        arn = made["CapacityProviderArn"]
        checks.equal("a provider is active", made["State"], "Active")
        seen = aws("get-capacity-provider", "--capacity-provider-name", arn)["CapacityProvider"]
        checks.equal("it is shown as it was set", {key: seen[key] for key in PROVIDER}, PROVIDER)
        checks.equal("with its policies", seen["CapacityProviderScalingConfig"], SCALING)
        again = lambda: client.create_capacity_provider(CapacityProviderName=names[0], **PROVIDER)
        checks.refused("a name is taken once", again, "ResourceConflictException", 409)
        client.tag_resource(Resource=arn, Tags={"cost": "b"})
        client.untag_resource(Resource=arn, TagKeys=["team"])
        checks.equal("it has tags", client.list_tags(Resource=arn)["Tags"], {"cost": "b"})
        changed = client.update_capacity_provider(
            CapacityProviderName=names[0], CapacityProviderScalingConfig={"ScalingMode": "Auto"}
        )["CapacityProvider"]["CapacityProviderScalingConfig"]
        checks.equal("it changes", changed, {"MaxVCpuCount": 30, "ScalingMode": "Auto"})

    with checks.part("lists"):
        for name in names[1:]:
            client.create_capacity_provider(CapacityProviderName=name, **PROVIDER)
        pages = client.get_paginator("list_capacity_providers").paginate(PaginationConfig={"PageSize": 1})
        listed = [one["CapacityProviderArn"] for page in pages for one in page["CapacityProviders"]]
        found = [one.rsplit(":", 1)[1] for one in listed if one.endswith(functions.mark)]
        checks.equal("pages together are the list", found, names)
        gone = aws("list-capacity-providers", "--state", "Failed")["CapacityProviders"]
        checks.equal("none has failed", gone, [])

    with checks.part("functions on a provider"):
        on_provider = {"LambdaManagedInstancesCapacityProviderConfig": {"CapacityProviderArn": arn}}
        name = functions.make("on-pool", CODE, "app.handler", RUNTIME, CapacityProviderConfig=on_provider)
        version = client.publish_version(FunctionName=name)["Version"]
        pages = client.get_paginator("list_function_versions_by_capacity_provider").paginate(
            CapacityProviderName=names[0], PaginationConfig={"PageSize": 1}
        )
        users = [user["FunctionArn"].rsplit(":", 1)[1] for page in pages for user in page["FunctionVersions"]]
        checks.equal("every version is told", users, ["$LATEST", version])
        delete = lambda: client.delete_capacity_provider(CapacityProviderName=arn)
        checks.refused("what is in use stays", delete, "ResourceConflictException", 409)
        bounds = {"MinExecutionEnvironments": 1, "MaxExecutionEnvironments": 5}
        client.put_function_scaling_config(FunctionName=name, Qualifier=version, FunctionScalingConfig=bounds)
        seen = aws("get-function-scaling-config", "--function-name", name, "--qualifier", version)
        checks.equal("bounds are shown", seen["RequestedFunctionScalingConfig"], bounds)
        checks.equal("and applied", seen["AppliedFunctionScalingConfig"], bounds)
        client.delete_function(FunctionName=name)
        checks.equal("then it can go", delete()["CapacityProvider"]["State"], "Deleting")
        get = lambda: client.get_capacity_provider(CapacityProviderName=names[0])
        checks.refused("and is gone", get, "ResourceNotFoundException", 404, f"Capacity provider not found: {arn}")

    for name in names[1:]:
        client.delete_capacity_provider(CapacityProviderName=name)

checks.finish()
