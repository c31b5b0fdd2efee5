"""The whole of Lambda's model as a property: no request, valid or not, gets a 5xx, a hang or a broken connection; every
refusal is in AWS's form with a code that the model knows; what breaks a constraint is told by its member's name; and
what was acknowledged, no more and no less, is there in the end and after a restart.

Requests are made from the model itself (folder `model`) by a seed that is printed. It is the same every time, so that a
change is judged by the same requests; MODEL_SEED names another or `any`, MODEL_SECONDS the length of the mixed part.
"""

import os
import random
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

from lambda_checks import Checks, runtime_of
from model import odd
from model.connection import Connection
from model.known import SURPRISE
from model.run import OPERATIONS, UNFINISHED, Run, populate
from model.survey import READS, contradictions, differences
from model.values import Violation, violations
from own_servers import OwnServer

SEED = os.environ.get("MODEL_SEED", "2015")
SEED = random.SystemRandom().randrange(10**6) if SEED == "any" else int(SEED)
SECONDS = float(os.environ.get("MODEL_SECONDS") or 20)
#: Callers at once.
CALLERS = 6
#: The operation itself refuses other values, with an error of its own.
OTHERWISE_REFUSED = {("CreateFunction", ("Runtime",)), ("UpdateFunctionConfiguration", ("Runtime",))}
#: How often each kind of operation is taken.
WEIGHTS = {"Create": 5, "Publish": 4, "Put": 4, "Add": 4, "Update": 3, "Delete": 1, "Remove": 1, "Invoke": 1}
#: How likely an optional member is given, one of these for a request.
OPTIONAL = (0.0, 0.0, 0.05, 0.1, 0.3)
#: Nothing here makes a durable execution, whose records these are about; a function makes them by running.
UNREACHED = {name for name in OPERATIONS if "DurableExecution" in name} - {"ListDurableExecutionsByFunction"}
# Those of functions on managed instances need a version that was published as one; `capacity.py` has it.
UNREACHED |= {"PutFunctionScalingConfig", "GetFunctionScalingConfig"}

checks = Checks()
source = random.Random(SEED)


def constraints(run):
    """Every constraint of the model, broken at each end."""
    broken, unbreakable = 0, 0
    run.known.surprise = 0
    for operation in OPERATIONS.values():
        for violation in violations(operation, run.values):
            if not isinstance(violation, Violation):
                unbreakable += 1
                continue
            broken += 1
            judge(run, operation, violation)
    members = "(operation, member, constraint)"
    print(f"constraints: {broken} of {broken + unbreakable} {members} broken; {unbreakable} cannot be by any request")
    checks.holds("most constraints are broken", broken > 700, broken, "more than 700")


def judge(run, operation, violation):
    method, url, headers, body = operation.request(violation.values)
    answer = run.send(operation, method, url, headers, body)
    where = (violation.operation, violation.path)
    if where in OTHERWISE_REFUSED and violation.constraint == "enum":
        held = answer.status == 400 and answer.code == "InvalidParameterValueException"
    else:
        held = answer.status == 400 and answer.code == "ValidationException" and violation.says in answer.message
    if not held:
        what = f"{operation.name}.{'.'.join(violation.path)}: {violation.constraint} not told"
        run.fault(what, f"{answer!r} to {method} {url} {body[:300]!r}; expected: {violation.says}")


def oddities(run):
    """Requests out of form, for each operation."""
    run.known.surprise = 0
    for operation in OPERATIONS.values():
        good = run.values.input(operation)
        for label, (method, url, headers, body), is_refused in odd.requests(operation, good):
            answer = run.send(operation, method, url, headers, body)
            if answer.status < 300 and method == operation.method:
                run.note(operation.name, good, answer)
            if is_refused and answer.status < 400:
                run.fault(f"{operation.name}: {label} accepted", f"{method} {url} {headers} {body[:200]!r} {answer!r}")


def life(run):
    """A mixture for some time, in which most requests could succeed."""
    run.known.surprise = SURPRISE
    start, count = time.monotonic(), run.count
    live(run, start + SECONDS)
    # A busy machine may need longer to reach everything.
    if never_succeeded(run):
        live(run, start + 2 * SECONDS)
    print(f"life: {run.count - count} requests in {time.monotonic() - start:.0f} s")


