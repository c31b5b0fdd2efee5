"""Extensions and runtimes that break the rules, and processes that are killed: each as Lambda answers, nothing left
behind, neighbours unharmed.

The processes are the script functions/actor.py. FLOOD_MB says how much output the flood writes; 1,024 if not set,
10,240 for the whole size. Parts can be named on the command line.
"""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import signal
import sys
import threading
import time

from botocore.exceptions import ClientError

from lambda_checks import SOURCES, Checks, Functions, invoke, lambda_client, logged, package, report, wait_until

ACTOR = (SOURCES / "actor.py").read_text()
FLOOD_MB = int(os.environ.get("FLOOD_MB", "1024"))

client = lambda_client()
checks = Checks()


def actor(functions, label, extensions=(), *, orders=None, **settings):
    """A function whose runtime and extensions obey; `orders` are for those who are told before any event."""
    variables = {f"ACT_{name}": json.dumps(order) for name, order in (orders or {}).items()}
    settings = {"Timeout": 5, "MemorySize": 256} | settings
    if extensions:
        files = {f"extensions/{name}": ACTOR for name in extensions}
        settings["Layers"] = [functions.layer(label, package(files))]
    code = package({"bootstrap": ACTOR})
    return functions.make(label, code, "x", "provided.al2023", Environment={"Variables": variables}, **settings)


def processes_of(name):
    """The host's ids of a function's processes, with the program of each; the sandbox's first process as `init`."""
    found = {}
    wanted = f"AWS_LAMBDA_FUNCTION_NAME={name}".encode()
    for folder in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0"):
                words = (folder / "cmdline").read_bytes().split(b"\0")
                found[int(folder.name)] = os.path.basename(words[1] if len(words) > 2 else words[0]).decode()
                parent = re.search(r"PPid:\t(\d+)", (folder / "status").read_text()).group(1)
                if "NSpid" in (status := pathlib.Path("/proc", parent, "status").read_text()):
                    inside = re.search(r"NSpid:.*\t(\d+)\n", status).group(1)
                    found |= {int(parent): "init"} if inside == "1" else {}
        except OSError:
            continue  # It ended meanwhile.
    return found


def serves(label, name):
    """It answers again, if not at once: what was hit may just be handed the next invocation."""

    def answers():
        with contextlib.suppress(ClientError):
            return invoke(client, name).error is None

    fine = wait_until(answers)
    checks.holds(f"{label}: serves again", fine, fine, "an answer")


def never_ready(functions):
    """Init ends after 10 s, and is repeated under the function's timeout."""
    name = actor(functions, "never-next", ("idle",), orders={"idle": {"registered": [{"sleep": 120}]}}, Timeout=2)
    began = time.monotonic()
    answer = invoke(client, name)
    seconds = time.monotonic() - began
    checks.equal("never asks: error", answer.payload.get("errorType"), "Sandbox.Timedout")
    checks.holds("never asks: message", "timed out after 2.00 seconds" in answer.payload["errorMessage"], answer.raw, "2 s")
    checks.holds("never asks: time", 12 <= seconds < 15.5, f"{seconds:.1f} s", "10 s, a shutdown, and 2 s")
    again = invoke(client, name)
    checks.equal("never asks: and again", again.payload.get("errorType"), "Sandbox.Timedout")


def registers_twice(functions):
    name = actor(functions, "twice", ("eager",), orders={"eager": {"registered": [{"register_again": 0}]}})
    answer = invoke(client, name)
    statuses = [note["status"] for note in answer.payload["trace"] if note["phase"] == "registered again"]
    checks.equal("registers twice: refused, and serves", (answer.error, statuses), (None, [403]))


ENDS = (({"exit": 0}, "exit code 0"), ({"exit": 1}, "exit status 1"), ({"kill": 9}, "signal: killed"))
PHASES = ("start", "registered", "INVOKE", "SHUTDOWN")


def exits(functions):
    """An extension ends in each phase and in each way."""
    cases = [(phase, end, text) for phase in PHASES for end, text in ENDS]

    def case(number):
        phase, end, text = cases[number]
        label = f"extension, {phase}, {text}"
        name = actor(functions, f"exits-{number}", ("weak",), orders={"weak": {phase: [end]}})
        # It has time to end before the function does.
        answer = invoke(client, name, {"do": [{"sleep": 1}]} if phase == "INVOKE" else {})
        if phase == "SHUTDOWN":
            failed = invoke(client, name, {"do": [{"exit": 2}]})
            seen = (answer.error, failed.payload.get("errorType"))
            checks.equal(f"{label}: the answers are the function's", seen, (None, "Runtime.ExitError"))
            return serves(label, name)
        expected = {"errorType": "Extension.Crash", "errorMessage": f"RequestId: {answer.request_id} Error: {text}"}
        checks.equal(f"{label}: answer", answer.payload, expected)

    with concurrent.futures.ThreadPoolExecutor(4) as crowd:
        list(crowd.map(lambda number: guarded(lambda _: case(number), functions, f"exits {number}"), range(len(cases))))


