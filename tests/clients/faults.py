"""Functions that fail, starve, flood or linger, each answered as Lambda answers; and what a function sees
around it: variables, file system, platform, time that stands still between invokes.

After each failure the same function must serve again. The checks of one function are in one part.
"""

import concurrent.futures
import json
import os
import pathlib
import re
import sys
import time
import uuid

from lambda_checks import (
    UUID,
    Checks,
    Functions,
    Signer,
    invoke,
    lambda_client,
    logged,
    package,
    report,
    runtime_of,
    sources,
    wait_until,
)

PYTHON = runtime_of("python")
NODE = runtime_of("nodejs")
PACKAGE = package(
    sources("faulty.py", "faulty.js")
    | {
        "imports_nothing.py": "import a_module_that_nobody_has\n",
        "raises_early.py": "def configure():\n    raise KeyError('no configuration')\n\nconfigure()\n",
        "exits_early.py": "import sys\nsys.exit(3)\n",
        "wrong_syntax.py": "def handler(event, context)\n    return 1\n",
        "never_ready.py": "import time\ntime.sleep(60)\n",
    }
)

client = lambda_client()
checks = Checks()


def failure(kind, request_id, text):
    return {"errorType": kind, "errorMessage": f"RequestId: {request_id} Error: {text}"}


def check_fault(label, answer, kind, text, *, reported=None, logged=True):
    """A failure that the platform answers for the function: body, header, log and REPORT line."""
    checks.equal(f"{label}: function error", (answer.status, answer.error), (200, "Unhandled"))
    checks.equal(f"{label}: answer", answer.payload, failure(kind, answer.request_id, text))
    status = {key: value for key, value in report(answer).items() if key in ("Status", "Error Type")}
    checks.equal(f"{label}: REPORT", status, reported or {"Status": "error", "Error Type": kind})
    if logged:
        line = f"RequestId: {answer.request_id} Error: {text}"
        checks.holds(f"{label}: log", line in answer.log, answer.log, line)


def check_fine(label, answer, expected):
    checks.equal(f"{label}: serves again", (answer.error, answer.payload), (None, expected))


def python(functions, label, handler, **settings):
    return functions.make(label, PACKAGE, handler, PYTHON, **settings)


def timeout(functions):
    name = python(functions, "timeout", "faulty.counts", Timeout=1)
    check_fine("timeout, before", invoke(client, name), {"invocations": 1, "kept": 1})
    began = time.monotonic()
    late = invoke(client, name, {"sleep": 5})
    seconds = time.monotonic() - began
    text = "Task timed out after 1.00 seconds"
    check_fault("timeout", late, "Sandbox.Timedout", text, reported={"Status": "timeout"}, logged=False)
    line = rf"\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{{3}}Z {late.request_id} {re.escape(text)}"
    checks.holds("timeout: log", re.search(line, late.log), late.log, line)
    checks.holds("timeout: in time", 1.0 <= seconds < 1.5, f"{seconds:.2f} s", "1.0 to 1.5 s")
    # The time to end it is not billed.
    checks.equal("timeout: billed", report(late).get("Billed Duration"), "1000 ms")
    again = invoke(client, name)
    # Memory is lost with the process; /tmp stays (Lambda execution environment, "Failures during invoke").
    check_fine("timeout", again, {"invocations": 1, "kept": 3})
    checks.holds("timeout: only once", "timed out" not in again.log, again.log, "nothing of the former timeout")


def out_of_memory(functions):
    name = python(functions, "oom", "faulty.allocates", MemorySize=128, Timeout=30)
    check_fine("out of memory, before", invoke(client, name, {"megabytes": 20}), 20)
    answer = invoke(client, name, {"megabytes": 400})
    text = "Runtime exited with error: signal: killed"
    # The answer names the exit, the REPORT line its cause.
    reported = {"Status": "error", "Error Type": "Runtime.OutOfMemory"}
    check_fault("out of memory", answer, "Runtime.ExitError", text, reported=reported)
    fields = report(answer)
    used = int(fields.get("Max Memory Used", "0 MB").split()[0])
    checks.holds("out of memory: Max Memory Used", 115 <= used <= 129, fields, "about 128 MB")
    check_fine("out of memory", invoke(client, name, {"megabytes": 20}), 20)


