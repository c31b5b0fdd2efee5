"""Public packages as functions bring them along: installed once, by their own registries' clients, in the versions
that `requirements` pins, and zipped together with a function's files.

What is installed is kept below `target/vendor` of the repository (VENDOR_DIR names another folder), under the digest
of what was asked for. Nothing is changed in the packages; only what a start does not need is left out of the zip.
"""

import fcntl
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from lambda_checks import package  # noqa: E402 (the folder above has to be found first)

KEPT = pathlib.Path(os.environ.get("VENDOR_DIR") or HERE.parents[2] / "target" / "vendor")
#: Left behind by the installer, and not part of any package.
LEFT_OUT = {"__pycache__", "bin"}
#: What the Node.js client loads; the rest of its folder was needed to compile it.
NODE_CLIENT_PARTS = ("package.json", "bin", "dist")


def function_files(*names):
    """Files of the folder `functions` beside this one."""
    return {name: (HERE / "functions" / name).read_bytes() for name in names}


def bootstrap(command):
    """The `bootstrap` of a custom runtime that becomes this command."""
    return {"bootstrap": f"#!/bin/sh\nexec {command}\n"}


def python_packages(name, version):
    """The files of `requirements/NAME.txt`, for a version of Python such as `3.11`."""
    requirements = HERE / "requirements" / f"{name}.txt"

    def install(folder):
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        which = ["--only-binary", ":all:", "--python-version", version, "--target", folder]
        run([*pip, *which, "--requirement", requirements])

    folder = kept(f"python{version}-{name}", requirements.read_bytes(), install)
    return files_below(folder, "", lambda path: not LEFT_OUT & set(path.parts))


def node_client():
    """The files of the Node.js runtime client, compiled for this machine's Node.js."""
    manifest = HERE / "requirements" / "package.json"

    def install(folder):
        missing = [tool for tool in ("npm", "cmake", "g++", "make", "autoreconf") if shutil.which(tool) is None]
        if missing:
            packages = "nodejs npm cmake g++ make autoconf automake libtool"
            raise SystemExit(f"{', '.join(missing)} is missing, to compile aws-lambda-ric: apt-get install {packages}")
        shutil.copy(manifest, folder)
        run(["npm", "install", "--no-audit", "--no-fund", "--omit=dev"], cwd=folder)

    node = subprocess.run(["node", "--version"], capture_output=True, text=True, check=True).stdout.strip()
    folder = kept(f"node-{node}", manifest.read_bytes(), install) / "node_modules" / "aws-lambda-ric"
    return files_below(folder, "node_modules/aws-lambda-ric/", lambda path: path.parts[0] in NODE_CLIENT_PARTS)


def kept(name, content, install):
    """A folder that `install` has filled, now or earlier: the same for the same name and content."""
    folder = KEPT / f"{name}-{hashlib.sha256(content).hexdigest()[:12]}"
    KEPT.mkdir(parents=True, exist_ok=True)
    with open(KEPT / "lock", "w") as lock:  # Scripts may run side by side.
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            partial = folder.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            install(partial)
            partial.rename(folder)
    return folder


def run(command, **options):
    """Runs an installer; what it said is shown only if it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed with {done.returncode}:\n{done.stdout[-4000:]}")


def files_below(folder, prefix, wanted):
    """The files below a folder, as `package` wants them."""
    paths = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return {prefix + str(path): (folder / path).read_bytes() for path in paths if wanted(path)}


def zipped(*parts):
    """One zip of several sets of files."""
    files = {}
    for part in parts:
        files |= part
    return package(files)
