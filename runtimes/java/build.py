#!/usr/bin/python3
"""Makes `dormouse-runtime.jar` from `src`, or checks that it was made from it.

The jar is checked in because many machines that run Java functions have no compiler. It holds no
times and no order of its own: the same compiler makes the same bytes. The manifest names the
compiler and a digest of the sources; `--check` compares the digest, and the bytes as well where
the compiler is the same. Needs a JDK to make the jar and nothing to compare digests.
"""

import hashlib
import io
import pathlib
import subprocess
import sys
import tempfile
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
JAR = HERE / "dormouse-runtime.jar"
EPOCH = (1980, 1, 1, 0, 0, 0)
#: The oldest Java that a runtime name stands for; its class files run on all later ones.
RELEASE = "8"
MANIFEST = """\
Manifest-Version: 1.0
Main-Class: dormouse.runtime.Main
Compiler: {compiler}
Source-Digest: {digest}

"""


def sources():
    return sorted((HERE / "src").rglob("*.java"))


def source_digest():
    digest = hashlib.sha256()
    for path in sources():
        digest.update(path.relative_to(HERE).as_posix().encode() + b"\0")
        digest.update(path.read_bytes() + b"\0")
    # A manifest line has at most 72 bytes.
    return digest.hexdigest()[:40]


def compiler():
    try:
        shown = subprocess.run(["javac", "-version"], capture_output=True, text=True, check=True)
    except FileNotFoundError:
        return None
    return (shown.stdout or shown.stderr).strip()


def name_in_jar(name):
    # The rehearsal is a function's class, so it must not be found where the runtime's own are.
    return "rehearsal/" + name if name.startswith("dormouse/rehearsal/") else name


def build(version):
    with tempfile.TemporaryDirectory() as folder:
        command = ["javac", "--release", RELEASE, "-encoding", "UTF-8", "-g:source,lines", "-Xlint:all,-options", "-Werror"]
        subprocess.run([*command, "-d", folder, *map(str, sources())], check=True)
        classes = sorted(pathlib.Path(folder).rglob("*.class"))
        entries = [(name_in_jar(path.relative_to(folder).as_posix()), path.read_bytes()) for path in classes]
    manifest = MANIFEST.format(compiler=version, digest=source_digest()).replace("\n", "\r\n").encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as jar:
        for name, contents in [("META-INF/MANIFEST.MF", manifest), *entries]:
            info = zipfile.ZipInfo(name, EPOCH)
            info.external_attr = 0o644 << 16
            # Stored, not deflated: compressors differ between versions, and a start has less to do.
            jar.writestr(info, contents)
    return out.getvalue()


def check(version):
    with zipfile.ZipFile(JAR) as jar:
        lines = jar.read("META-INF/MANIFEST.MF").decode().splitlines()
    stated = dict(line.split(": ", 1) for line in lines if line)
    if stated["Source-Digest"] != source_digest():
        return "was made from other sources"
    if version == stated["Compiler"] and build(version) != JAR.read_bytes():
        return "does not hold what its sources compile to"
    return None


def main():
    version = compiler()
    if sys.argv[1:] == ["--check"]:
        problem = check(version)
        if problem:
            sys.exit(f"{JAR.name} {problem}; run runtimes/java/build.py")
        return
    if version is None:
        sys.exit("no javac: install a JDK (Debian: openjdk-17-jdk-headless)")
    JAR.write_bytes(build(version))
    print(f"{JAR.name}: {JAR.stat().st_size} bytes, {version}")


if __name__ == "__main__":
    main()