def exits(functions):
    name = python(functions, "exit", "faulty.exits")
    check_fault(
        "exit 1", invoke(client, name, {"status": 1}), "Runtime.ExitError", "Runtime exited with error: exit status 1"
    )
    check_fine("exit 1", invoke(client, name), 1)
    check_fault(
        "exit 0",
        invoke(client, name, {"status": 0}),
        "Runtime.ExitError",
        "Runtime exited without providing a reason",
    )
    check_fine("exit 0", invoke(client, name), 1)
    crash = python(functions, "crash", "faulty.segfaults")
    text = "Runtime exited with error: signal: segmentation fault"
    check_fault("segmentation fault", invoke(client, crash, {"now": True}), "Runtime.ExitError", text)
    check_fine("segmentation fault", invoke(client, crash), "whole")
    node = functions.make("node-exit", PACKAGE, "faulty.exits", NODE)
    check_fault(
        "Node.js: exit 7",
        invoke(client, node, {"status": 7}),
        "Runtime.ExitError",
        "Runtime exited with error: exit status 7",
    )
    check_fault(
        "Node.js: exit 0",
        invoke(client, node, {"status": 0}),
        "Runtime.ExitError",
        "Runtime exited without providing a reason",
    )


IMPORTING, NO_HANDLER = "Runtime.ImportModuleError", "Runtime.HandlerNotFound"
INIT_FAILURES = (
    ("no module", PYTHON, "imports_nothing.handler", IMPORTING,
     r"Unable to import module 'imports_nothing': No module named 'a_module_that_nobody_has'"),
    ("no file", PYTHON, "absent.handler", IMPORTING, r"Unable to import module 'absent': No module named 'absent'"),
    ("raises at import", PYTHON, "raises_early.handler", "KeyError", r"'no configuration'"),
    ("no handler", PYTHON, "faulty.absent", NO_HANDLER, r"Handler 'absent' missing on module 'faulty'"),
    ("no dot", PYTHON, "faulty", "Runtime.MalformedHandlerName",
     r"Bad handler 'faulty': not enough values to unpack \(expected 2, got 1\)"),
    ("syntax error", PYTHON, "wrong_syntax.handler", "Runtime.UserCodeSyntaxError",
     r"Syntax error in module 'wrong_syntax': .*\(wrong_syntax\.py, line 1\)"),
    ("exit at import", PYTHON, "exits_early.handler", "Runtime.ExitError",
     rf"RequestId: {UUID} Error: Runtime exited with error: exit status 3"),
    ("Node.js no file", NODE, "absent.handler", IMPORTING,
     r"Error: Cannot find module 'absent'\nRequire stack:\n- .*"),
    ("Node.js no handler", NODE, "faulty.absent", NO_HANDLER, r"faulty\.absent is undefined or not exported"),
)  # fmt: skip


def init_failures(functions):
    answers = {}
    for label, runtime, handler, kind, message in INIT_FAILURES:
        answer = invoke(client, functions.make(re.sub(r"\W", "-", label), PACKAGE, handler, runtime))
        checks.equal(f"{label}: function error", (answer.status, answer.error), (200, "Unhandled"))
        checks.equal(f"{label}: type", answer.payload.get("errorType"), kind)
        checks.matches(f"{label}: message", answer.payload.get("errorMessage"), message)
        checks.holds(f"{label}: log", kind in answer.log, answer.log, f"… {kind} …")
        start = f"START RequestId: {answer.request_id} Version: $LATEST"
        checks.holds(f"{label}: START", start in answer.log, answer.log, start)
        fields = report(answer)
        checks.equal(f"{label}: REPORT", (fields.get("Status"), fields.get("Error Type")), ("error", kind))
        answers[label] = answer.payload
    members = ["errorMessage", "errorType", "requestId", "stackTrace"]
    checks.equal("no module: members", sorted(answers["no module"]), members)
    frames = answers["raises at import"]["stackTrace"]
    has_frame = any("raises_early.py" in frame for frame in frames)
    checks.holds("raises at import: stack", has_frame, frames, "a frame of raises_early.py")


