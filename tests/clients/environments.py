"""How an execution environment lives: init, invoke, reset and shutdown with extensions, their time limits and what is
said about them; what survives; several invocations at once; tenants; disk space.

Runtime and extensions are mostly the script functions/actor.py, which does what it is told.
"""

import concurrent.futures
import json
import time

from lambda_checks import (
    SOURCES,
    Checks,
    Functions,
    invoke,
    lambda_client,
    logged,
    package,
    report,
    runtime_of,
    sources,
    wait_until,
)

ACTOR = (SOURCES / "actor.py").read_text()
PYTHON = runtime_of("python")
NODE = runtime_of("nodejs")
CODE = package(sources("living.py", "living.js"))

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
    environment = {"Variables": variables}
    return functions.make(label, code, "x", "provided.al2023", Environment=environment, **settings)


def notes(name, *, who=None, phase=None):
    """What the processes of a function have said, in the order of their time."""
    found = [json.loads(line) for line in logged(name) if line.startswith('{"who"')]
    found = [note for note in found if who in (None, note["who"]) and phase in (None, note["phase"])]
    return sorted(found, key=lambda note: note["at"])


def reset_is_over(name, who="watch"):
    """An extension that was told of the end has ended; the environment can be given the next invocation."""
    return wait_until(lambda: notes(name, who=who, phase="done"))


def order_of_init(functions):
    """Extensions first, all of them; the runtime when they have registered; then the invocation."""
    orders = {"slow": {"start": [{"sleep": 0.3}]}}
    name = actor(functions, "order", ("quick", "slow"), orders=orders)
    answer = invoke(client, name)
    steps = [(note["who"], note["phase"]) for note in answer.payload["trace"]]
    runtime = steps.index(("bootstrap", "start"))
    for extension in ("quick", "slow"):
        registered = steps.index((extension, "registered"))
        checks.holds(f"init: {extension} registers before the runtime starts", registered < runtime, steps, "in order")
    checks.equal("init: its type", answer.payload["type"], "on-demand")
    init_ms = float(report(answer)["Init Duration"].split()[0])
    checks.holds("init: its duration has the extensions'", init_ms >= 300, init_ms, "300 ms and more")
    said = logged(name)
    for extension in ("quick", "slow"):
        line = f"EXTENSION\tName: {extension}\tState: Ready\tEvents: [INVOKE, SHUTDOWN]"
        checks.holds(f"init: EXTENSION line of {extension}", line in said, said, line)


def reset(functions, label, event, reason, kind):
    """After a failure, processes are new, /tmp is not, and init happens inside of the next invocation."""
    name = actor(functions, f"reset-{label}", ("watch",), Timeout=1)
    first = invoke(client, name, {"do": [{"keep": "/tmp/mine"}]}).payload
    failed = invoke(client, name, event)
    checks.equal(f"{label}: error", failed.payload.get("errorType"), kind)
    told = reset_is_over(name)
    shutdown = notes(name, who="watch", phase="SHUTDOWN")[0]
    checks.equal(f"{label}: reason of the shutdown", shutdown["event"]["shutdownReason"], reason)
    left = shutdown["event"]["deadlineMs"] / 1000 - shutdown["at"]
    checks.holds(f"{label}: deadline of the shutdown", 1.0 <= left <= 2.0, left, "what is left of 2 s")
    checks.equal(f"{label}: the extension ended by itself", len(told), 1)
    # Its last word is not yet the end of the reset, and whoever comes before that gets another environment.
    time.sleep(1)
    again = wait_until(lambda: (a := invoke(client, name, {"do": [{"read": "/tmp/mine"}]})).error is None and a)
    checks.equal(f"{label}: /tmp survives", again.payload["seen"], ["kept"])
    checks.holds(f"{label}: the runtime is new", again.payload["instance"] != first["instance"], again.payload, "another")
    extensions = {note["instance"] for note in again.payload["trace"] if note["who"] == "watch"}
    checks.equal(f"{label}: the extension is new as well", len(extensions), 2)
    checks.holds(f"{label}: suppressed init has no Init Duration", "Init Duration" not in again.log, again.log, "none")
    duration = float(report(again)["Duration"].split()[0])
    checks.holds(f"{label}: it counts in the duration", duration > 30, duration, "two starts of Python")


def reset_by_timeout(functions):
    reset(functions, "timeout", {"do": [{"sleep": 30}]}, "timeout", "Sandbox.Timedout")


def reset_by_crash(functions):
    reset(functions, "crash", {"do": [{"exit": 3}]}, "failure", "Runtime.ExitError")


def runs_its_signal_handler(name):
    """Whether one of some environments that end says so: a busy machine may not let it run in the 300 ms that it has."""
    for number in range(4):
        if wait_until(lambda: any("ended by SIGTERM" in line for line in logged(name)), seconds=5):
            return True
        invoke(client, name)
        client.update_function_configuration(FunctionName=name, Description=f"superfluous again {number}")
    return False


