"""The AWS SDK for Rust, unmodified: `rust-sdk` is a program of its own that walks through the main operations.

It is built here by Cargo into `target/rust-sdk` of the repository, once; the SDK is too heavy for the workspace.
"""

import os
import pathlib
import subprocess
import sys
import tempfile

from lambda_checks import package, runtime_of

HERE = pathlib.Path(__file__).resolve().parent
TARGET = HERE.parents[1] / "target" / "rust-sdk"
CODE = (HERE / "functions" / "walked.js").read_text()

manifest = HERE / "rust-sdk" / "Cargo.toml"
built = subprocess.run(
    ["cargo", "build", "--quiet", "--locked", "--manifest-path", manifest, "--target-dir", TARGET],
    stdout=subprocess.PIPE,
    stderr=subprocess.STDOUT,
    text=True,
)
if built.returncode:
    raise SystemExit(f"the program does not build:\n{built.stdout[-4000:]}")
with tempfile.TemporaryDirectory(prefix="rust-sdk-") as folder:
    code = pathlib.Path(folder) / "code.zip"
    code.write_bytes(package({"index.js": CODE}))
    environment = os.environ | {"RUNTIME": runtime_of("nodejs"), "CODE": str(code)}
    sys.exit(subprocess.run([TARGET / "debug" / "rust-sdk-walk"], env=environment, timeout=300).returncode)