def init_timeout(functions):
    """Init that takes too long is ended after 10 s, then repeated in the invoke under the function's timeout."""
    name = python(functions, "init-timeout", "never_ready.handler", Timeout=2)
    began = time.monotonic()
    answer = invoke(client, name)
    seconds = time.monotonic() - began
    expected = failure("Sandbox.Timedout", answer.request_id, "Task timed out after 2.00 seconds")
    checks.equal("init timeout: answer", (answer.error, answer.payload), ("Unhandled", expected))
    checks.holds("init timeout: time", 12.0 <= seconds < 14.0, f"{seconds:.1f} s", "10 s and then 2 s")
    log = logged(name)
    start = f"START RequestId: {answer.request_id} Version: $LATEST"
    checks.holds("init timeout: START", start in log, log, start)


def handler_errors(functions):
    name = python(functions, "raises", "faulty.raises")
    answer = invoke(client, name)
    checks.equal("Python error: function error", (answer.status, answer.error), (200, "Unhandled"))
    checks.equal(
        "Python error: members", sorted(answer.payload), ["errorMessage", "errorType", "requestId", "stackTrace"]
    )
    facts = {"errorMessage": "boom", "errorType": "ValueError", "requestId": answer.request_id}
    checks.includes("Python error: answer", answer.payload, facts)
    frames = answer.payload["stackTrace"]
    place = r'  File "/var/task/faulty\.py", line \d+, in '
    checks.matches("Python error: outer frame", frames[0], place + r"raises\n    inner\(\)\n")
    checks.matches("Python error: inner frame", frames[1], place + r'inner\n    raise ValueError\("boom"\)\n')
    checks.holds(
        "Python error: log",
        "[ERROR] ValueError: boom\nTraceback (most recent call last):" in answer.log.replace("\r", "\n"),
        answer.log,
        "[ERROR] ValueError: boom …",
    )
    checks.holds("Python error: no Status in REPORT", "Status" not in report(answer), report(answer), "absent")

    name = functions.make("node-raises", PACKAGE, "faulty.raises", NODE)
    answer = invoke(client, name)
    checks.equal("Node.js error: members", sorted(answer.payload), ["errorMessage", "errorType", "trace"])
    checks.includes("Node.js error: answer", answer.payload, {"errorMessage": "boom", "errorType": "TypeError"})
    trace = answer.payload["trace"]
    checks.equal("Node.js error: trace", trace[0], "TypeError: boom")
    checks.holds(
        "Node.js error: frame",
        any("/var/task/faulty.js:" in frame for frame in trace),
        trace,
        "/var/task/faulty.js:…",
    )
    log = rf"\d{{4}}-\d\d-\d\dT\S+Z\t{answer.request_id}\tERROR\tInvoke Error \t\{{\"errorType\":\"TypeError\",\"errorMessage\":\"boom\""
    checks.holds("Node.js error: log", re.search(log, answer.log), answer.log, log)
    answer = invoke(client, functions.make("node-own", PACKAGE, "faulty.ownError", NODE))
    checks.includes(
        "Node.js error of its own class", answer.payload, {"errorMessage": "by 3 degrees", "errorType": "TooHot"}
    )
    answer = invoke(client, functions.make("node-rejects", PACKAGE, "faulty.rejects", NODE))
    facts = {"errorMessage": "Error: nobody looks", "errorType": "Runtime.UnhandledPromiseRejection"}
    checks.includes("Node.js unhandled rejection", answer.payload, facts)


def responses(functions):
    name = python(functions, "large", "faulty.large", Timeout=20, MemorySize=512)
    answer = invoke(client, name, {"characters": 7_000_000})
    # Lambda's limit for responses is 100 bytes above its 6 MB for requests.
    text = "Response payload size exceeded maximum allowed payload size (6291556 bytes)."
    expected = {"errorType": "Function.ResponseSizeTooLarge", "errorMessage": text}
    checks.equal("large response: answer", (answer.error, answer.payload), ("Unhandled", expected))
    answer = invoke(client, name, {"characters": 6 * 1_048_576 - 2})
    checks.equal("response of 6 MB", (answer.error, len(answer.raw)), (None, 6 * 1_048_576))
    name = python(functions, "unserialisable", "faulty.cannot_be_json")
    answer = invoke(client, name, {"now": True})
    facts = {
        "errorType": "Runtime.MarshalError",
        "errorMessage": "Unable to marshal response: Object of type set is not JSON serializable",
    }
    checks.includes("response that is no JSON", answer.payload, facts)
    check_fine("response that is no JSON", invoke(client, name), "fine")


