"""Servers of a script's own, for what needs settings, a restart, or more than one of them.

Started from DORMOUSE_BINARY, with the root key of the server that the environment names.
"""

import os
import pathlib
import re
import signal
import subprocess
import tempfile

import boto3
from lambda_checks import Signer, lambda_client, wait_until

BINARY = os.environ["DORMOUSE_BINARY"]
START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 40


class OwnServer:
    """A server on a data directory, for as long as the `with` block; it may be ended and started again in it."""

    #: What it is started as.
    command_name = "serve"

    def __init__(self, folder, *flags, **variables):
        self.folder = pathlib.Path(folder)
        self.data_dir = self.folder / "data"
        self.flags = flags
        self.variables = variables
        self.process = None
        self.port = 0

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            self.stop()

    def start(self):
        self.spawn()
        ready = wait_until(self._ready, START_SECONDS_MAX)
        if not ready:
            raise RuntimeError(f"the server did not start: {self.said()}")
        self.endpoint = ready[1]
        self.port = int(self.endpoint.rpartition(":")[2])
        self.client = lambda_client(endpoint_url=self.endpoint)
        return self

    def spawn(self):
        """Starts the process, and does not wait until it is ready."""
        # The server refuses DORMOUSE_ variables that it does not know, such as those for these scripts.
        environment = {key: value for key, value in os.environ.items() if not key.startswith("DORMOUSE_")} | {
            "DORMOUSE_ROOT_ACCESS_KEY_ID": os.environ["AWS_ACCESS_KEY_ID"],
            "DORMOUSE_ROOT_SECRET_ACCESS_KEY": os.environ["AWS_SECRET_ACCESS_KEY"],
        }
        # The same port again, since it is part of what images are called.
        command = [BINARY, self.command_name, "--data-dir", self.data_dir, "--listen", f"127.0.0.1:{self.port}", *self.flags]
        with tempfile.NamedTemporaryFile(dir=self.folder, prefix="said-", delete=False) as said:
            self.said_in = pathlib.Path(said.name)
            self.process = subprocess.Popen(command, stderr=said, env=environment | self.variables)

    def service(self, name, **options):
        """A client of another service, with the root key."""
        return boto3.client(name, endpoint_url=self.endpoint, region_name="us-east-1", **options)

    def _ready(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the server ended with {self.process.returncode}: {self.said()}")
        return re.search(r"dormouse ready on (http://\S+)\n", self.said())

    def said(self):
        return self.said_in.read_text(errors="replace")

    def signer(self):
        signer = Signer()
        signer.endpoint = self.endpoint
        return signer

    def stop(self):
        self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def command(self, *arguments):
        """Runs a command of the binary against this server."""
        environment = {key: value for key, value in os.environ.items() if not key.startswith("DORMOUSE_")}
        command = [BINARY, *arguments]
        environment |= {"AWS_ENDPOINT_URL": self.endpoint}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)


class OpenServer(OwnServer):
    """A server for development on an empty folder, which takes any key: one of twelve digits names its account."""

    command_name = "dev"

    def __init__(self, folder, *flags, **variables):
        code = pathlib.Path(folder) / "code"
        code.mkdir()
        super().__init__(folder, *flags, code, **variables)
