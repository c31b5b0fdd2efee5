#!/usr/bin/python3
"""A custom runtime that streams its response by hand, in chunks, as each event says.

`chunks` and `bytes` of each, `pause` between them in seconds, `mode` of the response (`streaming` if absent, null for
none), `error` for trailers at the end, `hang` before the end. Beside each stream it notes when its writes returned: with
a reader that pauses, they stall. `times` gives the notes of the stream before.
"""

import base64
import json
import os
import socket
import sys
import time

HOST, PORT = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
HEAD = "/2018-06-01/runtime/invocation"
TRAILERS = ("Lambda-Runtime-Function-Error-Type", "Lambda-Runtime-Function-Error-Body")


class Connection:
    def __init__(self):
        self.socket = socket.create_connection((HOST, int(PORT)))
        self.file = self.socket.makefile("rb")

    def send(self, text, body=b""):
        self.socket.sendall(text.replace("\n", "\r\n").encode() + body)

    def answer(self):
        status = self.file.readline().split()[1]
        headers = {}
        while line := self.file.readline().strip():
            name, value = line.decode().split(":", 1)
            headers[name.lower()] = value.strip()
        return int(status), headers, self.file.read(int(headers.get("content-length", 0)))


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


def stream(connection, request, event):
    head = f"POST {HEAD}/{request}/response HTTP/1.1\nHost: {HOST}\nTransfer-Encoding: chunked\n"
    mode = event.get("mode", "streaming")
    head += f"Lambda-Runtime-Function-Response-Mode: {mode}\n" if mode else ""
    head += f"Content-Type: {event.get('type', 'application/octet-stream')}\n"
    head += f"Trailer: {', '.join(TRAILERS)}\n" if "error" in event else ""
    connection.send(head + "\n")
    began, times = time.monotonic(), []
    for number in range(event.get("chunks", 1)):
        text = b"chunk %d;" % number
        connection.socket.sendall(chunk(text + b"x" * (event.get("bytes", 0) - len(text))))
        times.append(round(time.monotonic() - began, 3))
        time.sleep(event.get("pause", 0))
    print("all but the end is written", flush=True)
    time.sleep(event.get("hang", 0))
    end = "0\n"
    if "error" in event:
        body = base64.b64encode(json.dumps(event["error"]).encode()).decode()
        end += f"{TRAILERS[0]}: {event['error']['errorType']}\n{TRAILERS[1]}: {body}\n"
    connection.send(end + "\n")
    return times


def serve():
    connection, times = Connection(), []
    while True:
        connection.send(f"GET {HEAD}/next HTTP/1.1\nHost: {HOST}\n\n")
        status, headers, body = connection.answer()
        if status != 200:
            sys.exit(f"next: {status} {body}")
        request, event = headers["lambda-runtime-aws-request-id"], json.loads(body)
        if event.get("times"):
            text = json.dumps(times).encode()
            head = f"POST {HEAD}/{request}/response HTTP/1.1\nHost: {HOST}\nContent-Length: {len(text)}\n\n"
            connection.send(head, text)
        else:
            times = stream(connection, request, event)
        connection.answer()


serve()
