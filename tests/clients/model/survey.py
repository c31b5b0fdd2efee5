"""Everything that a server tells of its resources: lists read page by page, and what each single resource answers.

Compared with what it has acknowledged, and with itself at another time.
"""

import json

from model.world import LATEST, MOVING

#: Answers that name something for a short time, or speak of now.
PASSING = {"Location", "LastProcessingResult"}
#: What an answer with this member tells of now besides it: how far provisioned concurrency has come.
PROVISIONING = "RequestedProvisionedConcurrentExecutions"
PROGRESS = {
    "AllocatedProvisionedConcurrentExecutions", "AvailableProvisionedConcurrentExecutions", "Status", "StatusReason",
}  # fmt: skip
#: Get operations of a function by itself.
OF_FUNCTION = (
    "GetFunction", "GetFunctionConfiguration", "GetFunctionConcurrency", "GetFunctionRecursionConfig", "GetPolicy",
    "GetFunctionCodeSigningConfig", "GetRuntimeManagementConfig", "GetFunctionEventInvokeConfig", "GetFunctionUrlConfig",
    "ListVersionsByFunction", "ListAliases", "ListFunctionUrlConfigs", "ListFunctionEventInvokeConfigs",
    "ListProvisionedConcurrencyConfigs", "ListDurableExecutionsByFunction",
)  # fmt: skip
#: Get operations of a function's version or alias.
OF_QUALIFIED = ("GetFunction", "GetPolicy", "GetFunctionEventInvokeConfig", "GetFunctionUrlConfig", "GetProvisionedConcurrencyConfig")
RESULTS = {
    "ListFunctions": "Functions", "ListVersionsByFunction": "Versions", "ListAliases": "Aliases", "ListLayers": "Layers",
    "ListLayerVersions": "LayerVersions", "ListFunctionUrlConfigs": "FunctionUrlConfigs",
    "ListFunctionEventInvokeConfigs": "FunctionEventInvokeConfigs", "ListEventSourceMappings": "EventSourceMappings",
    "ListProvisionedConcurrencyConfigs": "ProvisionedConcurrencyConfigs", "ListCodeSigningConfigs": "CodeSigningConfigs",
    "ListCapacityProviders": "CapacityProviders", "ListDurableExecutionsByFunction": "DurableExecutions",
    "ListFunctionsByCodeSigningConfig": "FunctionArns", "ListFunctionVersionsByCapacityProvider": "FunctionVersions",
}  # fmt: skip
PAGES_MAX = 500


class Survey:
    """Reads by `ask(operation, values)`, which gives an answer."""

    def __init__(self, ask):
        self.ask = ask

    def every(self, operation, **values):
        """All entries of a list, of as many pages as there are; `None` where the server does not serve it."""
        found, marker, result = [], None, RESULTS[operation]
        for _ in range(PAGES_MAX):
            answer = self.ask(operation, values | {"MaxItems": 3} | ({"Marker": marker} if marker else {}))
            if answer.status != 200:
                return None
            found.extend(answer.document[result])
            marker = answer.document.get("NextMarker")
            if not marker:
                return found
        raise RuntimeError(f"{operation} has no end: {values}")

    def whole(self):
        """Every answer about every resource, by operation and values."""
        seen = {}

        def read(operation, **values):
            if operation in RESULTS:
                seen[operation, str(values)] = settled(self.every(operation, **values))
            else:
                answer = self.ask(operation, values)
                # The message of a refusal may name the time; its code may not change.
                seen[operation, str(values)] = (answer.status, answer.code or settled(answer.document))

        for operation in ("ListFunctions", "ListEventSourceMappings", "ListCodeSigningConfigs", "ListCapacityProviders"):
            read(operation)
        read("ListLayers")
        read("GetAccountSettings")
        for function in self.every("ListFunctions") or ():
            self._function(read, function)
        for layer in self.every("ListLayers") or ():
            read("ListLayerVersions", LayerName=layer["LayerName"])
            for version in self.every("ListLayerVersions", LayerName=layer["LayerName"]) or ():
                which = {"LayerName": layer["LayerName"], "VersionNumber": version["Version"]}
                read("GetLayerVersion", **which)
                read("GetLayerVersionPolicy", **which)
        for mapping in self.every("ListEventSourceMappings") or ():
            read("GetEventSourceMapping", UUID=mapping["UUID"])
        for config in self.every("ListCodeSigningConfigs") or ():
            arn = config["CodeSigningConfigArn"]
            read("GetCodeSigningConfig", CodeSigningConfigArn=arn)
            read("ListFunctionsByCodeSigningConfig", CodeSigningConfigArn=arn)
            read("ListTags", Resource=arn)
        for provider in self.every("ListCapacityProviders") or ():
            name = provider["CapacityProviderArn"].split(":")[-1]
            read("GetCapacityProvider", CapacityProviderName=name)
            read("ListTags", Resource=provider["CapacityProviderArn"])
        return seen

    def _function(self, read, function):
        name, arn = function["FunctionName"], function["FunctionArn"]
        for operation in OF_FUNCTION:
            read(operation, FunctionName=name)
        read("ListTags", Resource=arn)
        read("GetResourcePolicy", ResourceArn=arn)
        versions = self.every("ListVersionsByFunction", FunctionName=name) or ()
        aliases = self.every("ListAliases", FunctionName=name) or ()
        qualifiers = [version["Version"] for version in versions] + [alias["Name"] for alias in aliases]
        for qualifier in qualifiers:
            for operation in OF_QUALIFIED:
                read(operation, FunctionName=name, Qualifier=qualifier)

    def keys(self):
        """The keys of each kind that the server tells of; kinds that it does not serve are absent."""
        found = {}

        def add(kind, keys):
            if keys is not None:
                found.setdefault(kind, set()).update(keys)

        functions = self.every("ListFunctions")
        add("function", {(function["FunctionName"],) for function in functions})
        for function in functions:
            self._keys_of(function["FunctionName"], add)
        for layer in self.every("ListLayers"):
            versions = self.every("ListLayerVersions", LayerName=layer["LayerName"]) or ()
            add("layer", {(layer["LayerName"], str(version["Version"])) for version in versions})
        for kind, operation, key in (
            ("mapping", "ListEventSourceMappings", "UUID"),
            ("signing", "ListCodeSigningConfigs", "CodeSigningConfigArn"),
            ("provider", "ListCapacityProviders", "CapacityProviderArn"),
        ):
            listed = self.every(operation)
            # What is on its way out may still be listed.
            add(kind, listed and {(entry[key],) for entry in listed if entry.get("State") != "Deleting"})
        return found

    def statements(self, keys):
        """The statements of every policy of a function, its versions and aliases."""
        owners = [(name, "") for (name,) in keys["function"]] + sorted(keys.get("version", set()) | keys.get("alias", set()))
        found = set()
        for name, qualifier in owners:
            answer = self.ask("GetPolicy", {"FunctionName": name} | ({"Qualifier": qualifier} if qualifier else {}))
            if answer.status == 200:
                policy = json.loads(answer.document["Policy"])
                found |= {(name, qualifier, statement.get("Sid", "")) for statement in policy["Statement"]}
        return found

    def _keys_of(self, name, add):
        versions = self.every("ListVersionsByFunction", FunctionName=name)
        add("version", versions and {(name, entry["Version"]) for entry in versions if entry["Version"] != LATEST})
        aliases = self.every("ListAliases", FunctionName=name)
        add("alias", aliases and {(name, entry["Name"]) for entry in aliases})
        for kind, operation, otherwise in (
            ("url", "ListFunctionUrlConfigs", None),
            ("event_invoke", "ListFunctionEventInvokeConfigs", LATEST),
            ("provisioned", "ListProvisionedConcurrencyConfigs", None),
        ):
            listed = self.every(operation, FunctionName=name)
            arns = listed and [entry["FunctionArn"].split(":")[7:] for entry in listed]
            add(kind, arns and {(name, arn[0] if arn else otherwise) for arn in arns})


