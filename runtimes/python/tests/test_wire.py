"""What the runtime says on the wire, where a whole server would hide it: several invocations at once, and
log frames. Run by `python3 -m unittest`, or as a script.

A fake Runtime API hands out the events of a test and notes every request; each test starts a runtime of its
own. Nothing sleeps: what is awaited is a request, or the end of the process.
"""

import http.server
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import unittest

LIMIT_SECONDS = 20
HERE = pathlib.Path(__file__).resolve().parent
BOOTSTRAP = HERE.parent / "bootstrap.py"


class Api(http.server.ThreadingHTTPServer):
    """The Runtime API: answers `next` with the events in order, and holds it when there are no more."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, events):
        super().__init__(("127.0.0.1", 0), Handler)
        self.changed = threading.Condition()
        self.events = [(f"id-{index + 1}", event) for index, event in enumerate(events)]
        self.posts = []
        self.waiting = 0
        self.most_at_once = 0
        self.init_errors = 0
        self.over = False

    def until(self, condition):
        with self.changed:
            if not self.changed.wait_for(condition, LIMIT_SECONDS):
                raise AssertionError(f"gave up waiting; posts so far: {self.posts}")

    def note(self, action):
        with self.changed:
            result = action()
            self.changed.notify_all()
            return result

    def handle_error(self, _request, _address):
        pass  # The runtime was ended while it waited.


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_GET(self):
        api = self.server

        def take():
            if api.events:
                return api.events.pop(0)
            api.waiting += 1
            return None

        found = api.note(take)
        if found is None:
            with api.changed:
                api.changed.wait_for(lambda: api.over)
            self.close_connection = True
            return
        request_id, event = found
        headers = {
            "Lambda-Runtime-Aws-Request-Id": request_id,
            "Lambda-Runtime-Deadline-Ms": str(int((time.time() + LIMIT_SECONDS) * 1000)),
            "Lambda-Runtime-Invoked-Function-Arn": "arn:aws:lambda:us-east-1:000000000000:function:fn",
            "Lambda-Runtime-Trace-Id": f"Root={request_id}",
            "Lambda-Runtime-Aws-Tenant-Id": f"tenant-{request_id}",
        }
        self.answer(200, json.dumps(event).encode(), headers)

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        where = self.path.split("/runtime/")[1]
        self.server.note(lambda: self.server.posts.append((where, body)))
        first = where != "init/error" or [path for path, _ in self.server.posts].count(where) == 1
        self.answer(202 if first else 403, b"{}", {})

    def answer(self, status, body, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Runtime:
    """A runtime that serves `handler`, and what it needs."""

    def __init__(self, handler, events, frames=False, **environment):
        self.api = Api(events)
        threading.Thread(target=self.api.serve_forever, args=(0.01,), daemon=True).start()
        self.log = tempfile.TemporaryFile()
        environment |= {
            "PATH": os.environ["PATH"],
            "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:%d" % self.api.server_address[1],
            "LAMBDA_TASK_ROOT": str(HERE),
            "PYTHONDONTWRITEBYTECODE": "1",
            "_HANDLER": handler,
        }
        self.frames = tempfile.TemporaryFile()
        # A pipe, as a platform has it: what is torn there would not be in a file.
        self.read_end, self.write_end = os.pipe()
        if frames:
            environment["_LAMBDA_TELEMETRY_LOG_FD"] = str(self.write_end)
        self.process = subprocess.Popen(
            [sys.executable, "-S", str(BOOTSTRAP)],
            env=environment,
            stdout=self.log,
            stderr=self.log,
            pass_fds=[self.write_end],
            start_new_session=True,
        )
        os.close(self.write_end)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        while data := os.read(self.read_end, 65536):
            self.frames.write(data)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.api.note(lambda: setattr(self.api, "over", True))
        self.api.shutdown()
        self.api.server_close()
        os.close(self.read_end)
        self.log.close()
        self.frames.close()

    def stop(self):
        """Ends all its processes; the log is whole then."""
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # They have ended by themselves.
        self.process.wait()
        self.reader.join()

    def output(self):
        self.log.seek(0)
        return self.log.read().decode()

    def all_frames(self):
        """(kind, level, time in microseconds, text) of each, as `runtimes/README.md` describes them."""
        self.frames.seek(0)
        found = []
        while head := self.frames.read(16):
            kind, size, time_us = struct.unpack(">IIQ", head)
            assert kind & 0xFFFFFFE0 == 0xA55A0000, hex(kind)
            found.append((kind & 3, kind >> 2 & 7, time_us, self.frames.read(size).decode()))
        return found


class Wire(unittest.TestCase):
    def test_several_invocations_run_at_once_each_in_its_process(self):
        count = 4
        with tempfile.TemporaryDirectory() as folder:
            events = [{"n": n, "of": count, "folder": folder} for n in range(1, count + 1)]
            with Runtime("concurrent.together", events, AWS_LAMBDA_MAX_CONCURRENCY=str(count)) as runtime:
                runtime.api.until(lambda: len(runtime.api.posts) == count and runtime.api.waiting == count)
                replies = dict(runtime.api.posts)
        for n in range(1, count + 1):
            reply = replies[f"invocation/id-{n}/response"]
            seen = {key: reply[key] for key in ("n", "trace", "tenant")}
            self.assertEqual(seen, {"n": n, "trace": f"Root=id-{n}", "tenant": f"tenant-id-{n}"})
        self.assertEqual(len({reply["pid"] for reply in replies.values()}), count)

    def test_frames_of_several_processes_are_not_torn(self):
        count = 6
        with tempfile.TemporaryDirectory() as folder:
            # Larger than a pipe takes in one go.
            events = [{"n": n, "of": count, "folder": folder, "size": 300_000} for n in range(count)]
            more = {"AWS_LAMBDA_MAX_CONCURRENCY": str(count), "AWS_LAMBDA_LOG_FORMAT": "JSON"}
            with Runtime("concurrent.together", events, frames=True, **more) as runtime:
                runtime.api.until(lambda: len(runtime.api.posts) == count)
                runtime.stop()
                frames = runtime.all_frames()
        self.assertEqual(len(frames), count)
        for kind, level, _, text in frames:
            self.assertEqual((kind, level), (2, 3))
            self.assertEqual(len(json.loads(text)["message"]), len("in 0 ") + 300_000)

    def test_a_worker_that_ends_takes_the_environment_with_it(self):
        events = [{"leave": False}, {"leave": True, "code": 7}]
        with Runtime("concurrent.leaves", events, AWS_LAMBDA_MAX_CONCURRENCY="2") as runtime:
            self.assertEqual(runtime.process.wait(LIMIT_SECONDS), 7)
        with Runtime("concurrent.killed", [{}], AWS_LAMBDA_MAX_CONCURRENCY="2") as runtime:
            self.assertEqual(runtime.process.wait(LIMIT_SECONDS), -9)

    def test_a_failed_init_of_all_workers_is_one_failed_init(self):
        with Runtime("missing_module.handler", [], AWS_LAMBDA_MAX_CONCURRENCY="3") as runtime:
            self.assertEqual(runtime.process.wait(LIMIT_SECONDS), 1)
            runtime.stop()
            self.assertEqual(runtime.api.posts[0][0], "init/error")
            self.assertEqual(runtime.api.posts[0][1]["errorType"], "Runtime.ImportModuleError")
            self.assertNotIn("RuntimeApiError", runtime.output())

    def test_records_are_frames_where_a_descriptor_is_given(self):
        for log_format, kind in (("Text", 3), ("JSON", 2)):
            with self.subTest(log_format):
                more = {"AWS_LAMBDA_LOG_FORMAT": log_format}
                with Runtime("logging_handlers.every_level", [{}], frames=True, **more) as runtime:
                    runtime.api.until(lambda: runtime.api.waiting == 1)
                    runtime.stop()
                    frames = runtime.all_frames()
                    self.assertEqual(runtime.output(), "printed\n")
                self.assertEqual([level for _, level, _, _ in frames], [2, 3, 4, 5, 6])
                for seen, _, time_us, text in frames:
                    self.assertEqual(seen, kind)
                    self.assertLess(abs(time_us / 1e6 - time.time()), LIMIT_SECONDS)
                    self.assertEqual("two\nlines" in text, log_format == "Text")

    def test_errors_are_frames_too(self):
        for log_format, kind in (("Text", 3), ("JSON", 2)):
            with self.subTest(log_format):
                more = {"AWS_LAMBDA_LOG_FORMAT": log_format}
                with Runtime("failing.value_error", [{}], frames=True, **more) as runtime:
                    runtime.api.until(lambda: runtime.api.waiting == 1)
                    runtime.stop()
                    [(seen, level, _, text)] = runtime.all_frames()
                self.assertEqual((seen, level), (kind, 5))
                self.assertIn("ValueError", text)


if __name__ == "__main__":
    unittest.main()
