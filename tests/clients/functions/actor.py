#!/usr/bin/python3
"""A custom runtime or an external extension, by the name under which it is started, that does as it is told.

As `bootstrap` it is told by each event, a list of actions in `do`; as /opt/extensions/NAME by the variable ACT_NAME.
That holds the events to register for and a list of actions for each phase: `start` (before it registers),
`registered` (before it asks for the first event), `INVOKE` and `SHUTDOWN`. ACT_bootstrap may hold `start` as well.

An action is an object of one member, the method of `Actor` to call and its argument. What happens is written to the
log as a JSON line, and to /tmp/trace, which the answer to an event shows.
"""

import contextlib
import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
import uuid

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
NAME = os.path.basename(sys.argv[0])
ORDERS = json.loads(os.environ.get(f"ACT_{NAME}", "{}"))
TRACE = "/tmp/trace"
INSTANCE = uuid.uuid4().hex


def note(phase, **more):
    """One line to the log and to the trace."""
    line = json.dumps({"who": NAME, "phase": phase, "at": time.time(), "instance": INSTANCE} | more)
    print(line, flush=True)
    with contextlib.suppress(OSError), open(TRACE, "a") as trace:
        trace.write(line + "\n")


class Actor:
    """One connection to the platform, and what can be done with it."""

    def __init__(self):
        self.connection = http.client.HTTPConnection(API, timeout=None)
        self.id = None
        self.seen = []
        self.answered = False

    def call(self, method, path, body=None, headers=()):
        self.connection.request(method, path, body=body, headers=dict(headers))
        answer = self.connection.getresponse()
        return answer.status, answer.headers, answer.read()

    def do(self, actions):
        for action in actions:
            ((name, argument),) = action.items()
            getattr(self, name)(argument)

    # What any process can do.

    def say(self, text):
        print(text, flush=True)

    def sleep(self, seconds):
        time.sleep(seconds)

    def spin(self, seconds):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            pass

    def exit(self, status):
        os._exit(status)

    def kill(self, number):
        os.kill(os.getpid(), number)

    def ignore(self, number):
        signal.signal(number, signal.SIG_IGN)

    def on_signal(self, number):
        signal.signal(number, lambda *_: note("signal", number=number))

    def flood(self, megabytes):
        line = b"x" * 1_023 + b"\n"
        for _ in range(megabytes):
            sys.stdout.buffer.write(line * 1_024)
        sys.stdout.buffer.flush()

    def fork(self, seconds):
        """Leaves a process behind that nobody waits for; it keeps the output open."""
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(seconds)
            os._exit(0)

    def keep(self, path):
        """Writes a file that should survive."""
        with open(path, "w") as file:
            file.write("kept")

    def read(self, path):
        with contextlib.suppress(OSError), open(path) as file:
            self.seen.append(file.read())
            return
        self.seen.append(None)

    def fill(self, megabytes):
        """Writes to /tmp until it is full or that much is there; notes how far it got."""
        block, written = os.urandom(1_048_576), 0
        try:
            with open("/tmp/fill", "wb", buffering=0) as file:
                while written < megabytes:
                    written += file.write(block) // 1_048_576
        except OSError as error:
            self.seen.append(error.strerror)
        self.seen.append(written)

    # What an extension can do.

    def register(self, name):
        headers = {"Lambda-Extension-Name": name}
        return self.call("POST", "/2020-01-01/extension/register", json.dumps({"events": []}), headers)

    def register_again(self, _):
        note("registered again", status=self.register(NAME)[0])

    def report(self, kind):
        """`init` or `exit`: cannot go on."""
        headers = {"Lambda-Extension-Identifier": self.id, "Lambda-Extension-Function-Error-Type": "Extension.Test"}
        note(f"{kind} error", status=self.call("POST", f"/2020-01-01/extension/{kind}/error", "{}", headers)[0])

    # What a runtime can do.

    def respond(self, value):
        self.post(f"{self.id}/response", json.dumps(value))

    def respond_to(self, other):
        self.post(f"{other}/response", '"to somebody else"')

    def fail(self, error):
        self.post(f"{self.id}/error", json.dumps(error))

    def post(self, path, body):
        status, _, answer = self.call("POST", f"/2018-06-01/runtime/invocation/{path}", body)
        self.answered = True
        self.seen.append([status, json.loads(answer)])

    def raw(self, text):
        """Sends these bytes as they stand and hangs up."""
        host, port = API.split(":")
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(text.replace("{id}", self.id).encode("latin-1"))
            connection.shutdown(socket.SHUT_WR)
            with contextlib.suppress(OSError):
                self.seen.append(connection.recv(65_536).decode(errors="replace").split("\r\n")[0])


def facts(actor, event_headers):
    trace = []
    with contextlib.suppress(OSError), open(TRACE) as file:
        trace = [json.loads(line) for line in file if line.startswith("{")]
    return {
        "instance": INSTANCE,
        "seen": actor.seen,
        "trace": trace,
        "tenant": event_headers.get("Lambda-Runtime-Aws-Tenant-Id"),
        "type": os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE"),
    }


def serve():
    """A runtime's loop; as many of them run as the function wants invocations at once."""
    actor = Actor()
    while True:
        status, headers, body = actor.call("GET", "/2018-06-01/runtime/invocation/next")
        if status != 200:
            sys.exit(f"next: {status} {body}")
        actor.id, actor.answered, actor.seen = headers["Lambda-Runtime-Aws-Request-Id"], False, []
        event = json.loads(body)
        note("invoked", request=actor.id)
        actor.do(event.get("do", ()))
        if not actor.answered:
            actor.respond(facts(actor, headers))
        actor.do(event.get("after", ()))


def runtime():
    note("start")
    Actor().do(ORDERS.get("start", ()))
    loops = int(os.environ.get("AWS_LAMBDA_MAX_CONCURRENCY", "1"))
    for _ in range(loops - 1):
        threading.Thread(target=serve, daemon=True).start()
    serve()


def extension():
    actor = Actor()
    note("start")
    actor.do(ORDERS.get("start", ()))
    body = json.dumps({"events": ORDERS.get("events", ["INVOKE", "SHUTDOWN"])})
    headers = {"Lambda-Extension-Name": NAME}
    status, headers, answer = actor.call("POST", "/2020-01-01/extension/register", body, headers)
    if status != 200:
        sys.exit(f"register: {status} {answer}")
    actor.id = headers["Lambda-Extension-Identifier"]
    note("registered")
    actor.do(ORDERS.get("registered", ()))
    while True:
        headers = {"Lambda-Extension-Identifier": actor.id}
        status, _, answer = actor.call("GET", "/2020-01-01/extension/event/next", headers=headers)
        if status != 200:
            sys.exit(f"next: {status} {answer}")
        event = json.loads(answer)
        note(event["eventType"], event=event)
        actor.do(ORDERS.get(event["eventType"], ()))
        if event["eventType"] == "SHUTDOWN":
            note("done")
            return


if NAME == "bootstrap":
    runtime()
else:
    extension()
