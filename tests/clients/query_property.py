"""IAM's and STS's models as a property, as far as they are served: whatever form comes in by the query protocol, the answer
is no 5xx but XML, and a refusal there has a code, a message and a request id.

Valid requests, each constraint of the model broken, and forms that are none. MODEL_SEED names another seed.
"""

import os
import pathlib
import random
import urllib.parse
import xml.etree.ElementTree as ElementTree

import botocore.session

from lambda_checks import Checks, shortened
from model.calls import Operation
from model.connection import Connection
from model.values import Values, Violation, violations

SEED = int(os.environ.get("MODEL_SEED", "2015"))
LISTS = pathlib.Path(__file__).resolve().parents[2] / "conformance" / "operations"
FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
#: Valid requests of each operation, with more and more of its optional members.
LIKELIHOODS = (0.0, 0.0, 0.2, 0.6, 1.0)

checks = Checks()
values = Values(random.Random(SEED), wants=lambda operation, name, likelihood: values.random.random() < likelihood)
connection = Connection(os.environ["AWS_ENDPOINT_URL"])


def served(service):
    """How much of each operation works, by name."""
    lines = (LISTS / f"{service}.txt").read_text().splitlines()
    words = [line.split() for line in lines if not line.startswith("#")]
    return {word[1]: word[0] for word in words if word[0] != "absent"}


def pairs(value, prefix=""):
    """A value as the pairs of a form."""
    if isinstance(value, dict):
        for name, part in value.items():
            yield from pairs(part, f"{prefix}.{name}" if prefix else name)
    elif isinstance(value, list):
        for number, part in enumerate(value, 1):
            yield from pairs(part, f"{prefix}.member.{number}")
    elif isinstance(value, bool):
        yield prefix, "true" if value else "false"
    else:
        yield prefix, str(value)


def wrong(answer, is_later):
    """What is wrong with an answer, in words."""
    if answer.status == 501 and is_later:
        return None
    if answer.status >= 500:
        return f"status {answer.status}"
    try:
        root = ElementTree.fromstring(answer.body)
    except ElementTree.ParseError as error:
        return f"no XML: {error}"
    found = {element.tag.rpartition("}")[2] for element in root.iter()}
    if answer.status >= 400 and not {"Code", "Message", "RequestId"} <= found:
        return f"a refusal without code, message or request id: {sorted(found)}"
    return None


def check(service):
    client = botocore.session.get_session().get_service_model(service)
    faults, counts = {}, {"valid": 0, "broken": 0, "odd": 0}

    def send(kind, name, body, is_later, must_fail=False):
        counts[kind] += 1
        answer = connection.send("POST", "/", FORM, body, service)
        problem = wrong(answer, is_later) or (must_fail and answer.status < 400 and "accepted")
        if problem:
            faults.setdefault(f"{name}: {kind}: {problem}", f"{shortened(body, 300)} answered {answer!r}")

    for name, coverage in served(service).items():
        operation, is_later = Operation(client.operation_model(name)), coverage != "done"
        head = {"Action": name, "Version": client.api_version}
        form = lambda made: urllib.parse.urlencode(list(pairs(head | made))).encode()
        for likelihood in LIKELIHOODS:
            send("valid", name, form(values.input(operation, likelihood)), is_later)
        for violation in violations(operation, values):
            if isinstance(violation, Violation):
                send("broken", name, form(violation.values), is_later)
        good = form(values.input(operation))
        for body in (good + b"&%zz=%&%ff=%00&=", good * 2, good.replace(b"=", b""), good + b"&A.member.99999999999=1"):
            send("odd", name, body, is_later)
    for body in (b"", b"Action=", b"Action=NoSuchAction", b"\xff\xfe", b"{}", b"Version=1", b"&&&===" * 1000):
        send("odd", "no operation", body, "done" not in served(service).values(), must_fail=True)
    told = "".join(f"\n    {fault}\n      {example}" for fault, example in list(faults.items())[:20])
    print(f"{service}: {counts} {len(faults)} kinds of fault{told}")
    checks.holds(f"{service}: every answer is in form", not faults, f"{len(faults)} kinds of fault", "none")


for model in ("sts", "iam"):
    with checks.part(model):
        check(model)
checks.finish()
