#!/usr/bin/python3
"""A runtime and the extensions of one scene of conformance/inside: each sends its requests in order and keeps what
is answered; the answer to an event whose `collect` is true has what all of them saw.

Which of them a process is, its name says. One that has no requests (left) does what is expected of it: it registers,
and asks for event after event. What has been done is remembered in /tmp, so that a process that is started again
after a reset goes on behind the request that ended its predecessor.
"""

import http.client
import json
import os
import pathlib
import re
import socket
import sys
import threading
import time

API = os.environ["AWS_LAMBDA_RUNTIME_API"]
NAME = os.path.basename(sys.argv[0])
SCENE = json.loads(pathlib.Path("/var/task/scene.json").read_text())
STEPS = SCENE["runtime" if NAME == "bootstrap" else "extensions"]
STEPS = STEPS if NAME == "bootstrap" else STEPS.get(NAME, [])
SEEN = pathlib.Path("/tmp/seen")
NEXT = "/2018-06-01/runtime/invocation/next"
# Longer than anything that is answered at once; an event that never comes is seen as no answer.
PATIENCE_S = 5


class Player:
    """One process of a scene."""

    def __init__(self):
        SEEN.mkdir(exist_ok=True)
        self.log = SEEN / NAME
        self.variables = {}
        self.connection = http.client.HTTPConnection(API)
        done = self.log.read_text().splitlines() if self.log.exists() else []
        self.begun = sum(1 for line in done if line == "begun")

    def note(self, text):
        with self.log.open("a") as log:
            log.write(text + "\n")

    def filled(self, text):
        return re.sub(r"\$\{(\w+)\}", lambda found: self.variables.get(found[1], found[0]), text)

    def body_of(self, request):
        if "fill" in request:
            return b"1" * request["fill"]
        text = request.get("text", json.dumps(request["json"]) if "json" in request else None)
        return None if text is None else self.filled(text).encode()

    def send(self, request, timeout=None):
        headers = {name: self.filled(value) for name, value in request.get("headers", {}).items()}
        body = self.body_of(request)
        if request.get("chunked"):
            return self.send_chunked(request, headers, body)
        self.connection.timeout = timeout
        if self.connection.sock:
            self.connection.sock.settimeout(timeout)
        try:
            self.connection.request(request["method"], self.filled(request["path"]), body, headers)
            answer = self.connection.getresponse()
            return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            self.connection.close()
            return 0, {}, f"{type(error).__name__}: {error}"

    def send_chunked(self, request, headers, body):
        """By hand: http.client has no trailers. `cut` stops before the end."""
        trailers = request.get("trailers", {})
        head = [f"{request['method']} {self.filled(request['path'])} HTTP/1.1", f"Host: {API}"]
        head += [f"{name}: {value}" for name, value in headers.items()] + ["Transfer-Encoding: chunked"]
        head += [f"Trailer: {', '.join(trailers)}"] if trailers else []
        sent = "\r\n".join(head).encode() + b"\r\n\r\n%x\r\n%s\r\n" % (len(body), body)
        if not request.get("cut"):
            end = ["0", *(f"{name}: {value}" for name, value in trailers.items()), "", ""]
            sent += "\r\n".join(end).encode()
        host, port = API.split(":")
        with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as connection:
            connection.sendall(sent)
            if request.get("cut"):
                connection.shutdown(socket.SHUT_WR)
            answer = http.client.HTTPResponse(connection, method="POST")
            try:
                answer.begin()
                return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read().decode()
            except (OSError, http.client.HTTPException) as error:
                return 0, {}, f"{type(error).__name__}: {error}"

    def play(self):
        for index, step in enumerate(STEPS):
            if index < self.begun:
                continue
            self.note("begun")
            if "wait" in step:
                self.wait_for(step["wait"])
                continue
            if step["request"].get("background"):
                threading.Thread(target=Player.ask, args=(self.request_of(step),), daemon=True).start()
                continue
            waits = step["request"].get("waits", False)
            status, headers, body = self.send(step["request"], None if waits else PATIENCE_S)
            if step["request"].get("ends"):
                # What comes next is for the process after this one.
                time.sleep(60)
            for name, source in step.get("keep", {}).items():
                self.variables[name] = headers.get(source.lower(), "")
            seen = {"index": index, "status": status, "headers": headers, "body": body}
            self.note(json.dumps(seen | {"variables": self.variables}))

    def request_of(self, step):
        """A request as another connection can send it, with today's variables."""
        headers = {name: self.filled(value) for name, value in step["request"]["headers"].items()}
        return step["request"] | {"headers": headers}

    @staticmethod
    def ask(request):
        """Waits for an event that nobody looks at."""
        connection = http.client.HTTPConnection(API)
        connection.request(request["method"], request["path"], headers=request["headers"])
        connection.getresponse().read()

    def wait_for(self, player):
        """Until another process has sent this many requests: `{"watch": 3}`."""
        ((name, count),) = player.items()
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            log = SEEN / name
            lines = log.read_text().splitlines() if log.exists() else []
            if sum(1 for line in lines if line.startswith("{")) >= count:
                return
            time.sleep(0.01)


def everything():
    """What each process has seen, by name and in order."""
    found = {}
    for log in SEEN.iterdir():
        lines = log.read_text().splitlines()
        found[log.name] = [json.loads(line) for line in lines if line.startswith("{")]
    return json.dumps(found)


def serve(player):
    while True:
        status, headers, event = player.send({"method": "GET", "path": NEXT})
        if status != 200:
            sys.exit(f"next: {status} {event}")
        request = headers["lambda-runtime-aws-request-id"]
        answer = everything() if json.loads(event).get("collect") else event
        path = f"/2018-06-01/runtime/invocation/{request}/response"
        player.send({"method": "POST", "path": path, "text": answer})


def attend(player):
    headers = {"Lambda-Extension-Name": NAME}
    if not any("id" == name and value for name, value in player.variables.items()):
        register = {"method": "POST", "path": "/2020-01-01/extension/register", "headers": headers}
        _, headers, _ = player.send(register | {"json": {"events": ["SHUTDOWN"]}})
        player.variables["id"] = headers.get("lambda-extension-identifier", "")
    headers = {"Lambda-Extension-Identifier": player.variables["id"]}
    while True:
        event = {"method": "GET", "path": "/2020-01-01/extension/event/next", "headers": headers}
        status, _, body = player.send(event)
        if status != 200 or json.loads(body)["eventType"] == "SHUTDOWN":
            return


player = Player()
player.play()
(serve if NAME == "bootstrap" else attend)(player)
