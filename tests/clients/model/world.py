"""What a server has acknowledged, kept beside it: each resource by kind and key with the answer of its last write.

The rules are Lambda's: what belongs to a function goes with it, what stands on an alias or version goes with that.
"""

import json

#: Kinds that belong to a function: their key begins with its name, then the qualifier.
OWNED = {
    "version", "alias", "url", "event_invoke", "concurrency", "provisioned", "statement", "recursion", "scaling",
    "runtime_management", "function_signing",
}  # fmt: skip
LATEST = "$LATEST"
#: Answers tell the state at their time, which goes on by itself; and revisions follow it.
MOVING = {
    "State", "StateReason", "StateReasonCode", "LastUpdateStatus", "LastUpdateStatusReason", "Location",
    "LastUpdateStatusReasonCode", "RevisionId", "LastModified", "Status", "StatusReason", "StateTransitionReason",
    "AllocatedProvisionedConcurrentExecutions", "AvailableProvisionedConcurrentExecutions", "LastProcessingResult",
}  # fmt: skip


class World:
    """Resources by `(kind, key)`."""

    def __init__(self, region, account):
        self.region = region
        self.account = account
        self.answers = {}

    def note(self, operation, values, answer):
        """Takes an acknowledged call into account."""
        rule = RULES.get(operation)
        if rule:
            rule(self, values, answer)

    def put(self, kind, key, answer):
        self.answers[kind, tuple(key)] = answer

    def drop(self, kind, key):
        self.answers.pop((kind, tuple(key)), None)

    def drop_function(self, name):
        gone = [at for at in self.answers if at[0] in OWNED and at[1][0] == name]
        for at in [*gone, ("function", (name,))]:
            self.answers.pop(at, None)

    def drop_qualifier(self, name, qualifier):
        for at in [at for at in self.answers if at[0] in OWNED and at[1][:2] == (name, qualifier)]:
            del self.answers[at]

    def keys(self, kind):
        return {key for found, key in self.answers if found == kind}


def target(values, otherwise=None):
    """Name and qualifier that a function's name and `Qualifier` mean."""
    text, qualifier = values["FunctionName"], values.get("Qualifier")
    words = text.split(":")
    if "function" in words[:-1]:
        words = words[words.index("function") + 1 :]
    elif words[0].isdigit() and len(words[0]) == 12 and len(words) > 1:
        words = words[1:]
    return words[0], (words[1] if len(words) > 1 else None) or qualifier or otherwise


def after_name(values):
    return target(values)[0]


def of_layer(values):
    """Name and number of a layer's version."""
    return values["LayerName"].split(":")[-1], str(values["VersionNumber"])


def _put_function(world, name, answer):
    """A function and, if the call published one, its version; which of both the ARN names depends on the call."""
    apart = {key: value for key, value in answer.items() if key not in ("FunctionArn", "Version")}
    world.put("function", (name,), apart)
    if answer["Version"] != LATEST:
        world.put("version", (name, answer["Version"]), apart)


def _create_function(world, values, answer):
    name = after_name(values)
    _put_function(world, name, answer)
    if values.get("CodeSigningConfigArn"):
        world.put("function_signing", (name,), {"CodeSigningConfigArn": values["CodeSigningConfigArn"]})


def _update_function(world, values, answer):
    if values.get("DryRun"):
        return
    _put_function(world, after_name(values), answer)


def _delete_function(world, values, _):
    name, qualifier = target(values)
    if qualifier in (None, LATEST):
        world.drop_function(name)
    else:
        world.drop_qualifier(name, qualifier)


def _publish_layer(world, values, answer):
    world.put("layer", (values["LayerName"].split(":")[-1], str(answer["Version"])), answer)


def _delete_layer(world, values, _):
    world.drop("layer", of_layer(values))
    for kind, key in list(world.answers):
        if kind == "layer_statement" and key[:2] == of_layer(values):
            world.drop(kind, key)


def _add_permission(world, values, answer):
    world.put("statement", (*target(values, ""), values["StatementId"]), json.loads(answer["Statement"]))


def _replace_policy(world, values, answer):
    rest = values["ResourceArn"].split(":function:")[-1].split(":")
    name, qualifier = rest[0], rest[1] if len(rest) > 1 else ""
    for kind, key in list(world.answers):
        if kind == "statement" and key[:2] == (name, qualifier):
            world.drop(kind, key)
    for statement in json.loads(answer["Policy"])["Statement"] if answer.get("Policy") else ():
        world.put("statement", (name, qualifier, statement.get("Sid", "")), statement)


