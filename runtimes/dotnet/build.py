#!/usr/bin/python3
"""Makes `dormouse_runtime.dll` from `src`, or checks that it was made from it.

The library is checked in because machines that run .NET functions seldom have a compiler. It is
compiled by Mono's `mcs` against the oldest common interface, which every .NET since 6 provides, and
holds no time and no chance: the two fields where compilers put them are filled from the sources'
digest. The library names that digest; `--check` compares it, and the bytes as well where the
compiler is the same. Needs `mcs` to make the library and nothing to compare digests.
"""

import hashlib
import pathlib
import re
import struct
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
LIBRARY = HERE / "dormouse_runtime.dll"
OPTIONS = ["-optimize+", "-debug-", "-warn:4", "-warnaserror+", "-langversion:7", "-codepage:utf8"]
STAMP = re.compile(rb"sources ([0-9a-f]{40}) by ([ -~]+?)!")


def sources():
    return sorted((HERE / "src").glob("*.cs"))


def source_digest():
    digest = hashlib.sha256()
    for path in [*sources(), HERE / "core" / "Core.cs"]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:40]


def compiler():
    try:
        shown = subprocess.run(["mcs", "--version"], capture_output=True, text=True, check=True)
    except FileNotFoundError:
        return None
    return "mcs " + shown.stdout.split()[-1]


def build(version):
    digest = source_digest()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        core = folder / "Amazon.Lambda.Core.dll"
        subprocess.run(["mcs", *OPTIONS, "-target:library", f"-out:{core}", HERE / "core" / "Core.cs"], check=True)
        stamp = folder / "stamp.cs"
        stamp.write_text(f'[assembly: System.Reflection.AssemblyInformationalVersion("sources {digest} by {version}!")]\n')
        out = folder / LIBRARY.name
        command = ["mcs", *OPTIONS, "-target:exe", f"-out:{out}", f"-r:{core}", "-r:System.dll", "-r:System.Core.dll"]
        subprocess.run([*command, stamp, *sources()], check=True)
        return normalised(out.read_bytes(), digest)


def normalised(image, digest):
    """The image with its time and its module id taken from the digest."""
    image = bytearray(image)
    header = struct.unpack_from("<I", image, 0x3C)[0]
    struct.pack_into("<I", image, header + 8, int(digest[:8], 16) | 1)
    struct.pack_into("<I", image, header + 24 + 64, 0)  # the checksum
    metadata = image.index(b"BSJB")
    version_size = struct.unpack_from("<I", image, metadata + 12)[0]
    at = metadata + 16 + version_size
    count = struct.unpack_from("<H", image, at + 2)[0]
    at += 4
    for _ in range(count):
        offset, _ = struct.unpack_from("<II", image, at)
        end = image.index(b"\0", at + 8)
        if image[at + 8 : end] == b"#GUID":
            image[metadata + offset : metadata + offset + 16] = bytes.fromhex(digest)[:16]
        at = at + 8 + (end - at - 8 + 4) // 4 * 4
    return bytes(image)


def check(version):
    found = STAMP.search(LIBRARY.read_bytes())
    if not found or found[1].decode() != source_digest():
        return "was made from other sources"
    if version == found[2].decode() and build(version) != LIBRARY.read_bytes():
        return "does not hold what its sources compile to"
    return None


def main():
    version = compiler()
    if sys.argv[1:] == ["--check"]:
        problem = check(version)
        if problem:
            sys.exit(f"{LIBRARY.name} {problem}; run runtimes/dotnet/build.py")
        return
    if version is None:
        sys.exit("no mcs: install Mono's C# compiler (Debian: mono-mcs)")
    LIBRARY.write_bytes(build(version))
    print(f"{LIBRARY.name}: {LIBRARY.stat().st_size} bytes, {version}")


if __name__ == "__main__":
    main()
