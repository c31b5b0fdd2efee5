"""The context object that handlers receive, with the attributes that Lambda documents.

Built anew for each invocation from the invocation's headers; what does not change between
invocations is read from the environment once.
"""

import time

from .fault import Fault


class LambdaContext:
    """Facts about the invocation, the function and the execution environment."""

    def __init__(self, invocation, function):
        self.aws_request_id = invocation.request_id
        self.__dict__.update(function)
        self.invoked_function_arn = invocation.function_arn
        self.tenant_id = invocation.tenant_id
        self.client_context = _client_context(invocation.client_context)
        self.identity = CognitoIdentity(_parse(invocation.cognito_identity, "Cognito Identity"))
        self._epoch_deadline_time_in_ms = invocation.deadline_ms

    def get_remaining_time_in_millis(self):
        """Milliseconds until the invocation is timed out; never negative."""
        return max(0, self._epoch_deadline_time_in_ms - int(time.time() * 1000))

    def log(self, message):
        """Writes `message` to the function's log as it stands."""
        from . import records

        records.write(str(message))

    def __repr__(self):
        names = (
            "aws_request_id",
            "log_group_name",
            "log_stream_name",
            "function_name",
            "memory_limit_in_mb",
            "function_version",
            "invoked_function_arn",
            "client_context",
            "identity",
            "tenant_id",
        )
        return _represent(self, names)


class _Slotted:
    """A fixed set of attributes, each taken from a mapping or None."""

    __slots__ = ()

    def __init__(self, values):
        for name in self.__slots__:
            setattr(self, name, values.get(name))

    def __repr__(self):
        return _represent(self, self.__slots__)


class CognitoIdentity(_Slotted):
    """The Amazon Cognito identity that authorized the request, where there is one."""

    __slots__ = ("cognito_identity_id", "cognito_identity_pool_id")

    def __init__(self, values):
        values = values or {}
        self.cognito_identity_id = values.get("cognitoIdentityId")
        self.cognito_identity_pool_id = values.get("cognitoIdentityPoolId")


class Client(_Slotted):
    """The mobile application, as it described itself."""

    __slots__ = (
        "installation_id",
        "app_title",
        "app_version_name",
        "app_version_code",
        "app_package_name",
    )


class ClientContext(_Slotted):
    """What the caller sent in the client context of the invoke."""

    __slots__ = ("custom", "env", "client")


def function_identity(environ):
    """The context attributes that are the same for every invocation of this environment."""
    return {
        "log_group_name": environ.get("AWS_LAMBDA_LOG_GROUP_NAME"),
        "log_stream_name": environ.get("AWS_LAMBDA_LOG_STREAM_NAME"),
        "function_name": environ.get("AWS_LAMBDA_FUNCTION_NAME"),
        "memory_limit_in_mb": environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"),
        "function_version": environ.get("AWS_LAMBDA_FUNCTION_VERSION"),
    }


def _client_context(header):
    values = _parse(header, "Client Context")
    if values is None:
        return None
    context = ClientContext(values)
    if context.client is not None:
        context.client = Client(context.client)
    return context


def _parse(header, name):
    if not header:
        return None
    try:
        import json

        return json.loads(header)
    except Exception as error:
        raise Fault(
            "Runtime.LambdaContextUnmarshalError",
            "Unable to parse %s JSON: %s" % (name, error),
        )


def _represent(value, names):
    fields = ",".join("%s=%s" % (name, getattr(value, name)) for name in names)
    return "%s([%s])" % (type(value).__name__, fields)
