"""What the scripts of this folder share: checks that print one line each, packages zipped in memory, and
functions that are made for a check and deleted after it.

The server under test is the one that the environment names (AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_REGION). Expected values are Lambda's, from its documentation and its observed
answers; nothing here is adjusted to what the server happens to say.
"""

import base64
import contextlib
import http.client
import io
import json
import os
import pathlib
import re
import socket
import sys
import time
import traceback
import urllib.parse
import urllib.request
import uuid
import zipfile

import boto3
import botocore.config
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

ROLE = "arn:aws:iam::000000000000:role/clients"
SOURCES = pathlib.Path(__file__).parent / "functions"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"


class Checks:
    """Counts what held and what did not, and goes on after a failure."""

    def __init__(self):
        self.passed = 0
        self.failed = 0

    def _note(self, name, held, seen, expected):
        if held:
            self.passed += 1
            print(f"ok {name}", flush=True)
        else:
            self.failed += 1
            print(f"FAILED {name}: seen {shortened(seen)} expected {shortened(expected)}", flush=True)
        return held

    def equal(self, name, seen, expected):
        return self._note(name, seen == expected, repr(seen), repr(expected))

    def holds(self, name, held, seen, expected):
        """`expected` says in words what `held` tested."""
        return self._note(name, bool(held), seen if isinstance(seen, str) else repr(seen), expected)

    def matches(self, name, seen, pattern):
        """The whole of `seen` is matched."""
        text = seen if isinstance(seen, str) else ""
        return self._note(name, re.fullmatch(pattern, text, re.DOTALL), repr(seen), f"/{pattern}/")

    def includes(self, name, seen, part):
        """`seen` has every member of `part` with the same value."""
        have = {key: seen.get(key) for key in part} if isinstance(seen, dict) else seen
        return self._note(name, have == part, repr(seen), f"at least {part!r}")

    def refused(self, name, call, code, status, message=None):
        """A call of the SDK must fail with this code, status and (a pattern for the) message."""
        try:
            answer = call()
        except ClientError as error:
            shown = error.response
            seen = (shown["Error"]["Code"], shown["ResponseMetadata"]["HTTPStatusCode"])
            text = shown["Error"]["Message"]
            held = seen == (code, status) and (message is None or re.search(message, text, re.DOTALL))
            return self._note(name, held, f"{seen} {text!r}", f"{(code, status)} /{message or ''}/")
        return self._note(name, False, repr(answer), f"{code} ({status})")

    @contextlib.contextmanager
    def part(self, name):
        """A group of checks; what breaks it off is one failed check of this name."""
        try:
            yield
        except Exception as error:  # any: the next part must run
            where = traceback.extract_tb(error.__traceback__)[-1]
            self._note(name, False, f"{type(error).__name__}: {error} (line {where.lineno})", "no exception")

    def finish(self):
        """Prints the sum and ends the process."""
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        sys.exit(1 if self.failed or not self.passed else 0)


def shortened(text, limit=600):
    text = str(text)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


def lambda_client(**overrides):
    """A Lambda client that never tries again by itself, so that every answer is seen."""
    settings = {"retries": {"total_max_attempts": 1}, "read_timeout": 60, "max_pool_connections": 64}
    endpoint = overrides.pop("endpoint_url", None)
    return boto3.client("lambda", endpoint_url=endpoint, config=botocore.config.Config(**settings | overrides))


def runtime_of(language):
    """The newest runtime of a language ("python", "nodejs") that the server has ready."""
    with urllib.request.urlopen(os.environ["AWS_ENDPOINT_URL"] + "/_dormouse/runtimes") as answer:
        names = [runtime["name"] for runtime in json.load(answer)["runtimes"]]
    found = [name for name in names if name.startswith(language)]
    if not found:
        raise LookupError(f"the server has no {language} runtime: {names}")
    return max(found, key=lambda name: [int(number) for number in re.findall(r"\d+", name)])


def package(files):
    """A zip of these files (path to text or bytes). `bootstrap`, scripts and programs can be executed."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            executable = path == "bootstrap" or content[:2] in ("#!", b"#!") or content[:4] == b"\x7fELF"
            entry.external_attr = (0o100755 if executable else 0o100644) << 16
            archive.writestr(entry, content)
    return out.getvalue()


def sources(*names):
    """Files of the folder `functions`, as `package` wants them."""
    return {name: (SOURCES / name).read_bytes() for name in names}


def tree(folder):
    """All files of a folder and its subfolders, as `package` wants them."""
    files = (path for path in sorted(pathlib.Path(folder).rglob("*")) if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def wait_until(condition, seconds=10.0, step=0.02):
    """The first true value of `condition()`, or its last value when time is up."""
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(step)
    return value


class Answer:
    """What an invoke gave."""

    def __init__(self, response):
        self.metadata = response["ResponseMetadata"]
        self.status = response["StatusCode"]
        self.error = response.get("FunctionError")
        self.version = response.get("ExecutedVersion")
        self.raw = response["Payload"].read()
        self.log = base64.b64decode(response.get("LogResult", "")).decode(errors="replace")
        self.request_id = self.metadata["HTTPHeaders"].get("x-amzn-requestid")
        try:
            self.payload = json.loads(self.raw) if self.raw else None
        except ValueError:
            self.payload = self.raw


def invoke(client, name, event=None, **more):
    """A synchronous invoke with the log's tail."""
    payload = json.dumps({} if event is None else event)
    return Answer(client.invoke(FunctionName=name, Payload=payload, LogType="Tail", **more))


