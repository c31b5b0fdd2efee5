"""Input that is wrong, hostile or too large, much of it such as no SDK would send: each is refused with a
clear error in AWS's shape, and nothing comes of it: no function, no process, nothing stored.
"""

import base64
import datetime
import io
import json
import os
import pathlib
import re
import stat
import struct
import warnings
import zipfile

import botocore.auth

from lambda_checks import (
    ROLE,
    UUID,
    Checks,
    Functions,
    Signer,
    invoke,
    lambda_client,
    package,
    runtime_of,
    sources,
    wait_until,
)
from system_traces import descendants

RUNTIME = runtime_of("python")
FUNCTIONS = "/2015-03-31/functions"
PARAMETER = ("InvalidParameterValueException", 400)
# Names that occur twice are what is tested here.
warnings.filterwarnings("ignore", "Duplicate name", UserWarning)
GOOD = package(sources("echo.py"))
MB = 1_048_576

client = lambda_client()
raw = Signer()
checks = Checks()


def check(label, answer, code, status, message=None):
    """A refusal in AWS's shape. `code` may list several where AWS's own reference and service differ."""
    codes = code if isinstance(code, tuple) else (code,)
    seen = f"{answer.status} {answer.code} {answer.message!r}"
    expected = f"{status} {' or '.join(codes)} /{message or 'a message'}/"
    held = (
        answer.status == status
        and answer.code in codes
        and re.search(message or r"\w+ \w+", answer.message, re.DOTALL)
    )
    checks.holds(label, held, seen, expected)
    checks.matches(f"{label}: request id", answer.headers.get("x-amzn-requestid"), UUID)


def create(zip_file, name="bad-input", **changed):
    body = {"FunctionName": name, "Runtime": RUNTIME, "Role": ROLE, "Handler": "echo.handler"}
    body |= {"Code": {"ZipFile": base64.b64encode(zip_file).decode()}} | changed
    return raw.request("POST", FUNCTIONS, json.dumps(body).encode())


