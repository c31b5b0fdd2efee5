"""What the Lambda API refuses, through boto3: codes, statuses and AWS's wording, which tools look at.

boto3's own validation is off, so that the server has to notice what is wrong.
"""

import os
import re

from lambda_checks import ROLE, Checks, Functions, lambda_client, package, runtime_of, sources

REGION = os.environ.get("AWS_REGION") or os.environ["AWS_DEFAULT_REGION"]
RUNTIME = runtime_of("python")
PACKAGE = package(sources("echo.py"))
ABSENT = "no-such-function"

PARAMETER = ("InvalidParameterValueException", 400)
VALIDATION = ("ValidationException", 400)
NOT_FOUND = ("ResourceNotFoundException", 404)
CONTENT = ("InvalidRequestContentException", 400)

client = lambda_client(parameter_validation=False)
checks = Checks()


def arn(name):
    return f"arn:aws:lambda:{REGION}:000000000000:function:{name}"


def create(**changed):
    """A call that creates a function; what is None is left out."""
    arguments = {
        "FunctionName": "refused",
        "Runtime": RUNTIME,
        "Role": ROLE,
        "Handler": "echo.handler",
        "Code": {"ZipFile": PACKAGE},
    } | changed
    given = {key: value for key, value in arguments.items() if value is not None}
    return lambda: client.create_function(**given)


def nothing_there(name):
    message = rf"^Function not found: {re.escape(arn(ABSENT))}(:\$LATEST)?$"
    for operation, arguments in {
        "get_function": {},
        "get_function_configuration": {},
        "update_function_code": {"ZipFile": PACKAGE},
        "update_function_configuration": {"Timeout": 3},
        "delete_function": {},
        "invoke": {},
    }.items():
        call = getattr(client, operation)
        checks.refused(
            f"{operation}: none", lambda c=call, a=arguments: c(FunctionName=ABSENT, **a), *NOT_FOUND, message
        )
    version = rf"^Function not found: {re.escape(arn(name))}:7$"
    checks.refused("no such version", lambda: client.invoke(FunctionName=name, Qualifier="7"), *NOT_FOUND, version)


def creation(name):
    exists = f"^Function already exist: {name}$"
    checks.refused("it exists", create(FunctionName=name), "ResourceConflictException", 409, exists)
    mandatory = r"^Runtime and Handler are mandatory parameters for functions created with deployment packages\.$"
    unzip = r"^Could not unzip uploaded file\. Please check your file, then try to upload again\."
    runtime = (
        r"^Value cobol1959 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: "
        r"\[.*python3\.\d+.*\] or be a valid ARN$"
    )
    variables = "^Lambda was unable to configure your environment variables because the environment variables you have provided "
    reserved = (
        r"contains reserved keys that are currently not supported for modification\. "
        r"Reserved keys used in this request: AWS_REGION$"
    )
    for label, change, message in (
        ("no handler", {"Handler": None}, mandatory),
        ("no runtime", {"Runtime": None}, mandatory),
        ("empty code", {"Code": {}}, "Please provide a source for function code"),
        ("not a zip", {"Code": {"ZipFile": b"not a zip"}}, unzip),
        ("unknown runtime", {"Runtime": "cobol1959"}, runtime),
        ("reserved variable", {"Environment": {"Variables": {"AWS_REGION": "x"}}}, variables + reserved),
        (
            "5 KB of variables",
            {"Environment": {"Variables": {"LONG": "x" * 5000}}},
            variables + r"exceeded the 4KB limit\.",
        ),
    ):
        checks.refused(label, create(**change), *PARAMETER, message)


def constraints(name):
    def violation(value, place, constraint):
        text = rf"Value '{value}' at '{place}' failed to satisfy constraint: Member must {constraint}"
        return f"^1 validation error detected: {text}"

    pattern = "satisfy regular expression pattern: "
    enum = r"satisfy enum value set: \["
    most = "have value less than or equal to "
    for label, change, message in (
        (
            "memory too small",
            {"MemorySize": 127},
            violation(127, "memorySize", "have value greater than or equal to 128"),
        ),
        ("timeout too small", {"Timeout": 0}, violation(0, "timeout", "have value greater than or equal to 1")),
        # The API model's own upper bounds are wider than the quotas of ordinary functions, which count here.
        ("memory too large", {"MemorySize": 10_241}, violation(10_241, "memorySize", f"{most}10240")),
        ("timeout too large", {"Timeout": 901}, violation(901, "timeout", f"{most}900")),
        (
            "storage too large",
            {"EphemeralStorage": {"Size": 10_241}},
            violation(10_241, "ephemeralStorage.size", f"{most}10240"),
        ),
        ("bad role", {"Role": "nobody"}, violation("nobody", "role", pattern)),
        ("bad handler", {"Handler": "a b"}, violation("a b", "handler", pattern + re.escape(r"[^\s]+"))),
        ("bad name", {"FunctionName": "no spaces"}, violation("no spaces", "functionName", pattern)),
        ("bad tracing", {"TracingConfig": {"Mode": "Loud"}}, violation("Loud", "tracingConfig.mode", enum)),
        (
            "bad architecture",
            {"Architectures": ["mips"]},
            violation(r"\[mips\]", "architectures", rf"satisfy constraint: \[Member must {enum}"),
        ),
    ):
        checks.refused(label, create(**change), *VALIDATION, message)
    two = r"^2 validation errors detected: .*; .*"
    checks.refused("two violations", create(Handler="a b", Role="nobody"), *VALIDATION, two)


def invocation(name):
    def call(**arguments):
        return lambda: client.invoke(FunctionName=name, **arguments)

    checks.refused("payload is no JSON", call(Payload="{"), *CONTENT, "^Could not parse request body into json: ")
    checks.refused("client context is no JSON", call(ClientContext="bm90IGpzb24="), *CONTENT, "[Cc]lient ?context")


with Functions(client) as functions:
    name = functions.make("refusals", PACKAGE, "echo.handler", RUNTIME)
    for part in (nothing_there, creation, constraints, invocation):
        with checks.part(part.__name__):
            part(name)
checks.finish()