def report(answer):
    """The REPORT line's fields: name to text."""
    line = next((line for line in answer.log.splitlines() if line.startswith("REPORT ")), "")
    return dict(field.split(": ", 1) for field in line.removeprefix("REPORT ").split("\t") if ": " in field)


def logged(name):
    """All messages in a function's log."""
    answer = Signer().request("GET", f"/_dormouse/functions/{name}/logs?since_ms=0&limit=1000")
    return [json.loads(line)["message"] for line in answer.body.splitlines()]


class RawAnswer:
    """An HTTP answer, read whole."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()
        # The code may carry an address after a colon.
        self.code = self.headers.get("x-amzn-errortype", "").split(":")[0]

    @property
    def message(self):
        """What an error says, under either spelling that AWS uses."""
        try:
            error = json.loads(self.body)
            return error.get("message") or error.get("Message") or ""
        except (ValueError, AttributeError):
            return ""


class Signer:
    """Sends requests that no SDK would send, signed (or not) by Signature Version 4."""

    def __init__(self, key_id=None, secret=None):
        self.endpoint = os.environ["AWS_ENDPOINT_URL"]
        key_id = key_id or os.environ["AWS_ACCESS_KEY_ID"]
        self.credentials = Credentials(key_id, secret or os.environ["AWS_SECRET_ACCESS_KEY"])
        self.region = os.environ.get("AWS_REGION") or os.environ["AWS_DEFAULT_REGION"]

    def signed(self, method, path, body=b"", headers=(), service="lambda"):
        """The headers of a signed request."""
        request = AWSRequest(method, self.endpoint + path, headers=dict(headers), data=body)
        SigV4Auth(self.credentials, service, self.region).add_auth(request)
        return dict(request.headers.items())

    def request(self, method, path, body=b"", headers=(), **more):
        return self.send(method, path, body, self.signed(method, path, body, headers, **more))

    def send(self, method, path, body=b"", headers=()):
        """Sends it as it is. A server may answer before it has read all."""
        connection = http.client.HTTPConnection(urllib.parse.urlparse(self.endpoint).netloc, timeout=60)
        with contextlib.closing(connection):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.request(method, path, body=body or None, headers=dict(headers))
            return RawAnswer(connection.getresponse())

    def pipelined(self, requests):
        """Sends POST requests `(path, body)` back to back on one connection; gives their answers in order."""
        address = urllib.parse.urlparse(self.endpoint)
        with socket.create_connection((address.hostname, address.port), timeout=60) as connection:
            for path, body in requests:
                headers = {"host": address.netloc, "content-length": len(body)} | self.signed("POST", path, body)
                lines = [f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
                connection.sendall("\r\n".join([*lines, "", ""]).encode() + body)
            # One reader for all: what it has buffered of the next answer must not be lost with it.
            stream = connection.makefile("rb")
            return [self.read_answer(stream) for _ in requests]

    @staticmethod
    def read_answer(stream):
        status = int(stream.readline().split()[1])
        headers = http.client.parse_headers(stream)
        return status, headers, stream.read(int(headers["content-length"]))


class Functions:
    """Functions and layers that exist as long as the `with` block."""

    def __init__(self, client):
        self.client = client
        self.mark = uuid.uuid4().hex[:8]
        self.names = []
        self.layers = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for name in self.names:
            with contextlib.suppress(ClientError):
                self.client.delete_function(FunctionName=name)
        for name, version in self.layers:
            with contextlib.suppress(ClientError):
                self.client.delete_layer_version(LayerName=name, VersionNumber=version)

    def layer(self, label, zip_file):
        """Publishes a layer; gives the ARN of its version."""
        name = f"{label}-{self.mark}"
        published = self.client.publish_layer_version(LayerName=name, Content={"ZipFile": zip_file})
        self.layers.append((name, published["Version"]))
        return published["LayerVersionArn"]

    def make(self, label, zip_file, handler, runtime, **settings):
        """Creates a function and waits until it can be invoked; gives its name."""
        name = f"{label}-{self.mark}"
        self.names.append(name)
        self.client.create_function(
            FunctionName=name, Role=ROLE, Code={"ZipFile": zip_file}, Handler=handler, Runtime=runtime, **settings
        )
        self.await_active(name)
        return name

    def reads_queues(self, name, *queues):
        """Makes queues, and gives a function a role that may read them: mappings of queues need both."""
        place = {"endpoint_url": self.client.meta.endpoint_url, "region_name": self.client.meta.region_name}
        sqs, iam = boto3.client("sqs", **place), boto3.client("iam", **place)
        for queue in queues:
            sqs.create_queue(QueueName=queue, Attributes={"FifoQueue": "true"} if queue.endswith(".fifo") else {})
        trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
        role = iam.create_role(RoleName=f"reads-{name}"[:64], AssumeRolePolicyDocument=json.dumps({"Statement": trust}))["Role"]
        may = {"Effect": "Allow", "Action": "sqs:*", "Resource": "*"}
        iam.put_role_policy(RoleName=role["RoleName"], PolicyName="read", PolicyDocument=json.dumps({"Statement": may}))
        self.client.update_function_configuration(FunctionName=name, Role=role["Arn"])
        self.await_active(name)

    def await_active(self, name):
        """As the SDK's waiter, without its one-second steps."""

        def state():
            found = self.client.get_function_configuration(FunctionName=name)
            return found["State"] != "Pending" and found.get("LastUpdateStatus") != "InProgress" and found

        found = wait_until(state)
        if not found or found["State"] != "Active":
            raise RuntimeError(f"{name} did not become active: {found}")
        return found
