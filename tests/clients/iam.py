"""Users, groups, roles and policies through boto3 and the AWS CLI, and what their keys and sessions may do to functions.

Starts a server of its own, which verifies every signature.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import boto3
import botocore.config

from lambda_checks import Checks
from own_servers import OwnServer

AWS = pathlib.Path(sys.executable).with_name("aws")
REGION = "us-east-1"
ACCOUNT = "000000000000"
READ_ONLY = "arn:aws:iam::aws:policy/AWSLambda_ReadOnlyAccess"
INVOKE = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "lambda:ListFunctions", "Resource": "*"}]}
)

checks = Checks()


def client(server, service, key=None):
    """A client with a key and secret, and the token of a session; the root's without them."""
    key_id, secret, token = key or (os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"], None)
    return boto3.client(
        service,
        endpoint_url=server.endpoint,
        region_name=REGION,
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        aws_session_token=token,
        config=botocore.config.Config(retries={"total_max_attempts": 1}),
    )


def session(credentials):
    return credentials["AccessKeyId"], credentials["SecretAccessKey"], credentials["SessionToken"]


def trust(principal):
    statement = {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def users_and_groups(server, iam):
    user = iam.create_user(UserName="bob", Path="/team/", Tags=[{"Key": "cost", "Value": "a"}])["User"]
    checks.equal("a user's ARN", user["Arn"], f"arn:aws:iam::{ACCOUNT}:user/team/bob")
    checks.equal("its id", user["UserId"][:4], "AIDA")
    twice = lambda: iam.create_user(UserName="bob")
    checks.refused("the name again", twice, "EntityAlreadyExists", 409, "User with name bob already exists.")
    missing = lambda: iam.get_user(UserName="eve")
    checks.refused("nobody", missing, "NoSuchEntity", 404, "The user with name eve cannot be found.")
    made = iam.create_access_key(UserName="bob")["AccessKey"]
    key = (made["AccessKeyId"], made["SecretAccessKey"], None)
    bob = client(server, "lambda", key)
    identity = client(server, "sts", key).get_caller_identity()
    checks.equal("who bob is", (identity["Arn"], identity["UserId"]), (user["Arn"], user["UserId"]))
    checks.refused("nothing is granted", bob.list_functions, "AccessDeniedException", 403, "no identity-based policy")
    iam.put_user_policy(UserName="bob", PolicyName="list", PolicyDocument=INVOKE)
    checks.equal("an inline policy", bob.list_functions()["Functions"], [])
    checks.equal("as written", iam.get_user_policy(UserName="bob", PolicyName="list")["PolicyDocument"], json.loads(INVOKE))
    iam.create_group(GroupName="readers")
    iam.attach_group_policy(GroupName="readers", PolicyArn=READ_ONLY)
    iam.add_user_to_group(GroupName="readers", UserName="bob")
    checks.equal("a group's policy", bob.get_account_settings()["ResponseMetadata"]["HTTPStatusCode"], 200)
    checks.equal("its members", [user["UserName"] for user in iam.get_group(GroupName="readers")["Users"]], ["bob"])
    own = client(server, "iam", key)
    checks.refused("IAM itself", lambda: own.create_user(UserName="x"), "AccessDenied", 403, "iam:CreateUser")
    malformed = lambda: iam.put_user_policy(UserName="bob", PolicyName="x", PolicyDocument="{")
    checks.refused("no policy", malformed, "MalformedPolicyDocument", 400)
    checks.refused("bob is in use", lambda: iam.delete_user(UserName="bob"), "DeleteConflict", 409)
    return key


def roles(server, iam, key):
    iam.create_role(RoleName="worker", AssumeRolePolicyDocument=trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/team/bob"}))
    arn = iam.create_policy(PolicyName="lists", PolicyDocument=INVOKE)["Policy"]["Arn"]
    iam.attach_role_policy(RoleName="worker", PolicyArn=arn)
    role = f"arn:aws:iam::{ACCOUNT}:role/worker"
    sts = client(server, "sts", key)
    assumed = sts.assume_role(RoleArn=role, RoleSessionName="shift")
    checks.equal("a session", assumed["AssumedRoleUser"]["Arn"], f"arn:aws:sts::{ACCOUNT}:assumed-role/worker/shift")
    made = session(assumed["Credentials"])
    checks.equal("who it is", client(server, "sts", made).get_caller_identity()["Arn"], assumed["AssumedRoleUser"]["Arn"])
    worker = client(server, "lambda", made)
    checks.equal("what it may", worker.list_functions()["Functions"], [])
    checks.refused("what not", worker.get_account_settings, "AccessDeniedException", 403)
    long = lambda: sts.assume_role(RoleArn=role, RoleSessionName="shift", DurationSeconds=7200)
    checks.refused("too long", long, "ValidationError", 400, "MaxSessionDuration")
    other = lambda: sts.assume_role(RoleArn=role + "2", RoleSessionName="shift")
    checks.refused("no such role", other, "AccessDenied", 403, "sts:AssumeRole")
    tried = iam.simulate_principal_policy(
        PolicySourceArn=role, ActionNames=["lambda:ListFunctions", "lambda:GetFunction"]
    )
    decisions = [result["EvalDecision"] for result in tried["EvaluationResults"]]
    checks.equal("simulated", decisions, ["allowed", "implicitDeny"])
    matched = tried["EvaluationResults"][0]["MatchedStatements"]
    begin, end = INVOKE.index("[") + 2, len(INVOKE) - 1
    statement = {
        "SourcePolicyId": "lists", "SourcePolicyType": "IAM Policy",
        "StartPosition": {"Line": 1, "Column": begin}, "EndPosition": {"Line": 1, "Column": end},
    }  # fmt: skip
    checks.equal("by its policy", matched, [statement])
    used = iam.get_role(RoleName="worker")["Role"]["RoleLastUsed"]
    checks.equal("when it was used", (used["Region"], "LastUsedDate" in used), (REGION, True))
    last = iam.get_access_key_last_used(AccessKeyId=key[0])
    checks.equal("what its key was used for", (last["UserName"], last["AccessKeyLastUsed"]["ServiceName"]), ("bob", "sts"))
    owner = lambda: client(server, "sts").assume_role(RoleArn=role, RoleSessionName="shift")
    checks.refused("the owner", owner, "AccessDenied", 403, "Roles may not be assumed by root accounts.")
    token = session(client(server, "sts").get_session_token()["Credentials"])
    again = client(server, "sts", token).get_session_token
    checks.refused("a session from a session", again, "AccessDenied", 403, "Cannot call GetSessionToken with session")
    checks.refused("IAM with a session", client(server, "iam", token).list_users, "InvalidClientTokenId", 403)
    nobody = lambda: iam.create_role(
        RoleName="lonely", AssumeRolePolicyDocument=trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/nobody"})
    )
    checks.refused("trust in nobody", nobody, "MalformedPolicyDocument", 400, "Invalid principal in policy")
    checks.refused("in use", lambda: iam.delete_policy(PolicyArn=arn), "DeleteConflict", 409)
    iam.detach_role_policy(RoleName="worker", PolicyArn=arn)
    iam.delete_policy(PolicyArn=arn)
    iam.delete_role(RoleName="worker")
    checks.refused("its role is gone", worker.list_functions, "UnrecognizedClientException", 403)


def command_line(server):
    def aws(*words):
        command = [AWS, *words, "--endpoint-url", server.endpoint, "--region", REGION, "--output", "json"]
        answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
        return json.loads(answer.stdout) if answer.stdout else None

    checks.equal("the root", aws("sts", "get-caller-identity")["Arn"], f"arn:aws:iam::{ACCOUNT}:root")
    aws("iam", "create-role", "--role-name", "lambda-role", "--assume-role-policy-document",
        trust({"Service": "lambda.amazonaws.com"}))  # fmt: skip
    policy = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    aws("iam", "attach-role-policy", "--role-name", "lambda-role", "--policy-arn", policy)
    attached = aws("iam", "list-attached-role-policies", "--role-name", "lambda-role")["AttachedPolicies"]
    checks.equal("attached", attached, [{"PolicyName": "AWSLambdaBasicExecutionRole", "PolicyArn": policy}])
    checks.equal("the users", [user["UserName"] for user in aws("iam", "list-users")["Users"]], ["bob"])


def keys_end(server, iam, key):
    iam.update_access_key(UserName="bob", AccessKeyId=key[0], Status="Inactive")
    call = client(server, "sts", key).get_caller_identity
    checks.refused("a key that is off", call, "InvalidClientTokenId", 403)
    iam.delete_access_key(UserName="bob", AccessKeyId=key[0])
    iam.remove_user_from_group(GroupName="readers", UserName="bob")
    iam.delete_user_policy(UserName="bob", PolicyName="list")
    iam.delete_user(UserName="bob")
    checks.equal("nobody is left", iam.list_users()["Users"], [])


with tempfile.TemporaryDirectory() as folder, OwnServer(folder) as server:
    iam = client(server, "iam")
    key = users_and_groups(server, iam)
    roles(server, iam, key)
    command_line(server)
    keys_end(server, iam, key)
checks.finish()
