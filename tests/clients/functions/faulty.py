"""Handlers that go wrong, each in its own way, and handlers that look at what is around them."""

import contextlib
import ctypes
import errno
import hashlib
import hmac
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

invocations = 0
ticks = 0
longest_gap = 0.0


def counts(event, context):
    """Sleeps, remembers in memory and in /tmp, and says what it remembers."""
    global invocations
    invocations += 1
    with open("/tmp/kept", "a+") as file:
        file.write("x")
        file.flush()
        file.seek(0)
        kept = len(file.read())
    time.sleep(event.get("sleep", 0))
    return {"invocations": invocations, "kept": kept}


def allocates(event, context):
    """Takes memory and touches it, megabyte by megabyte."""
    held = [bytearray(b"x" * 1_048_576) for _ in range(event.get("megabytes", 0))]
    return len(held)


def exits(event, context):
    global invocations
    invocations += 1
    if "status" in event:
        os._exit(event["status"])
    return invocations


def segfaults(event, context):
    if event.get("now"):
        ctypes.string_at(0)
    return "whole"


def raises(event, context):
    def inner():
        raise ValueError("boom")

    inner()


def large(event, context):
    return "x" * event["characters"]


def cannot_be_json(event, context):
    return {"a set": {1, 2}} if event.get("now") else "fine"


def fills_tmp(event, context):
    block = os.urandom(1_048_576)
    written = 0
    try:
        with open("/tmp/filler", "wb", buffering=0) as file:
            while written < 2_000:
                if file.write(block) < len(block):
                    continue
                written += 1
    except OSError as error:
        return {"errno": errno.errorcode.get(error.errno), "megabytes": written}
    finally:
        os.unlink("/tmp/filler")
    return {"errno": None, "megabytes": written}


def forks(event, context):
    """Forks until it is refused; the children only wait. They are gone before it answers."""
    children, refusal = [], None
    try:
        while len(children) < 5_000:
            child = os.fork()
            if child == 0:
                while True:
                    time.sleep(60)
            children.append(child)
    except OSError as error:
        refusal = errno.errorcode.get(error.errno)
    for child in children:
        os.kill(child, 9)
    for child in children:
        os.waitpid(child, 0)
    return {"children": len(children), "refusal": refusal}


def floods(event, context):
    line = "flood " * 20 + "\n"
    for _ in range(event["megabytes"]):
        sys.stdout.write(line * (1_048_576 // len(line)))
    sys.stdout.flush()
    return "dry again"


def ticking(event, context):
    """Starts a thread that counts, and says how far it is and how long it was still at most."""
    started = ticks > 0
    if not started:
        threading.Thread(target=tick, daemon=True).start()
        time.sleep(0.1)
    else:
        time.sleep(0.05)
    return {"ticks": ticks, "longest_gap": longest_gap, "now": time.monotonic()}


def tick():
    global ticks, longest_gap
    last = time.monotonic()
    while True:
        time.sleep(0.01)
        now = time.monotonic()
        longest_gap = max(longest_gap, now - last)
        last = now
        ticks += 1


def leaves_child(event, context):
    """Leaves a process behind and tells at the next invoke whether it still lives."""
    global child
    if "child" not in globals():
        child = subprocess.Popen(["/bin/sleep", event["seconds"]])
        return "left"
    return "lives" if child.poll() is None else "gone"


def environment(event, context):
    return dict(os.environ)


def writes(event, context):
    """Tries to write at each path; the names of the errors."""
    outcome = {}
    for path in event["paths"]:
        try:
            with open(path, "w") as file:
                file.write("x")
            outcome[path] = "written"
        except OSError as error:
            outcome[path] = errno.errorcode.get(error.errno)
    return outcome


def calls_platform(event, context):
    """Calls ListFunctions at AWS_ENDPOINT_URL, signed with its own credentials by Signature Version 4."""
    url = urllib.parse.urlparse(os.environ["AWS_ENDPOINT_URL"])
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    region, path = os.environ["AWS_REGION"], "/2015-03-31/functions"
    headers = {"host": url.netloc, "x-amz-date": now, "x-amz-security-token": os.environ["AWS_SESSION_TOKEN"]}
    names = ";".join(headers)
    canonical = "\n".join(
        ["GET", path, "", *(f"{k}:{v}" for k, v in headers.items()), "", names, hashlib.sha256(b"").hexdigest()]
    )
    scope = f"{now[:8]}/{region}/lambda/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.new(key, to_sign.encode(), "sha256").hexdigest()
    credential = f"{os.environ['AWS_ACCESS_KEY_ID']}/{scope}"
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
    )
    del headers["host"]
    request = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"] + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return {"status": answer.status, "body": answer.read().decode()}
    except urllib.error.HTTPError as error:
        kind = error.headers.get("x-amzn-errortype")
        return {"status": error.code, "type": kind, "body": error.read().decode()}


def answers_late(event, context):
    """Answers within milliseconds of its timeout, before or after it, when it is given an `offset` in seconds."""
    if "offset" in event:
        time.sleep(max(0, context.get_remaining_time_in_millis() / 1000 + event["offset"]))
    return event["answer"]


def bombs(event, context):
    """Forks without end when it is told to; its children only sleep."""
    while event.get("go"):
        with contextlib.suppress(OSError):
            if os.fork() == 0:
                time.sleep(600)
    return "calm"


def hoards(event, context):
    """Sends large answers to the Runtime API on many connections at once, none of them whole and none expected."""
    api = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
    size = 6 * 1024 * 1024
    head = f"POST /2018-06-01/runtime/invocation/{'0' * 8}-0000-4000-8000-{'0' * 12}/response HTTP/1.1\r\n"
    held = []
    for _ in range(40):
        connection = socket.create_connection((api[0], int(api[1])), timeout=2)
        held.append(connection)
        with contextlib.suppress(OSError):
            connection.sendall(f"{head}Host: x\r\nContent-Length: {size}\r\n\r\n".encode())
            connection.sendall(b"x" * (size - 10))
    return len(held)
