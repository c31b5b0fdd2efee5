"""The image of `examples/image-python`, built once: Debian by its own bootstrap program, the vendor's runtime client
from PyPI, put together by buildah as the example's README does.

What is built is kept below `target/vendor` as an OCI layout with the tag `v1`, under the digest of what it was built
from. Needs root, and debootstrap and buildah, which `./x` installs.
"""

import os
import pathlib
import shutil
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "vendor"))

from vendored import kept, python_packages, run  # noqa: E402 (its folder has to be found first)

EXAMPLE = HERE.parents[1] / "examples" / "image-python"
RELEASE = "bookworm"
#: The version of Python that this release of Debian has.
PYTHON = "3.11"
#: Of no use to a function: what the package manager keeps, documentation, and what mounts hide.
LEFT_OUT = ("proc/*", "sys/*", "dev/*", "var/cache/apt/*", "var/lib/apt/lists/*", "usr/share/doc/*", "usr/share/man/*")
BASE = "FROM scratch\nADD base.tar /\n"


def debian_image():
    """The folder of the layout."""
    recipe = [(EXAMPLE / name).read_bytes() for name in ("Containerfile", "app.py")]
    recipe += [(HERE / "vendor" / "requirements" / "awslambdaric.txt").read_bytes(), RELEASE.encode(), BASE.encode()]
    # Outside of the build, which holds the same lock.
    packages = python_packages("awslambdaric", PYTHON)
    return kept("debian-image", b"\0".join(recipe), lambda folder: build(folder, packages))


def build(folder, packages):
    missing = [tool for tool in ("debootstrap", "buildah") if shutil.which(tool) is None]
    if missing:
        raise SystemExit(f"{', '.join(missing)} is missing: apt-get install {' '.join(missing)}")
    with tempfile.TemporaryDirectory(prefix="dormouse-debian-") as scratch:
        scratch = pathlib.Path(scratch)
        base, context = scratch / "base", scratch / "context"
        system = scratch / "system"
        run(["debootstrap", "--variant=minbase", RELEASE, system])
        base.mkdir()
        excluded = [f"--exclude=./{pattern}" for pattern in LEFT_OUT]
        run(["tar", "-C", system, "--numeric-owner", *excluded, "-cf", base / "base.tar", "."])
        (base / "Containerfile").write_text(BASE)
        # As the example's README has it.
        shutil.copytree(EXAMPLE, context, ignore=shutil.ignore_patterns("package"))
        for path, content in packages.items():
            place = context / "package" / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
        buildah(scratch, "build", "--tag", "debian", base)
        buildah(scratch, "build", "--tag", "greeter", "--build-arg", "BASE=localhost/debian", context)
        buildah(scratch, "push", "greeter", f"oci:{folder}:v1")


def buildah(scratch, action, *arguments):
    """Runs buildah with a storage of its own, in a way that works within containers too."""
    storage = ["--root", scratch / "storage", "--runroot", scratch / "run", "--storage-driver", "vfs"]
    isolation = {"BUILDAH_ISOLATION": "chroot"}
    run(["buildah", *storage, action, "--quiet", *arguments], env=os.environ | isolation)


if __name__ == "__main__":
    print(debian_image())