def entry_points(functions):
    kind = "Runtime.InvalidEntrypoint"
    name = functions.make("no-bootstrap", package({"readme.txt": "empty"}), "any", "provided.al2023")
    text = "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"
    check_fault("no bootstrap", invoke(client, name), kind, text)
    name = functions.make("no-program", package({"bootstrap": b"\x00\x01 not a program"}), "any", "provided.al2023")
    check_fault(
        "bootstrap is no program", invoke(client, name), kind, "fork/exec /var/task/bootstrap: exec format error"
    )
    shebang = package({"bootstrap": "#!/no/such/interpreter\n"})
    name = functions.make("no-interpreter", shebang, "any", "provided.al2023")
    check_fault(
        "bootstrap without interpreter",
        invoke(client, name),
        kind,
        "fork/exec /var/task/bootstrap: no such file or directory",
    )


def successor(functions):
    """An invocation that follows a timeout at once belongs to the new process, never to the one being killed."""
    name = python(functions, "late", "faulty.answers_late", Timeout=1)
    path = f"/2015-03-31/functions/{name}/invocations"

    def pair(number):
        offset = (number % 4 - 1) / 1000
        late = json.dumps({"offset": offset, "answer": "late"}).encode()
        return Signer().pipelined([(path, late), (path, b'{"answer": "next"}')])

    with concurrent.futures.ThreadPoolExecutor(8) as crowd:
        pairs = list(crowd.map(pair, range(24)))
    timeouts = [pair for pair in pairs if b"Task timed out" in pair[0][2]]
    checks.holds("after a timeout: seen", len(timeouts) >= 3, len(timeouts), "some of 24 in time, some late")
    checks.equal("after a timeout: next answers", {pair[1][2] for pair in pairs}, {b'"next"'})


def bomb(functions):
    # A thousand children need half a gigabyte by themselves, and this is not about memory.
    name = python(functions, "bomb", "faulty.bombs", Timeout=3, MemorySize=1024)
    for _ in range(2):
        checks.equal("bomb: timeout", invoke(client, name, {"go": True}).payload.get("errorType"), "Sandbox.Timedout")
        after = invoke(client, name)
        checks.equal("bomb: serves again", (after.error, after.payload), (None, "calm"))


def hoard(functions):
    name = python(functions, "hoard", "faulty.hoards", Timeout=30, MemorySize=256)
    before = resident_mb()
    with concurrent.futures.ThreadPoolExecutor(4) as crowd:
        answers = list(crowd.map(lambda _: invoke(client, name).payload, range(4)))
    checks.equal("hoard: answered", answers, [40] * 4)
    grown = resident_mb() - before
    checks.holds("hoard: the server stays small", grown < 64, f"{grown} MB more", "a few bodies at most")


