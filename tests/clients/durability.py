"""Ends servers in every rude way and looks at what is left: every acknowledged function must be there again,
and no process, cgroup, namespace or mount may stay behind.

Starts its own servers from DORMOUSE_BINARY on a data directory of its own. Run as root. The random instants
come from a seed that is printed; set DORMOUSE_SEED to repeat a run.
"""

import base64
import contextlib
import hashlib
import os
import pathlib
import random
import re
import secrets
import signal
import subprocess
import tempfile
import threading
import time
import typing

from botocore.exceptions import BotoCoreError, ClientError

from lambda_checks import ROLE, Checks, invoke, lambda_client, package, runtime_of, sources, wait_until
from system_traces import Traces, descendants

ROUNDS = 12
BINARY = os.environ["DORMOUSE_BINARY"]
SEED = int(os.environ.get("DORMOUSE_SEED") or secrets.randbelow(1_000_000))
START_SECONDS_MAX = 20

checks = Checks()
dice = random.Random(SEED)


class Server:
    """A server on the given data directory, running until it is ended here."""

    started: typing.ClassVar[list] = []

    def __init__(self, data_dir):
        self.data_dir = data_dir
        # The server refuses DORMOUSE_ variables that it does not know, such as those for these scripts.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("DORMOUSE_")} | {
            "DORMOUSE_ROOT_ACCESS_KEY_ID": os.environ["AWS_ACCESS_KEY_ID"],
            "DORMOUSE_ROOT_SECRET_ACCESS_KEY": os.environ["AWS_SECRET_ACCESS_KEY"],
        }
        self.log = (data_dir.parent / "server.log").open("ab+")
        at = self.log.seek(0, os.SEEK_END)
        command = [BINARY, "serve", "--data-dir", data_dir, "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(command, stderr=self.log, env=environment)
        Server.started.append(self)
        ready = wait_until(lambda: self._ready(at), START_SECONDS_MAX)
        if not ready:
            raise RuntimeError(f"the server did not start: {self._said(at)}")
        os.environ["AWS_ENDPOINT_URL"] = ready[1]
        self.client = lambda_client(endpoint_url=ready[1])
        self.pid = self.process.pid

    def _said(self, at):
        return (self.data_dir.parent / "server.log").read_bytes()[at:].decode(errors="replace")

    def _ready(self, at):
        if self.process.poll() is not None:
            raise RuntimeError(f"the server ended with {self.process.returncode}: {self._said(at)}")
        return re.search(r"dormouse ready on (http://\S+)\n", self._said(at))

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self, seconds=20):
        self.process.terminate()
        return self.process.wait(seconds)


class Writer(threading.Thread):
    """Creates and changes functions until the server is gone, and keeps what was acknowledged."""

    def __init__(self, server, known, number):
        super().__init__(daemon=True)
        self.server, self.known, self.number = server, known, number
        self.dice = random.Random(dice.random())

    def run(self):
        for count in range(1_000):
            name = f"round-{self.number}-{count}"
            try:
                self.create(name)
                self.settle(name)
                if self.dice.random() < 0.5:
                    self.update(name)
                    self.settle(name)
            except (BotoCoreError, ClientError):
                return

    def create(self, name):
        zip_file = version(name, 1)
        self.server.client.create_function(
            FunctionName=name, Role=ROLE, Code={"ZipFile": zip_file}, Handler="echo.handler", Runtime=RUNTIME
        )
        self.known[name] = {"digests": {digest(zip_file)}, "revision": None}

    def update(self, name):
        zip_file = version(name, 2)
        # Until the answer is here, both the old and the new code are right, and any revision.
        self.known[name] = {"digests": self.known[name]["digests"] | {digest(zip_file)}, "revision": None}
        self.server.client.update_function_code(FunctionName=name, ZipFile=zip_file)
        self.known[name]["digests"] = {digest(zip_file)}

    def settle(self, name):
        """The revision may change once more when a change is finished; from then on it stays."""
        found = wait_until(lambda: settled(self.server.client, name))
        if found:
            self.known[name]["revision"] = found["RevisionId"]


