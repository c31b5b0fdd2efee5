"""A public server that speaks S3 (moto, from PyPI in pinned versions), for code in buckets. It verifies signatures:
only a user of its own may read.
"""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import urllib.request

import boto3
import botocore.config

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "vendor"))

from vendored import kept, run  # noqa: E402 (its folder has to be found first)

from lambda_checks import wait_until  # noqa: E402

REQUIREMENTS = HERE / "vendor" / "requirements" / "s3.txt"
START_SECONDS_MAX = 30
READER = "reader"
MAY = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}


def installed():
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    content = REQUIREMENTS.read_bytes()
    return kept("s3-server", content, lambda folder: run([*pip, "--target", folder, "--requirement", REQUIREMENTS]))


class S3Server:
    """Runs as long as the `with` block; `key` is the access key of the one user who may read and write."""

    def __init__(self, folder):
        self.said_in = pathlib.Path(folder) / "s3-server.log"
        self.process = None

    def __enter__(self):
        environment = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
        environment["PYTHONPATH"] = str(installed())
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
        with open(self.said_in, "wb") as said:
            self.process = subprocess.Popen(command, stdout=said, stderr=said, env=environment)
        try:
            self._admit()
        except Exception:
            self.stop()
            raise
        return self

    def _admit(self):
        """Waits until it listens, and makes the user, as whom every request has to be signed from then on."""
        listening = wait_until(self._listening, START_SECONDS_MAX)
        if not listening:
            raise RuntimeError(f"the S3 server did not start: {self.said_in.read_text()}")
        self.endpoint = listening[1]
        iam = boto3.client("iam", endpoint_url=self.endpoint)
        iam.create_user(UserName=READER)
        iam.put_user_policy(UserName=READER, PolicyName="all", PolicyDocument=json.dumps(MAY))
        self.key = iam.create_access_key(UserName=READER)["AccessKey"]
        strict = urllib.request.Request(f"{self.endpoint}/moto-api/reset-auth", b"0", {"content-type": "text/plain"})
        urllib.request.urlopen(strict).close()

    def __exit__(self, *_):
        self.stop()

    def _listening(self):
        return re.search(r"Running on (http://\S+)", self.said_in.read_text(errors="replace"))

    def stop(self):
        self.process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(10)
        self.process.kill()
        self.process.wait()

    def client(self):
        plain = {"addressing_style": "path"}
        return boto3.client(
            "s3", endpoint_url=self.endpoint, aws_access_key_id=self.key["AccessKeyId"],
            aws_secret_access_key=self.key["SecretAccessKey"], config=botocore.config.Config(s3=plain),
        )  # fmt: skip

    def variables(self):
        """What a server is told about whom to be there."""
        return {
            "DORMOUSE_S3_ACCESS_KEY_ID": self.key["AccessKeyId"],
            "DORMOUSE_S3_SECRET_ACCESS_KEY": self.key["SecretAccessKey"],
        }