def settled(document, passing=PASSING):
    """A document without what changes by itself."""
    if isinstance(document, dict):
        omitted = passing | PROGRESS if PROVISIONING in document else passing
        return {key: settled(value, passing) for key, value in document.items() if key not in omitted}
    if isinstance(document, list):
        return [settled(value, passing) for value in document]
    return document


def differences(one, other, limit=8):
    """What differs between two surveys, in words."""
    names = {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}
    return [f"{name}: {one.get(name)!r:.300} then {other.get(name)!r:.300}" for name in sorted(names)[:limit]]


def contradictions(acknowledged, told):
    """Members of an acknowledged answer that another answer about the same resource tells differently."""
    return {
        name: (value, told[name])
        for name, value in acknowledged.items()
        if name in told and name not in MOVING and settled(value, MOVING) != settled(told[name], MOVING)
    }


def _qualified(operation):
    return lambda key: (operation, {"FunctionName": key[0]} | ({"Qualifier": key[1]} if key[1] else {}), None)


def _of_function(operation):
    return lambda key: (operation, {"FunctionName": key[0]}, None)


#: How each kind is read by itself: operation, values, and the part of the answer.
READS = {
    "function": _of_function("GetFunctionConfiguration"),
    "version": lambda key: ("GetFunctionConfiguration", {"FunctionName": key[0], "Qualifier": key[1]}, None),
    "alias": lambda key: ("GetAlias", {"FunctionName": key[0], "Name": key[1]}, None),
    "layer": lambda key: ("GetLayerVersion", {"LayerName": key[0], "VersionNumber": key[1]}, None),
    "url": _qualified("GetFunctionUrlConfig"),
    "event_invoke": _qualified("GetFunctionEventInvokeConfig"),
    "concurrency": _of_function("GetFunctionConcurrency"),
    "provisioned": _qualified("GetProvisionedConcurrencyConfig"),
    "recursion": _of_function("GetFunctionRecursionConfig"),
    "runtime_management": _qualified("GetRuntimeManagementConfig"),
    "function_signing": _of_function("GetFunctionCodeSigningConfig"),
    "mapping": lambda key: ("GetEventSourceMapping", {"UUID": key[0]}, None),
    "signing": lambda key: ("GetCodeSigningConfig", {"CodeSigningConfigArn": key[0]}, "CodeSigningConfig"),
    "provider": lambda key: (
        "GetCapacityProvider", {"CapacityProviderName": key[0].split(":")[-1]}, "CapacityProvider",
    ),
}  # fmt: skip
