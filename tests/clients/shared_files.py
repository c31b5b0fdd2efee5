"""Directories of the machine that functions share, as file systems by the ARN of an access point: one directory for all
who name it, owned by one user outside, and nothing else of the machine with it.

Starts servers of its own, since what is shared is a setting. Needs root, to give directories away.
"""

import concurrent.futures
import os
import pathlib
import sys
import tempfile

from botocore.exceptions import ClientError

import oci_images as oci
from debian_image import debian_image
from image_functions import deploy
from lambda_checks import ROLE, Checks, Functions, invoke, package, runtime_of, sources
from own_servers import OwnServer

REGION = os.environ["AWS_REGION"]
#: Nobody's on most machines.
OWNER = 12_345
STRANGER = 12_346
LINES = 200

checks = Checks()
PYTHON = runtime_of("python")
CODE = package(sources("sharing.py"))


def arn(number):
    return f"arn:aws:elasticfilesystem:{REGION}:000000000000:access-point/fsap-{number:017x}"


def directory(place, owner=OWNER, mode=0o755):
    place.mkdir()
    os.chown(place, owner, owner)
    place.chmod(mode)
    return place


def mounted(number, path="/mnt/files"):
    return {"FileSystemConfigs": [{"Arn": arn(number), "LocalMountPath": path}]}


def make(functions, label, **settings):
    return functions.make(label, CODE, "sharing.handler", PYTHON, Timeout=20, **settings)


def steps(functions, name, *steps):
    answer = invoke(functions.client, name, {"steps": steps})
    if answer.error:
        raise RuntimeError(f"{name}: {answer.payload}")
    return answer.payload


def owner_outside(path):
    found = path.lstat()
    return found.st_uid, found.st_gid


def one_directory(functions, place):
    """What one function writes, another reads and changes; outside it belongs to the directory's owner."""
    one = make(functions, "share-one", **mounted(1))
    two = make(functions, "share-two", **mounted(1, "/mnt/other-name"))
    told = functions.client.get_function_configuration(FunctionName=one)["FileSystemConfigs"]
    checks.equal("told", told, mounted(1)["FileSystemConfigs"])
    seen = steps(
        functions, one,
        ("write", "/mnt/files/a", "from one"), ("mkdir", "/mnt/files/d"), ("write", "/mnt/files/d/b", "b"),
        ("owner", "/mnt/files/a"), ("owner", "/mnt/files"),
    )  # fmt: skip
    own = [[True, True, "0o644"], [True, True, "0o755"]]
    checks.equal("one writes, and owns what it sees", seen, ["done", "done", "done", *own])
    checks.equal("outside: the file", (place / "shared" / "a").read_text(), "from one")
    owners = {path.name: owner_outside(path) for path in (place / "shared").rglob("*")}
    checks.equal("outside: all belong to the owner", owners, dict.fromkeys(("a", "d", "b"), (OWNER, OWNER)))
    seen = steps(
        functions, two,
        ("read", "/mnt/other-name/a"), ("write", "/mnt/other-name/a", "from two"),
        ("rename", "/mnt/other-name/d/b", "/mnt/other-name/c"), ("names", "/mnt"),
    )  # fmt: skip
    checks.equal("two reads and changes", seen, ["from one", "done", "done", ["other-name"]])
    seen = steps(functions, one, ("read", "/mnt/files/a"), ("names", "/mnt/files"), ("remove", "/mnt/files/a"))
    checks.equal("one sees the change", seen, ["from two", ["a", "c", "d"], "done"])
    (place / "shared" / "from-outside").write_text("from outside")
    seen = steps(functions, two, ("read", "/mnt/other-name/from-outside"), ("names", "/mnt/other-name"))
    checks.equal("a warm function sees what comes from outside", seen, ["from outside", ["c", "d", "from-outside"]])


def at_once(functions, place):
    """Two functions append to one file at once, under locks."""
    names = [make(functions, f"share-append-{number}", **mounted(1)) for number in range(2)]
    with concurrent.futures.ThreadPoolExecutor(2) as crowd:
        runs = [crowd.submit(steps, functions, name, ("append", "/mnt/files/log", name, LINES)) for name in names]
        checks.equal("at once: both are done", [run.result() for run in runs], [["done"], ["done"]])
    lines = (place / "shared" / "log").read_text().splitlines()
    counts = {name: lines.count(name) for name in names}
    checks.equal("at once: every line is whole", counts, dict.fromkeys(names, LINES))


def no_more_than_that(functions, place):
    """The directory opens no way to other files, other users' rights, or devices."""
    shared = place / "shared"
    for name, mode in (("theirs", 0o644), ("secret", 0o600)):
        (shared / name).write_text(name)
        os.chown(shared / name, STRANGER, STRANGER)
        (shared / name).chmod(mode)
    (shared / "of-root").write_text("root's")
    (shared / "of-root").chmod(0o600)
    (shared / "out").symlink_to(place / "other")
    (place / "other" / "beside").write_text("beside")
    name = make(functions, "share-limits", **mounted(1))
    seen = steps(
        functions, name,
        ("read", "/mnt/files/theirs"), ("write", "/mnt/files/theirs", "x"), ("read", "/mnt/files/secret"),
        ("read", "/mnt/files/of-root"), ("read", "/mnt/files/out/beside"), ("read", "/mnt/files/../../etc/shadow"),
        ("write", "/mnt/x", "x"), ("write", "/var/task/x", "x"),
    )  # fmt: skip
    expected = ["theirs", "EACCES", "EACCES", "EACCES", "ENOENT"]
    checks.equal("others' files", seen[:5], expected)
    checks.holds("the machine's files", seen[5] in ("ENOENT", "EACCES"), seen[5], "no content")
    checks.equal("elsewhere it stays read-only", seen[6:], ["EROFS", "EROFS"])
    seen = steps(
        functions, name,
        ("device", "/mnt/files/null"), ("chown", "/mnt/files/theirs", 0, 0),
        ("write", "/mnt/files/tool", "#!/bin/sh\n"), ("chown", "/mnt/files/tool", 0, 0),
    )  # fmt: skip
    checks.equal("no devices", [seen[0], seen[2]], ["EPERM", "done"])
    # Users that the mount does not translate do not exist in it.
    refused = [seen[number] in ("EPERM", "EINVAL", "EOVERFLOW") for number in (1, 3)]
    checks.holds("no taking, and no giving to root", all(refused), seen, "refusals")
    checks.equal("outside: still the owner's", owner_outside(shared / "tool"), (OWNER, OWNER))


