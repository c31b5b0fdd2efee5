"""The life of a function through the `aws` command: arguments, files, waiters, exit codes and error texts."""

import base64
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import uuid

from lambda_checks import ROLE, Checks, package, runtime_of, sources

AWS = pathlib.Path(sys.executable).with_name("aws")
# Exit codes of version 1 of the AWS CLI (its user guide, "Command line return codes").
OK, USAGE, FAILED = 0, 2, 255

checks = Checks()
# Removed when the script ends.
holder = tempfile.TemporaryDirectory(prefix="aws-cli-flow-")
folder = pathlib.Path(holder.name)
name = f"cli-{uuid.uuid4().hex[:8]}"


def aws(*arguments):
    """Runs `aws lambda …`; gives the exit code, the parsed output and the error text."""
    environment = {key: value for key, value in os.environ.items() if key.startswith("AWS_")}
    environment |= {"PATH": os.environ["PATH"], "HOME": str(folder), "AWS_PAGER": "", "AWS_MAX_ATTEMPTS": "1"}
    done = subprocess.run(
        [AWS, "lambda", *map(str, arguments), "--output", "json"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return done.returncode, json.loads(done.stdout) if done.stdout.strip() else None, done.stderr.strip()


def write_package(label, files):
    path = folder / f"{label}.zip"
    path.write_bytes(package(files))
    return path, base64.b64encode(hashlib.sha256(path.read_bytes()).digest()).decode()


def create(path, digest):
    code, out, error = aws(
        "create-function", "--function-name", name, "--runtime", runtime_of("python"), "--role", ROLE,
        "--handler", "echo.handler", "--zip-file", f"fileb://{path}", "--environment", "Variables={MARKER=first,OTHER=2}",
        "--tags", "team=dormouse",
    )  # fmt: skip
    checks.equal("create-function: exit code", (code, error), (OK, ""))
    checks.includes("create-function: answer", out, {"FunctionName": name, "State": "Pending", "CodeSha256": digest})
    code, out, error = aws("wait", "function-active-v2", "--function-name", name)
    checks.equal("wait function-active-v2", (code, out, error), (OK, None, ""))


def invoke():
    answer, event = folder / "answer.json", folder / "event.json"
    event.write_text('{"from": "a file"}')
    code, out, error = aws(
        "invoke", "--function-name", name, "--payload", f"fileb://{event}", "--log-type", "Tail", answer
    )
    checks.equal("invoke: exit code", (code, error), (OK, ""))
    checks.equal("invoke: members", sorted(out), ["ExecutedVersion", "LogResult", "StatusCode"])
    checks.includes("invoke: answer", out, {"StatusCode": 200, "ExecutedVersion": "$LATEST"})
    checks.equal("invoke: answer file", json.loads(answer.read_text())["event"], {"from": "a file"})
    log = base64.b64decode(out["LogResult"]).decode()
    for line in ("START RequestId: ", "echoing {", "END RequestId: ", "REPORT RequestId: "):
        checks.holds(f"invoke: log has {line.split()[0]}", line in log, log, line)
    code, out, _ = aws("invoke", "--function-name", name, "--invocation-type", "DryRun", folder / "dry.json")
    checks.equal("invoke: dry run", (code, out), (OK, {"StatusCode": 204}))
    checks.equal("invoke: dry run leaves an empty file", (folder / "dry.json").read_bytes(), b"")


def update(path, digest):
    code, out, error = aws("update-function-code", "--function-name", name, "--zip-file", f"fileb://{path}")
    checks.equal("update-function-code: exit code", (code, error), (OK, ""))
    checks.includes("update-function-code: answer", out, {"CodeSha256": digest, "LastUpdateStatus": "InProgress"})
    checks.equal(
        "wait function-updated-v2", aws("wait", "function-updated-v2", "--function-name", name), (OK, None, "")
    )
    code, out, error = aws(
        "update-function-configuration", "--function-name", name, "--timeout", 5, "--memory-size", 192,
        "--handler", "echo.other", "--description", "by the CLI",
    )  # fmt: skip
    checks.equal("update-function-configuration: exit code", (code, error), (OK, ""))
    changed = {"Timeout": 5, "MemorySize": 192, "Handler": "echo.other", "Description": "by the CLI"}
    checks.includes("update-function-configuration: answer", out, changed)
    checks.equal(
        "wait function-updated-v2, again", aws("wait", "function-updated-v2", "--function-name", name), (OK, None, "")
    )
    aws("invoke", "--function-name", name, folder / "other.json")
    checks.equal("the new handler answers", json.loads((folder / "other.json").read_text()), "the other handler")


def fails():
    """An error of the function is in the answer; the command itself succeeds."""
    aws("update-function-configuration", "--function-name", name, "--handler", "echo.absent")
    aws("wait", "function-updated-v2", "--function-name", name)
    code, out, _ = aws("invoke", "--function-name", name, folder / "failed.json")
    checks.equal("invoke: function error", (code, out.get("FunctionError")), (OK, "Unhandled"))
    kind = json.loads((folder / "failed.json").read_text())["errorType"]
    checks.equal("invoke: error type", kind, "Runtime.HandlerNotFound")


def look(digest):
    code, out, error = aws("get-function", "--function-name", name)
    checks.equal("get-function: exit code", (code, error), (OK, ""))
    checks.includes("get-function: configuration", out["Configuration"], {"State": "Active", "CodeSha256": digest})
    checks.equal("get-function: tags", out.get("Tags"), {"team": "dormouse"})
    code, out, error = aws("list-functions", "--query", f"Functions[?FunctionName=='{name}'].FunctionName")
    checks.equal("list-functions", (code, out, error), (OK, [name], ""))
    code, out, error = aws("list-functions", "--max-items", "1", "--page-size", "1")
    checks.equal("list-functions: --max-items", (code, len(out["Functions"])), (OK, 1))


def refusals(path):
    missing = "no-such-function"

    def check(label, expected_code, text, *arguments):
        code, _, error = aws(*arguments)
        checks.holds(f"{label}: exit code", code == expected_code, f"{code}: {error}", expected_code)
        checks.holds(f"{label}: text", text in error, error, text)

    not_found = "An error occurred (ResourceNotFoundException) when calling the GetFunction operation: Function not found: arn:aws:lambda:"
    check("get-function: none", FAILED, not_found, "get-function", "--function-name", missing)
    waiter = "Waiter FunctionActiveV2 failed: "
    check("wait: none", FAILED, waiter, "wait", "function-active-v2", "--function-name", missing)
    again = (
        "create-function",
        "--function-name",
        name,
        "--runtime",
        runtime_of("python"),
        "--role",
        ROLE,
        "--handler",
        "echo.handler",
    )
    exists = f"An error occurred (ResourceConflictException) when calling the CreateFunction operation: Function already exist: {name}"
    check("create-function: exists", FAILED, exists, *again, "--zip-file", f"fileb://{path}")
    # Its directory can be read, which is all that the CLI looks at itself; the content cannot.
    no_zip = folder / "broken.zip"
    content = path.read_bytes()
    no_zip.write_bytes(b"\xff" * 200 + content[200:])
    broken = "(InvalidParameterValueException) when calling the UpdateFunctionCode operation: Could not unzip uploaded file. Please check your file, then try to upload again."
    check(
        "update-function-code: broken zip",
        FAILED,
        broken,
        "update-function-code",
        "--function-name",
        name,
        "--zip-file",
        f"fileb://{no_zip}",
    )
    check("usage error", USAGE, "the following arguments are required", "get-function")


def delete():
    # The CLI prints what the answer holds: nothing, or the status that the API model names.
    code, _, error = aws("delete-function", "--function-name", name)
    checks.equal("delete-function: exit code", (code, error), (OK, ""))
    code, _, _ = aws("get-function", "--function-name", name)
    checks.equal("delete-function: it is gone", code, FAILED)


first, first_digest = write_package("first", sources("echo.py"))
second, second_digest = write_package("second", sources("echo.py") | {"more.txt": "more"})
for label, step in {
    "create": lambda: create(first, first_digest),
    "invoke": invoke,
    "update": lambda: update(second, second_digest),
    "fails": fails,
    "look": lambda: look(second_digest),
    "refusals": lambda: refusals(first),
    "delete": delete,
}.items():
    with checks.part(label):
        step()
checks.finish()
