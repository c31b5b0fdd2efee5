"""Errors as boto3 sees them: the exception's class, its code, its status and AWS's words."""

import io
import json
import zipfile

import boto3
from botocore.config import Config


def package(code):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("app.py", code)
    return buffer.getvalue()


def refused(exception, status, words, call, **arguments):
    try:
        call(**arguments)
    except exception as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == status, error.response
        assert words in str(error), (words, str(error))
        assert error.response["ResponseMetadata"]["RequestId"], error.response
    else:
        raise AssertionError(f"{call.__name__} was not refused")


# boto3 would refuse some of these by itself; the server's own words are wanted.
config = Config(retries={"max_attempts": 0}, parameter_validation=False)
client = boto3.client("lambda", config=config)
errors = client.exceptions
settings = {
    "FunctionName": "errors",
    "Runtime": "python3.11",
    "Handler": "app.handler",
    "Role": "arn:aws:iam::000000000000:role/nobody",
    "Code": {"ZipFile": package("def handler(event, context):\n    raise ValueError('no')\n")},
}


def create(**change):
    return client.create_function(**{**settings, **change})


create()
client.get_waiter("function_active_v2").wait(FunctionName="errors", WaiterConfig={"Delay": 1})
refused(errors.ResourceConflictException, 409, "Function already exist: errors", create)
refused(
    errors.ResourceNotFoundException,
    404,
    "Function not found: arn:aws:lambda:us-east-1:000000000000:function:nobody",
    client.get_function,
    FunctionName="nobody",
)
unzip = "Could not unzip uploaded file"
refused(errors.InvalidParameterValueException, 400, unzip, create, FunctionName="e2", Code={"ZipFile": b"x"})
refused(
    errors.PreconditionFailedException,
    412,
    "The Revision Id provided does not match the latest Revision Id",
    client.update_function_configuration,
    FunctionName="errors",
    RevisionId="00000000-0000-4000-8000-000000000000",
)
refused(
    errors.ClientError,
    400,
    "1 validation error detected: Value '64' at 'memorySize' failed to satisfy constraint",
    create,
    FunctionName="e3",
    MemorySize=64,
)
refused(
    errors.InvalidRequestContentException,
    400,
    "Could not parse request body into json",
    client.invoke,
    FunctionName="errors",
    Payload=b"{",
)
answer = client.invoke(FunctionName="errors", Payload=b"{}")
assert answer["StatusCode"] == 200 and answer["FunctionError"] == "Unhandled", answer
failure = json.loads(answer["Payload"].read())
assert failure["errorType"] == "ValueError" and failure["errorMessage"] == "no", failure
assert failure["stackTrace"], failure
print("errors as AWS has them")
