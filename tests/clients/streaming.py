"""InvokeWithResponseStream by boto3: chunks as they are written, errors midway, large streams, readers that pause or
leave, and either way to call either kind of function.
"""

import base64
import concurrent.futures
import json
import os
import pathlib
import re
import time

from lambda_checks import (
    SOURCES,
    Checks,
    Functions,
    invoke,
    lambda_client,
    logged,
    package,
    runtime_of,
    wait_until,
)

client = lambda_client()
checks = Checks()
STREAMS = package({"bootstrap": (SOURCES / "streams.py").read_text()})
NODE_CODE = """
exports.streams = awslambda.streamifyResponse(async (event, stream, context) => {
  stream.setContentType("text/plain");
  for (let number = 0; number < 4; number += 1) {
    stream.write(`part ${number};`);
    await new Promise((resolve) => setTimeout(resolve, 150));
  }
  if (event.fail) throw new Error("midway");
  stream.end("done");
});
exports.buffers = async () => ({ whole: true });
"""


class Stream:
    """What a streaming call gave: chunks with the time of their arrival, and how it ended."""

    def __init__(self, name, event=None, on_chunk=None, **more):
        began = time.monotonic()
        payload = json.dumps({} if event is None else event)
        answer = client.invoke_with_response_stream(FunctionName=name, Payload=payload, **more)
        self.status = answer["StatusCode"]
        self.type = answer.get("ResponseStreamContentType")
        self.request_id = answer["ResponseMetadata"]["HTTPHeaders"].get("x-amzn-requestid")
        self.times, self.bytes, self.head, self.complete = [], 0, b"", None
        for part in answer["EventStream"]:
            if "PayloadChunk" in part:
                data = part["PayloadChunk"]["Payload"]
                self.times.append(time.monotonic() - began)
                self.bytes += len(data)
                self.head = (self.head + data)[:10_000]
                if on_chunk:
                    on_chunk(self)
            else:
                self.complete = part["InvokeComplete"]


def resident_mb():
    status = pathlib.Path("/proc", os.environ["DORMOUSE_PID"], "status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+)", status).group(1)) // 1024


def make(functions, label, **settings):
    settings = {"Timeout": 30, "MemorySize": 512} | settings
    return functions.make(label, STREAMS, "x", "provided.al2023", **settings)


def chunks(functions):
    name = make(functions, "chunks")
    seen = Stream(name, {"chunks": 5, "pause": 0.2, "type": "text/plain"}, LogType="Tail")
    # What Lambda says here is the type of the frames, whatever the function's own is.
    frames = "application/vnd.amazon.eventstream"
    checks.equal("chunks: status and type", (seen.status, seen.type), (200, frames))
    checks.equal("chunks: whole", seen.head, b"".join(b"chunk %d;" % number for number in range(5)))
    spread = seen.times[-1] - seen.times[0]
    checks.holds("chunks: as they are written", len(seen.times) >= 5 and spread >= 0.7, seen.times, "over 0.8 s")
    checks.holds("chunks: no error", "ErrorCode" not in seen.complete, seen.complete, "InvokeComplete without ErrorCode")
    warm = Stream(name, {"chunks": 2, "pause": 0.3})
    checks.holds("chunks: the first at once", warm.times[0] < 0.15, warm.times, "long before the last, at 0.3 s")

    log = base64.b64decode(seen.complete.get("LogResult", "")).decode()
    for line in (f"START RequestId: {seen.request_id}", "all but the end", f"REPORT RequestId: {seen.request_id}"):
        checks.holds(f"chunks: the log's tail has {line.split()[0]}", line in log, log, line)

    whole = invoke(client, name, {"chunks": 3, "bytes": 10})
    checks.equal("a buffered call of a streaming function", (whole.error, len(whole.raw)), (None, 30))
    plain = Stream(name, {"chunks": 3, "bytes": 10, "mode": None})
    checks.equal("a streaming call of a buffered function", (plain.bytes, plain.complete.get("ErrorCode")), (30, None))