def live(run, end):
    names = sorted(OPERATIONS)
    weights = [next((w for word, w in WEIGHTS.items() if name.startswith(word)), 2) for name in names]
    random_of_run = run.values.random
    while time.monotonic() < end:
        name = random_of_run.choices(names, weights)[0]
        run.ask(name, run.values.input(OPERATIONS[name], random_of_run.choice(OPTIONAL)))


def succeeded(run):
    """Whether the mixture reached every operation's success; else it proves little."""
    line = lambda counter: " ".join(f"{outcome}×{count}" for outcome, count in counter.most_common())
    for name in sorted(OPERATIONS):
        print(f"  {name}: {line(run.outcomes[name])}")
    checks.equal("operations that never succeeded", never_succeeded(run), set())


def never_succeeded(run):
    """Operations that are served and have been refused so far, whatever they were asked."""
    is_success = lambda outcome: isinstance(outcome, int) and outcome < 300
    never = {name for name in OPERATIONS if not any(map(is_success, run.outcomes[name]))}
    return never - UNFINISHED - UNREACHED


def together(run):
    """The same mixture from several callers at once, about the same things: who is late is told, and nothing is halved."""

    endpoint = f"http://{run.connection.address}"

    def call(number):
        part = Run(Connection(endpoint), random.Random(SEED + number), checks, run.known.runtime)
        part.world.answers = dict(run.world.answers)
        live(part, time.monotonic() + SECONDS / 3)
        return part

    with ThreadPoolExecutor(CALLERS) as pool:
        parts = list(pool.map(call, range(1, CALLERS + 1)))
    run.wrong.extend(fault for part in parts for fault in part.wrong)
    print(f"together: {sum(part.count for part in parts)} requests by {CALLERS} callers")
    run.report("every answer is in form, also of several callers")
    run.settle()
    for kind, keys in run.survey.keys().items():
        for key in keys if kind in READS else ():
            operation, values, _ = READS[kind](key)
            answer = run.ask(operation, values)
            if answer.status != 200:
                run.fault(f"{kind} is listed and not there", f"{key}: {answer!r}")
    run.report("what is listed is there")


def whole(run, when):
    """What the server tells is what it has acknowledged."""
    told = run.survey.keys()
    for kind, keys in sorted(told.items()):
        checks.equal(f"{when}: every {kind}", keys ^ run.world.keys(kind), set())
    statements = run.survey.statements(told)
    checks.equal(f"{when}: every statement", statements ^ run.world.keys("statement"), set())
    for (kind, key), acknowledged in sorted(run.world.answers.items(), key=repr):
        if read := READS.get(kind):
            operation, values, part = read(key)
            answer = run.ask(operation, values)
            if answer.status == 501:
                continue
            found = (answer.document or {}).get(part, {}) if part else answer.document
            if answer.status != 200 or (wrong := contradictions(acknowledged, found)):
                run.fault(f"{kind} differs", f"{key}: {wrong if answer.status == 200 else answer!r}")
    run.report(f"{when}: what was acknowledged is what is told")


def restart(run, server):
    """The server tells the same after it has been started again."""
    before = run.survey.whole()
    server.stop()
    server.start()
    run.connection = Connection(server.endpoint)
    checks.equal("a restart changes nothing", differences(before, run.survey.whole()), [])


def main(server):
    run = Run(Connection(server.endpoint), source, checks, runtime_of("python"))
    with checks.part("populate"):
        populate(run)
        run.report("a little of everything is made")
    with checks.part("constraints"):
        before = run.survey.whole()
        constraints(run)
        run.report("every broken constraint is told")
        checks.equal("refused requests change nothing", differences(before, run.survey.whole()), [])
    with checks.part("oddities"):
        oddities(run)
        run.report("requests out of form are answered in form")
    with checks.part("life"):
        life(run)
        run.report("every answer is in form")
        succeeded(run)
    with checks.part("whole"):
        run.settle()
        whole(run, "in the end")
    with checks.part("restart"):
        restart(run, server)
        whole(run, "after a restart")
    with checks.part("together"):
        together(run)
        restart(run, server)
    print(f"{run.count} requests; seed {SEED}")


print(f"seed {SEED}")
with tempfile.TemporaryDirectory() as folder, OwnServer(folder) as own:
    main(own)
checks.finish()