def _put(kind, otherwise=None, part=None):
    def rule(world, values, answer):
        world.put(kind, target(values, otherwise), answer[part] if part else answer)

    return rule


def _drop(kind, otherwise=None):
    return lambda world, values, _: world.drop(kind, target(values, otherwise))


def _put_one(kind, part, key):
    return lambda world, values, answer: world.put(kind, (answer[part][key],), answer[part])


RULES = {
    "CreateFunction": _create_function,
    "UpdateFunctionCode": _update_function,
    "UpdateFunctionConfiguration": _update_function,
    "DeleteFunction": _delete_function,
    "PublishVersion": lambda world, values, answer: world.put(
        "version", (after_name(values), answer["Version"]), answer
    ),
    "CreateAlias": lambda world, values, answer: world.put("alias", (after_name(values), values["Name"]), answer),
    "UpdateAlias": lambda world, values, answer: world.put("alias", (after_name(values), values["Name"]), answer),
    "DeleteAlias": lambda world, values, _: world.drop_qualifier(after_name(values), values["Name"]),
    "PublishLayerVersion": _publish_layer,
    "DeleteLayerVersion": _delete_layer,
    "AddPermission": _add_permission,
    "RemovePermission": lambda world, values, _: world.drop(
        "statement", (*target(values, ""), values["StatementId"])
    ),
    "PutResourcePolicy": _replace_policy,
    "DeleteResourcePolicy": lambda world, values, _: _replace_policy(world, values, {}),
    "AddLayerVersionPermission": lambda world, values, answer: world.put(
        "layer_statement", (*of_layer(values), values["StatementId"]), json.loads(answer["Statement"])
    ),
    "RemoveLayerVersionPermission": lambda world, values, _: world.drop(
        "layer_statement", (*of_layer(values), values["StatementId"])
    ),
    "CreateFunctionUrlConfig": _put("url"),
    "UpdateFunctionUrlConfig": _put("url"),
    "DeleteFunctionUrlConfig": _drop("url"),
    "PutFunctionEventInvokeConfig": _put("event_invoke", LATEST),
    "UpdateFunctionEventInvokeConfig": _put("event_invoke", LATEST),
    "DeleteFunctionEventInvokeConfig": _drop("event_invoke", LATEST),
    "PutFunctionConcurrency": lambda world, values, answer: world.put("concurrency", (after_name(values),), answer),
    "DeleteFunctionConcurrency": lambda world, values, _: world.drop("concurrency", (after_name(values),)),
    "PutProvisionedConcurrencyConfig": _put("provisioned"),
    "DeleteProvisionedConcurrencyConfig": _drop("provisioned"),
    "PutFunctionRecursionConfig": lambda world, values, answer: world.put("recursion", (after_name(values),), answer),
    # The ARN is as it was asked for.
    "PutRuntimeManagementConfig": lambda world, values, answer: world.put(
        "runtime_management", target(values, LATEST), {k: v for k, v in answer.items() if k != "FunctionArn"}
    ),
    "PutFunctionCodeSigningConfig": lambda world, values, answer: world.put(
        "function_signing", (after_name(values),), answer
    ),
    "DeleteFunctionCodeSigningConfig": lambda world, values, _: world.drop("function_signing", (after_name(values),)),
    "CreateEventSourceMapping": lambda world, _, answer: world.put("mapping", (answer["UUID"],), answer),
    "UpdateEventSourceMapping": lambda world, _, answer: world.put("mapping", (answer["UUID"],), answer),
    "DeleteEventSourceMapping": lambda world, _, answer: world.drop("mapping", (answer["UUID"],)),
    "CreateCodeSigningConfig": _put_one("signing", "CodeSigningConfig", "CodeSigningConfigArn"),
    "UpdateCodeSigningConfig": _put_one("signing", "CodeSigningConfig", "CodeSigningConfigArn"),
    "DeleteCodeSigningConfig": lambda world, values, _: world.drop("signing", (values["CodeSigningConfigArn"],)),
    "CreateCapacityProvider": _put_one("provider", "CapacityProvider", "CapacityProviderArn"),
    "UpdateCapacityProvider": _put_one("provider", "CapacityProvider", "CapacityProviderArn"),
    "DeleteCapacityProvider": lambda world, _, answer: world.drop(
        "provider", (answer["CapacityProvider"]["CapacityProviderArn"],)
    ),
}