def exits_while_running(functions):
    """The function still works when its extension ends: the invocation fails for it."""
    name = actor(functions, "exits-early", ("weak",), orders={"weak": {"INVOKE": [{"exit": 1}]}})
    answer = invoke(client, name, {"do": [{"sleep": 3}]})
    checks.equal("extension ends before the function: error", answer.payload.get("errorType"), "Extension.Crash")
    reported = {key: value for key, value in report(answer).items() if key in ("Status", "Error Type")}
    checks.equal("extension ends before the function: REPORT", reported, {"Status": "error", "Error Type": "Extension.Crash"})


def resident_mb():
    status = pathlib.Path("/proc", os.environ["DORMOUSE_PID"], "status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) // 1024


def flood(functions):
    """An extension and a function write without end: the server stays small and answers others."""
    orders = {"loud": {"INVOKE": [{"flood": FLOOD_MB // 2}]}}
    name = actor(functions, "loud", ("loud",), orders=orders, Timeout=300, MemorySize=1769)
    quiet = actor(functions, "quiet")
    invoke(client, quiet)
    before, peak, slowest = resident_mb(), 0, 0.0
    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        flooding = beside.submit(lambda_client(read_timeout=400).invoke, FunctionName=name, Payload=json.dumps({"do": [{"flood": FLOOD_MB // 2}]}))
        while not flooding.done():
            began = time.monotonic()
            if invoke(client, quiet).error:
                checks.holds("flood: neighbour", False, "an error", "an answer")
            slowest = max(slowest, time.monotonic() - began)
            peak = max(peak, resident_mb())
            # Some air between, so that the neighbour does not become a load of its own.
            threading.Event().wait(0.05)
        answer = flooding.result()
    checks.equal(f"flood of {FLOOD_MB} MB: answered", answer.get("FunctionError"), None)
    checks.holds("flood: the server stays small", peak - before < 200, f"{peak - before} MB more", "< 200 MB more")
    checks.holds("flood: neighbours are answered", slowest < 2, f"{slowest:.2f} s", "< 2 s")
    files = (pathlib.Path(os.environ["DORMOUSE_DATA_DIR"]) / "logs").rglob("*")
    size = sum(file.stat().st_size for file in files if file.is_file())
    checks.holds("flood: logs kept within bounds", size < 400 * 1_048_576, f"{size / 1e6:.0f} MB", "< 400 MB")
    print(f"flood of {FLOOD_MB} MB: {peak - before} MB more memory, neighbour at most {slowest * 1000:.0f} ms")


def runtimes(functions):
    """Runtimes that answer twice, for others, in no language, or half."""
    name = actor(functions, "unruly")
    other = "8476a536-e9f4-11e8-9739-2dfe598c3fcd"
    twice = invoke(client, name, {"do": [{"respond_to": other}, {"respond": "first"}, {"respond": "second"}]})
    checks.equal("answers twice: the first counts", (twice.error, twice.payload), (None, "first"))
    broken = [{"raw": "POST /2018-06-01/runtime/invocation/{id}/response\r\nnonsense\r\n\r\n"}, {"raw": "\x00\x01\x02"}]
    seen = invoke(client, name, {"do": broken})
    checks.equal("malformed requests: serves on", seen.error, None)
    statuses = [line for line in seen.payload["seen"] if line]
    checks.holds("malformed requests: refused", all(" 400 " in line for line in statuses), statuses, "400 or nothing")
    half = "POST /2018-06-01/runtime/invocation/{id}/response HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{\"half"
    cut = invoke(client, name, {"do": [{"raw": half}, {"sleep": 30}]})
    checks.equal("half an answer: error", cut.payload.get("errorType"), "Runtime.TruncatedResponse")
    serves("half an answer", name)
    left = invoke(client, name, {"do": [{"fork": 60}, {"exit": 0}]})
    message = f"RequestId: {left.request_id} Error: Runtime exited without providing a reason"
    checks.equal("forks and leaves: answer", left.payload, {"errorType": "Runtime.ExitError", "errorMessage": message})
    serves("forks and leaves", name)

    def alone():
        programs = list(processes_of(name).values())
        return programs.count("bootstrap") == programs.count("init") > 0

    gone = wait_until(alone)
    checks.holds("forks and leaves: the child is gone", gone, processes_of(name), "one bootstrap for each init")


# With a sandbox's first process all of them end, and either end may be noticed first.
KILLED = {
    "bootstrap": ("Runtime.ExitError",),
    "watch": ("Extension.Crash",),
    "init": ("Runtime.ExitError", "Extension.Crash"),
}


def killed_while(functions, who, phase):
    """SIGKILL of one process of an environment in one phase; the function serves again."""
    label = f"SIGKILL of {who}, {phase}"
    slow = {"watch": {"start": [{"sleep": 0.4}]}} if phase == "init" else {"watch": {"SHUTDOWN": [{"sleep": 0.6}]}}
    name = actor(functions, f"{who}-{phase}", ("watch",), orders=slow)

    def hit():
        found = wait_until(lambda: [pid for pid, program in processes_of(name).items() if program == who], 5, 0.01)
        for pid in found or ():
            os.kill(pid, signal.SIGKILL)
        return found

    with concurrent.futures.ThreadPoolExecutor(1) as beside:
        if phase != "init":
            checks.equal(f"{label}: serves before", invoke(client, name).error, None)
        if phase == "idle":
            found = hit()
        elif phase == "shutdown":
            beside.submit(invoke, client, name, {"do": [{"exit": 1}]}).result()
            found = hit() if who != "bootstrap" else True
        else:
            event = {"do": [{"sleep": 2}]} if phase == "run" else {}
            invoked = beside.submit(invoke, client, name, event)
            if phase == "run":
                wait_until(lambda: any('"phase": "invoked"' in line for line in logged(name)[-4:]) and processes_of(name))
            found = hit()
            try:
                seen = invoked.result().payload.get("errorType")
            except ClientError as error:
                seen = error.response["Error"]["Code"]
            if phase == "run":
                checks.holds(f"{label}: error", seen in KILLED[who], seen, f"of {KILLED[who]}")
    checks.holds(f"{label}: it was there", found, found, "a process")
    serves(label, name)


def kills(functions):
    cases = [(who, phase) for who in KILLED for phase in ("init", "idle", "run", "shutdown")]
    # While an extension starts, there is no runtime yet.
    cases.remove(("bootstrap", "init"))
    with concurrent.futures.ThreadPoolExecutor(3) as crowd:
        list(crowd.map(lambda case: guarded(lambda f: killed_while(f, *case), functions, f"SIGKILL {case}"), cases))


def overwritten_layers(functions):
    """A later layer covers an earlier one's file where both are used, and nowhere else."""
    below = functions.layer("below", package({"mine": "below", "only-below": "below"}))
    above = functions.layer("above", package({"mine": "above"}))
    read = {"do": [{"read": "/opt/mine"}, {"read": "/opt/only-below"}]}
    for label, layers, expected in (("both", [below, above], ["above", "below"]), ("one", [below], ["below", "below"])):
        name = actor(functions, f"layers-{label}", Layers=layers)
        checks.equal(f"layers, {label}", invoke(client, name, read).payload["seen"], expected)


PARTS = (
    never_ready, registers_twice, exits, exits_while_running, runtimes, kills, overwritten_layers,
)  # fmt: skip


def guarded(part, functions, name=None):
    with checks.part(name or part.__name__):
        part(functions)


def main():
    chosen = [part for part in (*PARTS, flood) if part.__name__ in sys.argv[1:]] or (*PARTS, flood)
    with Functions(client) as functions:
        neighbour = actor(functions, "neighbour")
        first = invoke(client, neighbour).payload
        # Waiting dominates in all of them but the flood.
        with concurrent.futures.ThreadPoolExecutor(4) as crowd:
            list(crowd.map(lambda part: guarded(part, functions), [part for part in chosen if part is not flood]))
        if flood in chosen:
            guarded(flood, functions)
        last = invoke(client, neighbour).payload
        checks.equal("the neighbour is the same all the time", last["instance"], first["instance"])
        names = list(functions.names)
    for name in names:
        wait_until(lambda: not processes_of(name))
    left = {name: found for name in names if (found := processes_of(name))}
    checks.equal("no process is left of any function", left, {})
    checks.finish()


main()
