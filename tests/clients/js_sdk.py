"""The AWS SDK for JavaScript v3, unmodified, from npm in the version that `js/package.json` pins: `js/walk.mjs` walks
through the main operations with its waiters, paginators, event streams and error classes.

It is installed once, beside the other public packages that tests use.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "vendor"))

from vendored import kept, run  # noqa: E402 (the folder has to be found first)

from lambda_checks import package, runtime_of  # noqa: E402
from model.calls import unfinished  # noqa: E402

MANIFEST = HERE / "js" / "package.json"
CODE = (HERE / "functions" / "walked.js").read_text()


def install(folder):
    shutil.copy(MANIFEST, folder)
    run(["npm", "install", "--no-audit", "--no-fund", "--omit=dev"], cwd=folder)


installed = kept("js-sdk", MANIFEST.read_bytes(), install)
with tempfile.TemporaryDirectory(prefix="js-sdk-") as name:
    folder = pathlib.Path(name)
    # A module finds its packages from where it stands.
    (folder / "node_modules").symlink_to(installed / "node_modules")
    shutil.copy(HERE / "js" / "walk.mjs", folder)
    (folder / "code.zip").write_bytes(package({"index.js": CODE}))
    environment = os.environ | {"RUNTIME": runtime_of("nodejs"), "UNFINISHED": " ".join(unfinished())}
    sys.exit(subprocess.run(["node", "walk.mjs"], cwd=folder, env=environment, timeout=300).returncode)
