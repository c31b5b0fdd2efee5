"""A run of requests against one server: each answer judged by its form, what was acknowledged noted, faults gathered."""

import collections
import time

from lambda_checks import package, shortened
from model import calls
from model.known import ACCOUNT, Known
from model.survey import Survey
from model.values import Values
from model.world import World

SETTLE_SECONDS_MAX = 30
CODE = package({"app.py": "def handler(event, context):\n    return event\n"})
#: AWS's common errors, and what Lambda answers to a body or payload whatever the operation.
COMMON = {
    "ValidationException", "SerializationException", "AccessDeniedException", "UnknownOperationException",
    "InvalidSignatureException", "IncompleteSignatureException", "ThrottlingException", "RequestTooLargeException",
    "UnsupportedMediaTypeException", "InvalidParameterValueException", "TooManyRequestsException",
}  # fmt: skip
OPERATIONS = calls.operations()
UNFINISHED = calls.unfinished()


class Run:
    """One caller of a server, what has been acknowledged to it, and a count of everything."""

    def __init__(self, connection, source, checks, runtime, account=ACCOUNT):
        self.connection = connection
        self.checks = checks
        self.world = World(connection.region, account)
        self.known = Known(source, self.world, runtime, CODE)
        self.values = Values(source, self.known, self.known.wants, self.known.begin)
        self.survey = Survey(self.ask)
        self.outcomes = collections.defaultdict(collections.Counter)
        self.wrong = []
        self.count = 0

    def ask(self, name, values):
        """Sends a request to an operation, judges the form of its answer, and notes what was acknowledged."""
        operation = OPERATIONS[name]
        method, url, headers, body = operation.request(values)
        answer = self.send(operation, method, url, headers, body)
        if answer.status < 300:
            self.note(name, values, answer)
        return answer

    def send(self, operation, method, url, headers, body):
        """Sends bytes and judges the form of the answer."""
        told = f"{method} {url} {headers} {body[:600]!r}"
        self.count += 1
        answer = self.connection.send(method, url, headers, body)
        self.outcomes[operation.name][answer.code or answer.status] += 1
        if problem := malformed(operation, method, answer):
            self.fault(f"{operation.name}: {problem}", f"{shortened(told, 900)} answered {answer!r}")
        return answer

    def note(self, name, values, answer):
        document = answer.document
        if not isinstance(document, dict):
            return
        self.known.marker = document.get("NextMarker") or self.known.marker
        self.known.revision = document.get("RevisionId") or self.known.revision
        self.world.note(name, values, document)

    def fault(self, what, told):
        self.wrong.append((what, told))

    def report(self, name):
        """One check for all that went wrong meanwhile: each kind once, with an example."""
        kinds = {}
        for what, told in self.wrong:
            kinds.setdefault(what, []).append(told)
        shown = "".join(f"\n    {len(told)} × {what}\n      {told[0]}" for what, told in list(kinds.items())[:40])
        if kinds:
            print(f"{name}: {len(kinds)} kinds of fault{shown}")
        self.checks.holds(name, not kinds, f"{len(kinds)} kinds of fault", "none")
        self.wrong = []

    def settle(self):
        """Waits until nothing changes by itself any more."""
        end = time.monotonic() + SETTLE_SECONDS_MAX
        moving = True
        while moving and time.monotonic() < end:
            functions = self.survey.every("ListFunctions", FunctionVersion="ALL") or ()
            states = [
                self.ask("GetFunctionConfiguration", {"FunctionName": function["FunctionArn"]}).document
                for function in functions
            ]
            moving = any(s.get("State") == "Pending" or s.get("LastUpdateStatus") == "InProgress" for s in states)
            mappings = self.survey.every("ListEventSourceMappings") or ()
            moving |= any(entry["State"] in ("Creating", "Enabling", "Updating", "Disabling") for entry in mappings)
        self.checks.holds("everything settles", not moving, "states that do not end", "final states")


def malformed(operation, method, answer):
    """What is wrong with the form of an answer, in words."""
    if answer.status == 501 and operation.name in UNFINISHED:
        return None
    if answer.status >= 500:
        return f"status {answer.status} {answer.code}"
    if "x-amzn-requestid" not in answer.headers:
        return "no request id"
    if answer.status < 300:
        if answer.code:
            return f"success with an error code {answer.code}"
        is_document = not operation.name.startswith("Invoke") and method != "HEAD"
        return "success without JSON" if is_document and answer.document is None else None
    if answer.code not in operation.errors | COMMON:
        return f"{answer.status} with a code of another operation: {answer.code or 'none'}"
    if method != "HEAD" and not answer.message:
        return f"{answer.code} without a message in JSON"
    return None


def populate(run):
    """A little of everything, so that the refusals that follow meet something that they could spoil."""
    for _ in range(4):
        for name in sorted(OPERATIONS):
            if name.startswith(("Create", "Publish", "Put", "Add")):
                run.ask(name, run.values.input(OPERATIONS[name], 0.05))
    run.settle()