def settled(client, name):
    found = client.get_function_configuration(FunctionName=name)
    return found if (found["State"], found.get("LastUpdateStatus")) == ("Active", "Successful") else None


def version(name, number):
    return package(sources("echo.py") | {"which.txt": f"{name} {number}"})


def digest(zip_file):
    return base64.b64encode(hashlib.sha256(zip_file).digest()).decode()


def verify(server, known):
    """The acknowledged functions that are not as they were acknowledged, in words."""
    pages = server.client.get_paginator("list_functions").paginate()
    listed = {item["FunctionName"]: item for page in pages for item in page["Functions"]}
    wrong = []
    for name, wanted in known.items():
        found = listed.get(name)
        if not found:
            wrong.append(f"{name} is lost")
        elif found["CodeSha256"] not in wanted["digests"]:
            wrong.append(f"{name} has other code")
        elif wanted["revision"] not in (None, found["RevisionId"]):
            wrong.append(f"{name} has another revision")
    return wrong


def runs(server, names):
    wrong = []
    for name in names:
        if not wait_until(lambda name=name: settled(server.client, name)):
            wrong.append(f"{name} does not become active")
            continue
        try:
            answer = invoke(server.client, name, {"is": name})
        except ClientError as error:
            wrong.append(f"{name}: {error}")
            continue
        if answer.error or answer.payload["event"] != {"is": name}:
            wrong.append(f"{name} answers {answer.payload}")
    return wrong


def gone(label, traces, seconds=10):
    wait_until(lambda: not traces.remaining(), seconds, 0.1)
    checks.equal(label, traces.remaining(), [])


def killed_while_writing(data_dir):
    known, wrong, began = {}, [], time.monotonic()
    for number in range(ROUNDS):
        server = Server(data_dir)
        wrong += [f"round {number}: {text}" for text in verify(server, known)]
        recent = [name for name in known if name.startswith(f"round-{number - 1}-")]
        wrong += [f"round {number}: {text}" for text in runs(server, recent[-3:])]
        writer = Writer(server, known, number)
        writer.start()
        # A random instant is what is tested here.
        time.sleep(dice.uniform(0.05, 1.2))
        server.kill()
        writer.join(30)
    server = Server(data_dir)
    wrong += [f"at the end: {text}" for text in verify(server, known)]
    wrong += [f"at the end: {text}" for text in runs(server, dice.sample(sorted(known), min(10, len(known))))]
    print(f"{ROUNDS} kills, {len(known)} functions acknowledged, {time.monotonic() - began:.1f} s")
    checks.holds(
        "killed while writing: enough was written", len(known) >= ROUNDS, len(known), f">= {ROUNDS} functions"
    )
    checks.equal("killed while writing: all acknowledged functions are whole", wrong, [])
    half = [str(p) for p in data_dir.rglob("*") if ".tmp" in str(p.relative_to(data_dir)) and p.is_file()]
    checks.equal("killed while writing: nothing half-written is kept", half, [])
    checks.equal("stop: exit code", server.stop(), 0)


def running(server, name, seconds):
    """Starts an invoke and gives its thread once the function runs, and where its outcome will be."""
    outcome = {}

    def call():
        try:
            outcome["answer"] = invoke(server.client, name, {"seconds": seconds})
        except (BotoCoreError, ClientError) as error:
            outcome["error"] = error

    before = descendants(server.pid)
    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    if not wait_until(lambda: any(is_bootstrap(pid) for pid in descendants(server.pid) - before)):
        raise RuntimeError("the function's process was not seen")
    return thread, outcome


def is_bootstrap(pid):
    with contextlib.suppress(OSError):
        return b"bootstrap" in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def make_sleeper(server, name):
    server.client.create_function(
        FunctionName=name, Role=ROLE, Code={"ZipFile": package(sources("echo.py"))}, Handler="echo.sleeps",
        Runtime=RUNTIME, Timeout=30,
    )  # fmt: skip
    wait_until(lambda: settled(server.client, name))