def archive(*entries):
    """A zip of (ZipInfo or name, content), where nothing is put right."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        for entry, content in entries:
            file.writestr(entry, content)
    return out.getvalue()


def entry(name, mode=0o100644):
    info = zipfile.ZipInfo("x")
    # Set after the constructor, which would clean it.
    info.filename = name
    info.create_system = 3
    info.external_attr = mode << 16
    return info


def link(name, target):
    return entry(name, stat.S_IFLNK | 0o777), target


def bomb(megabytes, entries=1):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for number in range(entries):
            with file.open(f"zeros-{number}", "w", force_zip64=True) as zeros:
                for _ in range(megabytes):
                    zeros.write(bytes(MB))
    return out.getvalue()


def lying(zip_file):
    """The same zip, whose headers say that everything is one byte long."""
    out = bytearray(zip_file)
    for signature, place in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        at = -1
        while (at := out.find(signature, at + 1)) >= 0:
            out[at + place : at + place + 4] = struct.pack("<I", 1)
    return bytes(out)


def packages():
    unzip = r"^Could not unzip uploaded file\. Please check your file, then try to upload again\."
    check("not a zip", create(b"this is no zip"), *PARAMETER, unzip)
    check("cut zip", create(GOOD[:-30]), *PARAMETER, unzip)
    spoilt = bytearray(GOOD)
    spoilt[len(GOOD) // 3] ^= 0xFF
    check("zip with a wrong checksum", create(bytes(spoilt)), *PARAMETER, unzip)
    check("empty zip file", create(b""), *PARAMETER)
    huge = r"^Unzipped size must be smaller than 262144000 bytes"
    check("zip bomb: one file of 300 MB", create(bomb(300)), *PARAMETER, huge)
    check("zip bomb: 30 files of 10 MB", create(bomb(10, 30)), *PARAMETER, huge)
    check("zip bomb with false headers", create(lying(bomb(300))), *PARAMETER, rf"{huge}|{unzip}")
    for label, name in {
        "path that leaves": "../outside.py",
        "path that leaves, deep inside": "a/b/../../../outside.py",
        "absolute path": "/etc/outside.py",
        "path with backslashes": "..\\outside.py",
        "drive letter": "C:\\outside.py",
    }.items():
        check(label, create(archive((entry(name), "x"))), *PARAMETER)
    check("link that leaves", create(archive(link("l", "../../etc/passwd"))), *PARAMETER)
    check("absolute link", create(archive(link("l", "/etc/passwd"))), *PARAMETER)
    check("file through a link", create(archive(link("l", "/tmp"), (entry("l/x.py"), "x"))), *PARAMETER)
    check(
        "link that leaves by way of another",
        create(archive((entry("d/f"), "x"), link("d/a", ".."), link("b", "d/a/../../x"))),
        *PARAMETER,
    )
    check("name twice", create(archive((entry("a.py"), "1"), (entry("a.py"), "2"))), *PARAMETER)
    check("file and folder of one name", create(archive((entry("a"), "1"), (entry("a/b"), "2"))), *PARAMETER)
    check("device", create(archive((entry("dev", stat.S_IFCHR | 0o666), ""))), *PARAMETER)
    check("pipe", create(archive((entry("pipe", stat.S_IFIFO | 0o666), ""))), *PARAMETER)
    encrypted = bytearray(archive((entry("a.py"), "x")))
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        encrypted[encrypted.find(signature) + place] |= 1
    check("encrypted entry", create(bytes(encrypted)), *PARAMETER)
    nul = archive((entry("a_b.py"), "x")).replace(b"a_b.py", b"a\0b.py")
    check("name with a zero byte", create(nul), *PARAMETER)
    odd = archive((entry("a_b.py"), "x")).replace(b"a_b.py", b"a\xffb.py")
    check("name that is not UTF-8", create(odd), *PARAMETER)
    check(
        "ZipFile is not Base64",
        create(b"", Code={"ZipFile": "*no base64*"}),
        ("SerializationException", "InvalidRequestContentException"),
        400,
    )


def runtimes():
    enum = r"^Value cobol1959 at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: \[.*python3\.\d+.*\] or be a valid ARN$"
    check("unknown runtime", create(GOOD, Runtime="cobol1959"), *PARAMETER, enum)
    # Known to Lambda, but there is no such interpreter here: which are ready is said.
    check("runtime that is not installed", create(GOOD, Runtime="dotnet8"), *PARAMETER, re.escape(RUNTIME))


def requests():
    malformed = ("SerializationException", "InvalidRequestContentException")
    for label, body in {
        "body is no JSON": b"{not json",
        "body is no object": b"[1, 2]",
        "body is not UTF-8": b'{"FunctionName": "\xff\xfe"}',
        "body ends early": b'{"FunctionName": "x"',
        "member of the wrong type": b'{"FunctionName": {"a": 1}}',
        "number where text is due": b'{"FunctionName": "x", "Role": 7}',
        "number that is too large": b'{"FunctionName": "x", "Timeout": 1e400}',
        "deep nesting": b"[" * 100_000,
    }.items():
        check(label, raw.request("POST", FUNCTIONS, body), malformed, 400)
    null = "Value null at 'functionName' failed to satisfy constraint: Member must not be null"
    nothing = rf"^\d validation errors? detected: .*{null}"
    check("nothing given", raw.request("POST", FUNCTIONS, b"{}"), "ValidationException", 400, nothing)
    for label, path in {
        "unknown operation": "/2015-03-31/no-such-things",
        "unknown path": "/nothing/here",
        "unknown version of the API": "/1999-01-01/functions",
    }.items():
        check(label, raw.request("GET", path), "UnknownOperationException", 404, "")
    answer = raw.request("PATCH", FUNCTIONS)
    held = answer.status in (404, 405) and answer.code == "UnknownOperationException"
    checks.holds("unknown method", held, f"{answer.status} {answer.code}", "UnknownOperationException (404 or 405)")


def strange_parameters():
    """Paths and queries that no name, number or marker can be."""
    parameter_codes = ("InvalidParameterValueException", "ValidationException")
    for path in ("/%2e%2e%2fx", "/a%00b", "/%ff", "?MaxItems=many", "?Marker=made-up"):
        answer = raw.request("GET", FUNCTIONS + path)
        # Something that is no name at all may also be no path.
        codes = (*parameter_codes, "SerializationException", "UnknownOperationException")
        held = answer.status in (400, 404) and answer.code in codes
        checks.holds(f"strange parameter {path}", held, f"{answer.status} {answer.code}", f"{codes} (400 or 404)")


def signatures():
    """Signatures by the wrong key, and right ones on the wrong request."""
    get = ("GET", FUNCTIONS)
    text = "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
    wrong = ("InvalidSignatureException", 403, f"^{re.escape(text)}")
    check("wrong secret", Signer(secret="x" * 40).request(*get), *wrong)
    signed = raw.signed(*get)
    authorization = signed["Authorization"]
    other = "0" if authorization[-1] != "0" else "1"
    tampered = signed | {"Authorization": authorization[:-1] + other}
    check("changed signature", raw.send(*get, headers=tampered), *wrong)
    check("signature of another path", raw.send("GET", f"{FUNCTIONS}?MaxItems=1", headers=signed), *wrong)
    body = b'{"FunctionName": "one"}'
    answer = raw.send("POST", FUNCTIONS, body.replace(b"one", b"two"), raw.signed("POST", FUNCTIONS, body))
    check("signature of another body", answer, *wrong)
    unknown = ("UnrecognizedClientException", 403, r"^The security token included in the request is invalid\.?$")
    check("unknown access key", Signer(key_id="AKIA0000000000000000").request(*get), *unknown)
    stranger, token = Signer(key_id="ASIA0000000000000000"), {"X-Amz-Security-Token": "made up"}
    check("made-up session token", stranger.request(*get, headers=token), *unknown)


def authorizations():
    """No signature at all, half of one, and one for another service."""
    missing = ("MissingAuthenticationTokenException", "MissingAuthenticationToken")
    check("unsigned", raw.send("GET", FUNCTIONS), missing, 403, r"^Missing Authentication Token$")
    no_credential = "AWS4-HMAC-SHA256 SignedHeaders=host, Signature=00"
    codes = ("IncompleteSignatureException", "IncompleteSignature", *missing)
    for label, value in {"no scheme": "abc", "no credential": no_credential}.items():
        answer = raw.send("GET", FUNCTIONS, headers=raw.signed("GET", FUNCTIONS) | {"Authorization": value})
        held = answer.status in (400, 403) and answer.code in codes
        checks.holds(f"authorization: {label}", held, f"{answer.status} {answer.code}", codes)
    answer = raw.request("GET", FUNCTIONS, service="sqs")
    held = 400 <= answer.status < 502 and answer.code
    checks.holds("signed for another service", held, f"{answer.status} {answer.code}", "an error with a code")


def times():
    """A signature is good for five minutes before and after its time."""
    stamp = r"\d{8}T\d{6}Z"
    expired = rf"^Signature expired: {stamp} is now earlier than {stamp} \({stamp} - 5 min\.\)$"
    early = rf"^Signature not yet current: {stamp} is still later than {stamp} \({stamp} \+ 5 min\.\)$"
    for label, minutes, message in (("expired signature", -6, expired), ("signature of the future", 6, early)):
        answer = raw.send("GET", FUNCTIONS, headers=signed_at(minutes))
        check(label, answer, "InvalidSignatureException", 403, message)
    for minutes in (-4, 4):
        answer = raw.send("GET", FUNCTIONS, headers=signed_at(minutes))
        checks.equal(f"signature {minutes:+} minutes off is good", answer.status, 200)


def signed_at(minutes):
    """Headers signed as if it were so many minutes later."""
    real = botocore.auth.get_current_datetime
    botocore.auth.get_current_datetime = lambda *a, **k: real(*a, **k) + datetime.timedelta(minutes=minutes)
    try:
        return raw.signed("GET", FUNCTIONS)
    finally:
        botocore.auth.get_current_datetime = real


def sizes(name):
    path = f"{FUNCTIONS}/{name}/invocations"
    # The API reference has the first code, the service sends the second.
    too_large = ("RequestTooLargeException", "RequestEntityTooLargeException")
    payload = b'"' + b"x" * (6 * MB - 2) + b'"'
    answer = raw.request("POST", path, payload)
    checks.holds("payload of 6 MB", answer.status == 200, f"{answer.status} {answer.body[:200]}", "200")
    check("payload of 6 MB and a byte", raw.request("POST", path, payload + b" "), too_large, 413, "6291456")
    answer = raw.request("POST", FUNCTIONS, b'{"x": "' + b"x" * (75 * MB) + b'"}')
    check("request of 75 MB", answer, too_large, 413, "69905067")
    context = base64.b64encode(json.dumps({"custom": {"x": "x" * 3000}}).encode()).decode()
    answer = raw.request("POST", path, b"{}", {"X-Amz-Client-Context": context})
    checks.holds(
        "client context of 4 KB",
        400 <= answer.status < 500 and answer.code,
        f"{answer.status} {answer.code}",
        "a 4xx with a code",
    )
    answer = raw.request("POST", path, b"{not json")
    check(
        "payload is no JSON",
        answer,
        "InvalidRequestContentException",
        400,
        "^Could not parse request body into json: ",
    )
    check("payload is not UTF-8", raw.request("POST", path, b'"\xff\xfe"'), "InvalidRequestContentException", 400)
    answer = raw.request("POST", path, b"{}", {"X-Amz-Client-Context": "*no base64*"})
    check(
        "client context is no Base64",
        answer,
        ("InvalidRequestContentException", "InvalidParameterValueException"),
        400,
    )
    answer = raw.request("POST", path, b"{}", {"X-Amz-Invocation-Type": "Sometimes"})
    check(
        "unknown kind of invocation",
        answer,
        "ValidationException",
        400,
        r"Value 'Sometimes' at 'invocationType' failed to satisfy constraint: Member must satisfy enum value set",
    )


def wrong_handlers(functions):
    """Lambda finds these out when the function starts, not when it is created."""
    for label, handler, kind in (
        ("missing handler file", "absent.handler", "Runtime.ImportModuleError"),
        ("wrong handler name", "echo.absent", "Runtime.HandlerNotFound"),
        ("handler without a dot", "echo", "Runtime.MalformedHandlerName"),
        ("handler that leaves the package", "../echo.handler", "Runtime.ImportModuleError"),
    ):
        name = functions.make(re.sub(r"\W", "-", label), GOOD, handler, RUNTIME)
        answer = invoke(client, name)
        seen = (answer.status, answer.error, (answer.payload or {}).get("errorType"))
        checks.equal(label, seen, (200, "Unhandled", kind))


class State:
    """What must not change when everything is refused."""

    def __init__(self):
        pages = client.get_paginator("list_functions").paginate()
        self.functions = sorted(item["FunctionName"] for page in pages for item in page["Functions"])
        self.processes = len(descendants(int(os.environ["DORMOUSE_PID"])))
        data = pathlib.Path(os.environ["DORMOUSE_DATA_DIR"])
        self.stored = sorted(
            str(path.relative_to(data)) for part in ("blobs", "code") for path in (data / part).rglob("*")
        )


with Functions(client) as functions:
    with checks.part("wrong_handlers"):
        wrong_handlers(functions)
    target = functions.make("sizes", GOOD, "echo.handler", RUNTIME, MemorySize=512)
    invoke(client, target)
    before = State()
    for part in (
        packages,
        runtimes,
        requests,
        strange_parameters,
        signatures,
        authorizations,
        times,
        lambda: sizes(target),
    ):
        with checks.part(getattr(part, "__name__", "sizes")):
            part()
    wait_until(lambda: State().processes <= before.processes)
    after = State()
    checks.equal("afterwards: no function more", after.functions, before.functions)
    checks.holds(
        "afterwards: no process more", after.processes <= before.processes, after.processes, f"<= {before.processes}"
    )
    more = sorted(set(after.stored) - set(before.stored))
    checks.equal("afterwards: nothing more is stored", more, [])
    answer = invoke(client, target, {"still": "there"})
    checks.equal("afterwards: it serves", (answer.error, answer.payload["event"]), (None, {"still": "there"}))
checks.finish()