def mapped_or_refused(functions, place):
    """Only what the owner maps, and only below /mnt."""
    client = functions.client

    def create(configs):
        return lambda: client.create_function(
            FunctionName="refused", Role=ROLE, Runtime=PYTHON, Handler="sharing.handler", Code={"ZipFile": CODE},
            FileSystemConfigs=configs,
        )  # fmt: skip

    unknown = mounted(99)["FileSystemConfigs"]
    message = rf"{arn(99)}.*(file-systems|mapped to no directory)"
    checks.refused("an ARN that is not mapped", create(unknown), "InvalidParameterValueException", 400, message)
    for path in ("/mnt", "/mnt/", "/tmp/files", "/mnt/a/b", "/mnt/../etc", "/var/task", "mnt/files"):
        configs = mounted(1, path)["FileSystemConfigs"]
        try:
            create(configs)()
            seen = "it was created"
        except ClientError as error:
            seen = error.response["Error"]["Code"]
        held = seen in ("ValidationException", "InvalidParameterValueException")
        checks.holds(f"local mount path {path}", held, seen, "refused")
    for path in ("/mnt/.", "/mnt/.."):
        configs = mounted(1, path)["FileSystemConfigs"]
        checks.refused(
            f"local mount path {path}", create(configs), "InvalidParameterValueException", 400, "local mount path"
        )
    two = mounted(1)["FileSystemConfigs"] + mounted(2)["FileSystemConfigs"]
    try:
        create(two)()
        seen = "it was created"
    except ClientError as error:
        seen = error.response["Error"]["Code"]
    checks.holds("two at one place", seen in ("ValidationException", "InvalidParameterValueException"), seen, "refused")

    name = make(functions, "share-update")
    checks.equal("nothing mounted", steps(functions, name, ("names", "/mnt/files")), ["ENOENT"])
    client.update_function_configuration(FunctionName=name, **mounted(2))
    functions.await_active(name)
    checks.equal("mounted by an update", steps(functions, name, ("names", "/mnt/files")), [["beside"]])
    client.update_function_configuration(FunctionName=name, FileSystemConfigs=[])
    functions.await_active(name)
    checks.equal("taken away by an update", steps(functions, name, ("names", "/mnt/files")), ["ENOENT"])


def in_images(functions, place):
    """A function from an image shares as one from a zip does."""
    base = oci.Base(debian_image())
    handlers = {f"function/{path}": text for path, text in sources("sharing.py").items()}
    oci.write(place / "images" / "layout", [oci.layer(oci.files(handlers))], base, Cmd=["sharing.handler"])
    name = deploy(functions, "share-image", f"oci:{place}/images/layout:v1", **mounted(1, "/mnt/from-image"))
    seen = steps(
        functions, name, ("write", "/mnt/from-image/image", "from an image"), ("owner", "/mnt/from-image/image")
    )
    checks.equal("image: writes, and owns", seen, ["done", [True, True, "0o644"]])
    checks.equal("image: outside", owner_outside(place / "shared" / "image"), (OWNER, OWNER))


def unfit_directories(place):
    """A directory that is not there stops the start; one of root's is never given to a function."""
    folder = place / "server-absent"
    folder.mkdir()
    try:
        with OwnServer(folder, "--file-systems", f"{arn(1)}={place}/absent"):
            seen = "it started"
    except RuntimeError as error:
        seen = str(error)
    checks.holds("absent: the server does not start, and says why", f"{place}/absent" in seen, seen, "the directory")

    folder = place / "server-of-root"
    folder.mkdir()
    of_root = directory(place / "of-root", 0, 0o777)
    try:
        with (
            OwnServer(folder, "--file-systems", f"{arn(1)}={of_root}") as server,
            Functions(server.client) as functions,
        ):
            name = make(functions, "share-of-root", **mounted(1))
            seen = steps(functions, name, ("write", "/mnt/files/x", "x"))
    except (ClientError, RuntimeError) as error:
        seen = str(error)
    checks.holds("of root: refused", isinstance(seen, str), seen, "an error at start or in the invocation")
    checks.equal("of root: untouched", list(of_root.iterdir()), [])


PARTS = (one_directory, at_once, no_more_than_that, mapped_or_refused, in_images)

with tempfile.TemporaryDirectory(prefix="dormouse-shared-") as folder:
    place = pathlib.Path(folder)
    place.chmod(0o755)
    shared, other = directory(place / "shared"), directory(place / "other")
    (place / "images").mkdir()
    settings = ("--file-systems", f"{arn(1)}={shared},{arn(2)}={other}", "--image-path", str(place / "images"))
    with OwnServer(place, *settings) as server, Functions(server.client) as functions:
        for part in [part for part in PARTS if part.__name__ in sys.argv[1:]] or PARTS:
            with checks.part(part.__name__):
                part(functions, place)
    with checks.part("unfit directories"):
        unfit_directories(place)
checks.finish()