def spindown(functions):
    """SIGTERM reaches the runtime when an extension is registered, then the extension is told."""
    layer = functions.layer("spindown", package({"extensions/watch": ACTOR}))
    for label, runtime, handler in (("Python", PYTHON, "living.stays"), ("Node.js", NODE, "living.stays")):
        settings = {"MemorySize": 256, "Timeout": 5}
        name = functions.make(f"ends-{label[0].lower()}", CODE, handler, runtime, Layers=[layer], **settings)
        bare = functions.make(f"bare-{label[0].lower()}", CODE, handler, runtime, **settings)
        for function in (name, bare):
            checks.equal(f"spindown, {label}: serves", invoke(client, function).error, None)
            client.update_function_configuration(FunctionName=function, Description="makes the old one superfluous")
        told = reset_is_over(name)
        events = [note["event"]["shutdownReason"] for note in notes(name, phase="SHUTDOWN")]
        checks.equal(f"spindown, {label}: reason", (events, len(told)), (["spindown"], 1))
        said = runs_its_signal_handler(name)
        checks.holds(f"spindown, {label}: the runtime's signal handler ran", said, logged(name), "ended by SIGTERM")
        silent = not any("SIGTERM" in line for line in logged(bare))
        checks.holds(f"spindown, {label}: no signal without extensions", silent, logged(bare), "nothing")


def shutdown_limits(functions):
    """An extension that hangs in shutdown is killed after 2 s; one that ignores signals, too."""
    orders = {"hangs": {"SHUTDOWN": [{"sleep": 60}]}, "bootstrap": {"start": [{"ignore": 15}]}}
    name = actor(functions, "hangs", ("hangs", "watch"), orders=orders, Timeout=5)
    checks.equal("hang in shutdown: serves", invoke(client, name).error, None)
    failed = invoke(client, name, {"do": [{"exit": 1}]})
    began = time.monotonic()
    checks.equal("hang in shutdown: answered at once", failed.payload.get("errorType"), "Runtime.ExitError")
    # Another environment serves meanwhile; the one that is being reset comes back when it is over.
    marks = [note["at"] for note in notes(name, who="hangs", phase="start")]
    again = invoke(client, name)
    checks.equal("hang in shutdown: serves meanwhile", again.error, None)
    checks.holds("hang in shutdown: without waiting", time.monotonic() - began < 1.5, time.monotonic() - began, "< 1.5 s")
    checks.holds("hang in shutdown: the other was told", reset_is_over(name), notes(name), "done")
    checks.equal("hang in shutdown: first environment", len(marks), 1)

    # A runtime that ignores SIGTERM has 300 ms of the 2 s, then it is killed and the extensions are told.
    client.update_function_configuration(FunctionName=name, Description="another")
    told = wait_until(lambda: [n for n in notes(name, who="watch", phase="SHUTDOWN") if n["event"]["shutdownReason"] == "spindown"])
    left = told[0]["event"]["deadlineMs"] / 1000 - told[0]["at"] if told else None
    checks.holds("runtime that ignores SIGTERM", told and 1.0 <= left <= 1.8, left, "1.4 s or so left for extensions")


def work_after_the_answer(functions):
    """What an extension does after the answer delays nobody, and is paid."""
    name = actor(functions, "after", ("works",), orders={"works": {"INVOKE": [{"sleep": 0.6}]}})
    plain = lambda: client.invoke(FunctionName=name, Payload=b"{}")["Payload"].read()
    plain()
    reports = lambda: [line for line in logged(name) if line.startswith("REPORT")]
    wait_until(lambda: len(reports()) == 1)
    began = time.monotonic()
    plain()
    seconds = time.monotonic() - began
    checks.holds("extension after the answer: not waited for", seconds < 0.4, f"{seconds:.3f} s", "< 0.4 s")
    wait_until(lambda: len(reports()) == 2)
    fields = dict(field.split(": ", 1) for field in reports()[1].removeprefix("REPORT ").split("\t") if ": " in field)
    duration, billed = (float(fields[field].split()[0]) for field in ("Duration", "Billed Duration"))
    checks.holds("extension after the answer: in Duration", 600 <= duration < 1000, fields, "600 ms and a little")
    checks.holds("extension after the answer: billed", 600 <= billed <= duration + 1, fields, "600 ms and a little")


def disk(functions):
    """/tmp has the size that was asked for, and gives ENOSPC at its end."""
    def available(size, most, expected):
        name = actor(functions, f"disk-{size}", Timeout=60, MemorySize=512, EphemeralStorage={"Size": size})
        answer = invoke(client, name, {"do": [{"fill": most}]})
        return checks.equal(f"disk of {size} MB: serves", answer.error, None) and answer.payload["seen"]

    seen = available(512, 2_000, "ENOSPC")
    full = seen and seen[0] == "No space left on device" and 480 <= seen[1] <= 530
    checks.holds("disk of 512 MB: full at its end", full, seen, "No space left on device at about 500 MB")
    # More than the small one has, and more than the memory: it is a disk.
    seen = available(10_240, 900, "900 MB")
    checks.equal("disk of 10,240 MB: holds more than the memory", seen, [900])