def resident_mb():
    status = pathlib.Path("/proc", os.environ["DORMOUSE_PID"], "status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) // 1024


def resources(functions):
    name = python(functions, "tmp", "faulty.fills_tmp", Timeout=60)
    answer = invoke(client, name)
    checks.equal("/tmp full: error", answer.payload.get("errno"), "ENOSPC")
    written = answer.payload.get("megabytes", 0)
    checks.holds("/tmp full: size", 480 <= written <= 530, written, "about 512 MB")
    check_again = invoke(client, name)
    checks.equal("/tmp full: serves again", check_again.payload.get("errno"), "ENOSPC")
    name = python(functions, "forks", "faulty.forks", Timeout=60, MemorySize=3008)
    answer = invoke(client, name)
    checks.equal("fork bomb: refused", (answer.error, answer.payload.get("refusal")), (None, "EAGAIN"))
    checks.holds(
        "fork bomb: bounded",
        900 <= answer.payload.get("children", 0) <= 1024,
        answer.payload,
        "at most 1,024 processes",
    )
    checks.equal("fork bomb: serves again", invoke(client, name).error, None)
    name = python(functions, "floods", "faulty.floods", Timeout=60, MemorySize=512)
    answer = invoke(client, name, {"megabytes": 64})
    checks.equal("flood of output: answer", (answer.error, answer.payload), (None, "dry again"))
    checks.holds("flood of output: tail", 0 < len(answer.log.encode()) <= 4096, len(answer.log), "the last 4 KB")
    checks.holds(
        "flood of output: REPORT",
        f"REPORT RequestId: {answer.request_id}" in answer.log,
        answer.log[-300:],
        "at the end",
    )
    size = sum(
        file.stat().st_size
        for file in (pathlib.Path(os.environ["DORMOUSE_DATA_DIR"]) / "logs").rglob("*")
        if file.is_file()
    )
    checks.holds(
        "flood of output: kept within bounds", size < 200 * 1_048_576, f"{size / 1e6:.0f} MB of logs", "< 200 MB"
    )


def lingering(functions):
    name = python(functions, "ticking", "faulty.ticking")
    first = invoke(client, name).payload
    time.sleep(1.5)  # The time is what is tested: the thread must not run in it.
    second = invoke(client, name).payload
    checks.holds("thread: was running", first["ticks"] >= 3, first, "a count that grows")
    checks.holds("thread: stood still", second["longest_gap"] >= 1.2, second, "a gap of most of 1.5 s")
    advanced = second["ticks"] - first["ticks"]
    checks.holds("thread: goes on after", 1 <= advanced < 60, advanced, "a few ticks, not 150")

    seconds = f"{30_000 + uuid.uuid4().int % 30_000}"
    name = python(functions, "child", "faulty.leaves_child")
    began = time.monotonic()
    checks.equal("child: does not hold the answer", invoke(client, name, {"seconds": seconds}).payload, "left")
    checks.holds("child: answered at once", time.monotonic() - began < 2, time.monotonic() - began, "< 2 s")
    checks.equal("child: lives on", invoke(client, name, {"seconds": seconds}).payload, "lives")
    # Frozen between invokes, it may need a few of them to get through its own start.
    seen = wait_until(lambda: invoke(client, name, {"seconds": seconds}) and commands_with(seconds))
    checks.holds("child: the host sees it", seen, seen, "a process")
    client.delete_function(FunctionName=name)
    wait_until(lambda: not commands_with(seconds))
    checks.equal("child: gone with the function", commands_with(seconds), [])


def commands_with(argument):
    """Ids of the machine's processes that have this argument."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if argument.encode() in (process / "cmdline").read_bytes().split(b"\0"):
                found.append(process.name)
        except OSError:
            continue  # It ended meanwhile.
    return found


# "Defined runtime environment variables" in the Lambda Developer Guide.
RESERVED = {
    "_HANDLER", "_X_AMZN_TRACE_ID", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API",
    "LAMBDA_TASK_ROOT", "LAMBDA_RUNTIME_DIR",
}  # fmt: skip
UNRESERVED = {"LANG", "PATH", "LD_LIBRARY_PATH", "TZ", "AWS_XRAY_CONTEXT_MISSING"}
# Seen on Lambda without being documented there, set by the language, or Dormouse's (AWS_ENDPOINT_URL).
ALSO_ALLOWED = {
    "AWS_LAMBDA_LOG_FORMAT", "AWS_LAMBDA_LOG_LEVEL", "AWS_XRAY_DAEMON_ADDRESS", "_AWS_XRAY_DAEMON_ADDRESS",
    "_AWS_XRAY_DAEMON_PORT", "PYTHONPATH", "NODE_PATH", "PWD", "SHLVL", "LC_CTYPE", "AWS_ENDPOINT_URL",
    "AWS_LAMBDA_MAX_CONCURRENCY", "AWS_LAMBDA_METADATA_API", "AWS_LAMBDA_METADATA_TOKEN",
}  # fmt: skip


def environment(functions):
    settings = {"Environment": {"Variables": {"MINE": "yes", "TZ": "Europe/Warsaw"}}, "MemorySize": 192}
    for label, runtime in (("Python", PYTHON), ("Node.js", NODE)):
        name = functions.make(f"variables-{label[0].lower()}", PACKAGE, "faulty.environment", runtime, **settings)
        seen = invoke(client, name).payload
        names = set(seen)
        checks.equal(f"{label} variables: reserved ones complete", sorted(RESERVED - names), [])
        checks.equal(f"{label} variables: others complete", sorted(UNRESERVED - names), [])
        strange = sorted(names - RESERVED - UNRESERVED - ALSO_ALLOWED - {"MINE"})
        checks.equal(f"{label} variables: nothing else", strange, [])
        facts = {
            "MINE": "yes",
            "TZ": "Europe/Warsaw",
            "LANG": "en_US.UTF-8",
            "_HANDLER": "faulty.environment",
            "AWS_EXECUTION_ENV": f"AWS_Lambda_{runtime}",
            "AWS_LAMBDA_FUNCTION_NAME": name,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "192",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            "AWS_LAMBDA_LOG_GROUP_NAME": f"/aws/lambda/{name}",
            "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
            "LAMBDA_TASK_ROOT": "/var/task",
            "LAMBDA_RUNTIME_DIR": "/var/runtime",
            "AWS_REGION": client.meta.region_name,
            "AWS_DEFAULT_REGION": client.meta.region_name,
        }
        checks.includes(f"{label} variables: values", seen, facts)
        checks.matches(f"{label} variables: key of a role", seen.get("AWS_ACCESS_KEY_ID"), r"ASIA[A-Z0-9]{16}")
        secret = os.environ["AWS_SECRET_ACCESS_KEY"]
        checks.holds(
            f"{label} variables: no secret of the owner", secret not in seen.values(), "the owner's secret", "none"
        )
        checks.matches(
            f"{label} variables: trace", seen.get("_X_AMZN_TRACE_ID"), r"Root=1-[0-9a-f]{8}-[0-9a-f]{24};.*"
        )


def surroundings(functions):
    name = python(functions, "writes", "faulty.writes")
    paths = ["/var/task/x", "/var/runtime/x", "/opt/x", "/etc/x", "/x", "/tmp/x", "/dev/null"]
    seen = invoke(client, name, {"paths": paths}).payload
    expected = dict.fromkeys(paths, "EROFS") | {"/tmp/x": "written", "/dev/null": "written"}
    checks.equal("file system: read-only but for /tmp", seen, expected)

    name = python(functions, "platform", "faulty.calls_platform", Timeout=10)
    answer = invoke(client, name)
    facts = {"status": 403, "type": "AccessDeniedException"}
    checks.includes("platform: reached, and denied", answer.payload, facts)
    message = json.loads(answer.payload.get("body", "{}")).get("message", "")
    user = rf"User: arn:aws:sts::000000000000:assumed-role/clients/{name}"
    allowed = "because no identity-based policy allows the lambda:ListFunctions action"
    checks.matches(
        "platform: denial says whom and what",
        message,
        rf"{user} is not authorized to perform: lambda:ListFunctions on resource: .* {allowed}",
    )


def reuse(functions):
    name = python(functions, "reuse", "faulty.counts")
    answers = [invoke(client, name) for _ in range(3)]
    checks.equal(
        "reuse: memory and /tmp", [a.payload for a in answers], [{"invocations": n, "kept": n} for n in (1, 2, 3)]
    )
    cold, warm = report(answers[0]), report(answers[1])
    wanted = ["RequestId", "Duration", "Billed Duration", "Memory Size", "Max Memory Used"]
    checks.equal("REPORT: fields of a warm start", list(warm), wanted)
    checks.equal("REPORT: fields of a cold start", list(cold), [*wanted, "Init Duration"])
    duration, billed = (float(warm[field].split()[0]) for field in ("Duration", "Billed Duration"))
    checks.holds("REPORT: billed is rounded up", billed - 1 < duration <= billed, warm, "the next millisecond")
    used = int(warm["Max Memory Used"].split()[0])
    checks.holds("REPORT: memory of a small function", 3 <= used <= 60, used, "3 to 60 MB")


def chosen(parts):
    """The parts named on the command line, or all."""
    return [part for part in parts if part.__name__ in sys.argv[1:]] or parts


PARTS = (
    timeout, out_of_memory, exits, init_failures, handler_errors, responses, entry_points, successor, bomb, hoard,
    resources, lingering, environment, surroundings, reuse,
)  # fmt: skip

with Functions(client) as functions, concurrent.futures.ThreadPoolExecutor(1) as beside:
    # Twelve seconds of waiting, so beside the others.
    waiting = beside.submit(init_timeout, functions)
    for part in chosen(PARTS):
        with checks.part(part.__name__):
            part(functions)
    with checks.part("init timeout"):
        waiting.result()
checks.finish()