def killed_while_running(data_dir):
    server = Server(data_dir)
    make_sleeper(server, "sleeper")
    thread, _ = running(server, "sleeper", 20)
    traces = Traces(server.pid, data_dir)
    checks.holds(
        "kill during a run: there is something to leave",
        len(traces.cgroups) and len(traces.namespaces) > 3,
        vars(traces),
        "cgroups, namespaces",
    )
    server.kill()
    traces.ended()
    gone("kill during a run: nothing is left", traces)
    thread.join(10)

    server = Server(data_dir)
    thread, _ = running(server, "sleeper", 20)
    traces = Traces(server.pid, data_dir)
    # The server and its keeper at once: nobody is there to clean up before the next start.
    os.kill(server.pid, signal.SIGSTOP)
    children = [pid for pid in descendants(server.pid) if pid != server.pid and not is_bootstrap(pid)]
    for pid in (server.pid, *children):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    server.process.wait()
    traces.ended()
    thread.join(10)
    server = Server(data_dir)
    # Cgroups have the same names again; only the new server's may be there.
    traces.cgroups.clear()
    gone("kill of server and keeper: the next start sweeps", traces)
    answer = invoke(server.client, "sleeper", {"seconds": 0})
    checks.equal("kill of server and keeper: the function runs", (answer.error, answer.payload), (None, "rested"))
    traces = Traces(server.pid, data_dir)
    checks.equal("kill of server and keeper: clean stop", server.stop(), 0)
    traces.ended()
    gone("kill of server and keeper: nothing is left after the stop", traces)


def told_to_stop(data_dir):
    server = Server(data_dir)
    invoke(server.client, "sleeper", {"seconds": 0})
    make_sleeper(server, "drained")
    thread, outcome = running(server, "drained", 1)
    traces = Traces(server.pid, data_dir)
    began = time.monotonic()
    server.process.terminate()
    code = server.process.wait(20)
    seconds = time.monotonic() - began
    traces.ended()
    thread.join(10)
    answer = outcome.get("answer")
    seen = (answer.error, answer.payload) if answer else outcome.get("error")
    checks.equal("SIGTERM: the running invoke is answered", seen, (None, "rested"))
    checks.equal("SIGTERM: exit code", code, 0)
    checks.holds("SIGTERM: takes little more than the invoke", seconds < 5, f"{seconds:.1f} s", "< 5 s")
    gone("SIGTERM: nothing is left", traces, 1)


def one_at_a_time(data_dir):
    server = Server(data_dir)
    try:
        Server(data_dir)
        refused = "it started"
    except RuntimeError as error:
        refused = str(error)
    checks.holds(
        "second server on the same data: refused, and says why",
        str(data_dir) in refused and str(server.pid) in refused,
        refused,
        "the folder and the other's process",
    )
    os.environ["AWS_ENDPOINT_URL"] = server.client.meta.endpoint_url
    answer = invoke(server.client, "sleeper", {"seconds": 0})
    checks.equal("second server on the same data: the first is unharmed", answer.payload, "rested")
    server.stop()


with tempfile.TemporaryDirectory(prefix="dormouse-durability-") as folder:
    print(f"seed {SEED}")
    data_dir = pathlib.Path(folder) / "data"
    first = Server(data_dir)
    RUNTIME = runtime_of("python")
    first.stop()
    for part in (killed_while_writing, killed_while_running, told_to_stop, one_at_a_time):
        with checks.part(part.__name__):
            part(data_dir)
        for server in Server.started:
            if server.process.poll() is None:
                server.kill()
    if checks.failed:
        said = (data_dir.parent / "server.log").read_text(errors="replace")
        print("what the servers said last:", *said.splitlines()[-20:], sep="\n  ")
checks.finish()