def system_logs(functions):
    """Platform events as JSON by the function's system log level."""
    always = {"WARN": set(), "INFO": {"platform.initStart", "platform.start", "platform.report"}}
    always["DEBUG"] = always["INFO"] | {"platform.initRuntimeDone", "platform.initReport", "platform.runtimeDone"}
    for level, expected in always.items():
        logging = {"LogFormat": "JSON", "SystemLogLevel": level}
        name = actor(functions, f"json-{level.lower()}", LoggingConfig=logging)
        answer = invoke(client, name)
        checks.equal(f"system log {level}: serves", answer.error, None)
        wait_until(lambda: "platform.report" in str(logged(name)) or level == "WARN", seconds=2)
        events = [json.loads(line) for line in logged(name) if line.startswith('{"')]
        kinds = {event["type"] for event in events if str(event.get("type", "")).startswith("platform.")}
        checks.equal(f"system log {level}: events", sorted(kinds), sorted(expected))
        text = [line for line in logged(name) if line.startswith(("START ", "END ", "REPORT "))]
        checks.equal(f"system log {level}: no text lines", text, [])
        for event in events:
            if event.get("type") == "platform.report":
                metrics = sorted(event["record"]["metrics"])
                names = ["billedDurationMs", "durationMs", "initDurationMs", "maxMemoryUsedMB", "memorySizeMB"]
                checks.equal(f"system log {level}: metrics", metrics, names)


def multiline_records(functions):
    """A record of several lines is one event where the runtime has the log descriptor; printed lines are events."""
    for label, runtime in (("Python", PYTHON), ("Node.js", NODE)):
        name = functions.make(f"lines-{label[0].lower()}", CODE, "living.logs", runtime, MemorySize=256)
        checks.equal(f"records, {label}: serves", invoke(client, name).error, None)
        said = [line.replace("\r", "\n") for line in logged(name)]
        whole = [line for line in said if "first line\nsecond line\nthird line" in line]
        checks.equal(f"records, {label}: three lines are one event", len(whole), 1)
        if label == "Python":
            trace = [line for line in said if "with a trace" in line and "ValueError: of two\nlines" in line]
            checks.equal("records, Python: a trace is one event", len(trace), 1)


def several_at_once(functions):
    """A function that asks for it has several invocations in one environment at the same time."""
    provider = {"LambdaManagedInstancesCapacityProviderConfig": {
        "CapacityProviderArn": "arn:aws:lambda:us-east-1:000000000000:capacity-provider:any",
        "PerExecutionEnvironmentMaxConcurrency": 5,
    }}
    name = actor(functions, "shared", CapacityProviderConfig=provider, MemorySize=2048, Timeout=10)
    checks.equal("several at once: serves", invoke(client, name).error, None)
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(5) as crowd:
        answers = list(crowd.map(lambda _: invoke(client, name, {"do": [{"sleep": 1}]}), range(5)))
    seconds = time.monotonic() - began
    checks.equal("several at once: answers", [answer.error for answer in answers], [None] * 5)
    instances = {answer.payload["instance"] for answer in answers}
    checks.equal("several at once: one environment", len(instances), 1)
    checks.holds("several at once: at the same time", seconds < 3, f"{seconds:.1f} s", "little more than 1 s, not 5")


def tenants(functions):
    """Two tenants never share an environment; the runtime is told whom it serves."""
    isolated = {"TenancyConfig": {"TenantIsolationMode": "PER_TENANT"}}
    name = actor(functions, "tenants", **isolated)
    seen = [(tenant, invoke(client, name, TenantId=tenant).payload) for tenant in ("blue", "green", "blue", "green")]
    checks.equal("tenants: told", [payload["tenant"] for _, payload in seen], ["blue", "green", "blue", "green"])
    of = {tenant: {p["instance"] for t, p in seen if t == tenant} for tenant in ("blue", "green")}
    checks.equal("tenants: each has its environment", {tenant: len(found) for tenant, found in of.items()}, {"blue": 1, "green": 1})
    checks.holds("tenants: never the same", not of["blue"] & of["green"], of, "two environments")
    refused = lambda: client.invoke(FunctionName=name, Payload=b"{}")
    checks.refused("tenants: nobody in particular", refused, "InvalidParameterValueException", 400)


PARTS = (
    order_of_init, reset_by_timeout, reset_by_crash, spindown, shutdown_limits, work_after_the_answer, disk, system_logs,
    multiline_records, several_at_once, tenants,
)  # fmt: skip


def guarded(part, functions):
    with checks.part(part.__name__):
        part(functions)


if __name__ == "__main__":
    import sys

    chosen = [part for part in PARTS if part.__name__ in sys.argv[1:]] or PARTS
    with Functions(client) as functions, concurrent.futures.ThreadPoolExecutor(3) as crowd:
        list(crowd.map(lambda part: guarded(part, functions), chosen))
    checks.finish()