def errors(functions):
    name = make(functions, "errors", Timeout=2)
    failure = {"errorType": "Mine.Midway", "errorMessage": "half is enough"}
    seen = Stream(name, {"chunks": 2, "error": failure})
    checks.equal("error midway: what came before", seen.head, b"chunk 0;chunk 1;")
    checks.equal("error midway: code", seen.complete.get("ErrorCode"), "Mine.Midway")
    checks.equal("error midway: details", json.loads(seen.complete.get("ErrorDetails") or "null"), failure)
    checks.equal("error midway: serves again", Stream(name, {"chunks": 1}).head, b"chunk 0;")

    began = time.monotonic()
    late = Stream(name, {"chunks": 1, "hang": 30})
    checks.equal("timeout midway: what came before", late.head, b"chunk 0;")
    checks.equal("timeout midway: code", late.complete.get("ErrorCode"), "Sandbox.Timedout")
    checks.matches("timeout midway: details", late.complete.get("ErrorDetails"), r".*Task timed out after 2\.00 seconds.*")
    checks.holds("timeout midway: in time", time.monotonic() - began < 3.5, time.monotonic() - began, "2 s and a little")
    again = wait_until(lambda: Stream(name, {"chunks": 1}).head == b"chunk 0;")
    checks.holds("timeout midway: serves again", again, again, "chunk 0")

    refused = lambda: Stream("nobody", {})
    checks.refused("no such function", refused, "ResourceNotFoundException", 404)


def large(functions):
    """20 MB pass in one piece; a reader that pauses makes the function's writes stall, not the server grow."""
    name = make(functions, "large", MemorySize=1769)
    seen = Stream(name, {"chunks": 320, "bytes": 65_536})
    checks.equal("20 MB: all of it", (seen.bytes, seen.complete.get("ErrorCode")), (320 * 65_536, None))

    before, grown = resident_mb(), []

    def pause(stream):
        if stream.bytes > 1_000_000 and not grown:
            # The pause itself is what is tested: nothing is read for a while.
            time.sleep(1.5)
            grown.append(resident_mb() - before)

    # Beyond what sockets and queues hold between function and reader.
    seen = Stream(name, {"chunks": 1_600, "bytes": 65_536}, on_chunk=pause)
    checks.equal("back-pressure: all of 100 MB", seen.bytes, 1_600 * 65_536)
    checks.holds("back-pressure: the server stays small", grown and grown[0] < 40, f"{grown} MB more", "a few chunks")
    times = invoke(client, name, {"times": True}).payload
    longest = max(later - earlier for earlier, later in zip(times, times[1:]))
    checks.holds("back-pressure: the function's writes stall", longest >= 1, longest, "most of 1.5 s")


def leaving(functions):
    """A caller that hangs up stops nobody: the function runs to its end and serves again."""
    name = make(functions, "leaving")
    answer = client.invoke_with_response_stream(FunctionName=name, Payload=b'{"chunks": 10, "pause": 0.1, "bytes": 70000}')
    first = next(iter(answer["EventStream"]))
    checks.holds("hang-up: the beginning came", "PayloadChunk" in first, first, "a chunk")
    answer["EventStream"].close()
    ended = wait_until(lambda: any(line.startswith("REPORT") for line in logged(name)))
    checks.holds("hang-up: the function runs to its end", ended, logged(name), "REPORT")
    checks.holds("hang-up: all was written", "all but the end is written" in logged(name), logged(name), "its last line")
    checks.equal("hang-up: serves again", Stream(name, {"chunks": 1}).head, b"chunk 0;")


def node(functions):
    runtime = runtime_of("nodejs")
    code = package({"index.js": NODE_CODE})
    name = functions.make("node-streams", code, "index.streams", runtime, Timeout=10, MemorySize=256)
    seen = Stream(name, {})
    checks.equal("Node.js: whole", seen.head, b"part 0;part 1;part 2;part 3;done")
    spread = seen.times[-1] - seen.times[0]
    checks.holds("Node.js: as it is written", spread >= 0.3, seen.times, "over 0.6 s")
    failed = Stream(name, {"fail": True})
    checks.holds("Node.js: what came before the error", failed.head.startswith(b"part 0;part 1;"), failed.head, "parts")
    checks.holds("Node.js: error midway", failed.complete.get("ErrorCode"), failed.complete, "an ErrorCode")
    checks.holds("Node.js: error's details", "midway" in failed.complete.get("ErrorDetails", ""), failed.complete, "midway")
    name = functions.make("node-buffers", code, "index.buffers", runtime, Timeout=10, MemorySize=256)
    seen = Stream(name, {})
    checks.equal("Node.js: a streaming call of a buffered function", json.loads(seen.head), {"whole": True})


def guarded(part, functions):
    with checks.part(part.__name__):
        part(functions)


with Functions(client) as functions, concurrent.futures.ThreadPoolExecutor(2) as crowd:
    large(functions)
    list(crowd.map(lambda part: guarded(part, functions), (chunks, errors, leaving, node)))
checks.finish()
