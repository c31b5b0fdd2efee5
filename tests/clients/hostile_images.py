"""Images that nobody honest builds: layers that lead out, lie about their size, are broken, or are not what the image
says. Each is refused with a reason, nothing of it stays, and functions beside it do not notice.

DORMOUSE_DATA_DIR is the server's data directory.
"""

import contextlib
import gzip
import os
import pathlib
import shutil
import sys
import tarfile
import tempfile
import uuid

from botocore.exceptions import ClientError

import oci_images as oci
from debian_image import debian_image
from image_functions import Repositories, deploy
from lambda_checks import ROLE, Checks, Functions, invoke, lambda_client, sources, wait_until

IMAGES = pathlib.Path(os.environ["DORMOUSE_DATA_DIR"]) / "images"
MARK = f"dormouse-hostile-{uuid.uuid4().hex[:8]}"
GIGABYTE = 1024**3
#: Lambda's limit for an image.
LARGE = "(larger than|exceeds the limit of) 10737418240 bytes"

client = lambda_client()
checks = Checks()


def outcome(functions, label, uri):
    """Why a function does not come about: told at once, or as the state of the function."""
    name = f"hostile-{label}-{functions.mark}"
    functions.names.append(name)
    try:
        client.create_function(FunctionName=name, Role=ROLE, PackageType="Image", Code={"ImageUri": uri})
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]

    def settled():
        found = client.get_function_configuration(FunctionName=name)
        return found["State"] != "Pending" and found

    found = wait_until(settled, 60)
    return found["State"], found.get("StateReason", "")


def headers(*entries):
    """A tar of these headers alone, whatever content they promise."""
    blocks = [header.tobuf(tarfile.PAX_FORMAT) for header, _ in entries]
    return oci.packed(b"".join(blocks) + bytes(1024))


def promising(path, size, **pax):
    header, content = oci.entry(path)
    header.size = size
    header.pax_headers = pax
    return header, content


def broken_gzip():
    whole = oci.layer(oci.files({"data": os.urandom(200_000)}))
    blob = bytearray(whole.blob)
    blob[len(blob) // 2] ^= 0xFF
    return whole._replace(blob=bytes(blob))


def layers():
    """Label, layer, and a pattern for the reason that is told."""
    one_file = oci.files({"data": "content"})
    honest = oci.layer(one_file)
    out = oci.link("out", "/")
    upwards = oci.files({f"../../../../../../../../tmp/{MARK}": "x"})
    return (
        ("upwards", oci.layer(upwards), "leads upwards"),
        ("absolute", oci.layer(oci.files({f"/tmp/{MARK}": "x"})), "is absolute"),
        ("through-a-link", oci.layer([out, *oci.files({f"out/tmp/{MARK}": "x"})]), "symbolic link"),
        ("hard-link-out", oci.layer([oci.entry("h", tarfile.LNKTYPE, link="/etc/passwd")]), "not within the layer"),
        (
            "hard-link-over-a-link",
            oci.layer([out, oci.entry("h", tarfile.LNKTYPE, link="out/etc/passwd")]),
            "symbolic link",
        ),
        ("whiteout-of-a-parent", oci.layer(oci.files({"a/.wh...": ""})), "hides nothing"),
        ("eleven-gigabytes", headers(promising("large", 11 * GIGABYTE)), LARGE),
        ("eleven-sparse-gigabytes", sparse(11 * GIGABYTE), LARGE),
        ("cut-off", headers(promising("large", GIGABYTE)), "could not be read|is not a tar|ends too early|cut"),
        ("broken-gzip", broken_gzip(), "could not be read"),
        ("cut-gzip", honest._replace(blob=honest.blob[:-12]), "could not be read"),
        ("no-tar", oci.packed(b"this is no tar " * 100), "not a tar"),
        ("a-byte-short", honest._replace(blob=gzip.decompress(honest.blob)[:-1]), "could not be read|has digest"),
        ("other-content", honest._replace(diff_id="sha256:" + "0" * 64), "has digest"),
    )


def sparse(size):
    """A file of a hole and one byte."""
    name = "GNUSparseFile.0/large"
    pax = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.name": "large",
        "GNU.sparse.size": str(size),
        "GNU.sparse.map": f"{size - 1},1",
    }
    header, content = oci.entry(name, content=b"x")
    header.pax_headers = pax
    return oci.layer([(header, content)])


def kept():
    """What the server has unpacked, or has begun to."""
    return {folder: sorted(os.listdir(IMAGES / folder)) for folder in ("layers", "manifests", "downloads", "tmp")}


def refused(functions, repositories, folder, base):
    neighbour = deploy(functions, "neighbour", repositories.push(folder / "honest", repositories.make("honest")))
    checks.equal("neighbour: runs before", invoke(client, neighbour).error, None)
    before, free = kept(), shutil.disk_usage(IMAGES).free
    for label, layer, reason in layers():
        layout = folder / label
        oci.write(layout, [layer], base)
        uri = repositories.push(layout, repositories.make(f"hostile-{label}"))
        state, message = outcome(functions, label, uri)
        told = state in ("InvalidParameterValueException", "Failed")
        checks.holds(f"{label}: refused", told, f"{state}: {message}", "InvalidParameterValueException, or Failed")
        named = f"(?s).*{uri}.*({reason}).*"
        checks.matches(f"{label}: says why", message, named)
        checks.equal(f"{label}: nothing stays", wait_until(lambda: kept() == before and kept()) or kept(), before)
    stray = [str(path) for path in (pathlib.Path("/tmp") / MARK, IMAGES.parent / "tmp" / MARK) if path.exists()]
    checks.equal("nothing outside was written", stray, [])
    used = free - shutil.disk_usage(IMAGES).free
    checks.holds("the disk is not filled", used < 500_000_000, f"{used} bytes", "less than 500 MB")
    checks.equal("neighbour: runs after", invoke(client, neighbour).error, None)


def many_layers(functions, repositories, folder, base):
    """More layers than can be mounted."""
    layers = [oci.layer(oci.files({f"data-{number}": "x"})) for number in range(140)]
    oci.write(folder / "many", layers, base)
    uri = repositories.push(folder / "many", repositories.make("many"))
    before = kept()
    state, message = outcome(functions, "many", uri)
    checks.equal("many layers: refused", state, "InvalidParameterValueException")
    checks.matches("many layers: says why", message, ".*layers.*")
    checks.equal("many layers: nothing stays", kept(), before)


def devices(functions, repositories, folder, base):
    """Device nodes and set-user-id programs are no way out either: the former are left out, the latter do nothing."""
    entries = [
        oci.device("dev/mem", 1, 1),
        oci.device("srv/disk", 8, 0),
        oci.entry("srv/id", content=b"#!/bin/sh\nid -u\n", mode=0o4755),
        *oci.files({f"function/{path}": text for path, text in sources("in_image.py").items()}),
    ]
    oci.write(folder / "devices", [oci.layer(entries)], base, Cmd=["in_image.sees"])
    uri = repositories.push(folder / "devices", repositories.make("devices"))
    name = deploy(functions, "devices", uri)
    asked = {"names": ["/srv", "/dev"], "texts": ["/srv/disk", "/dev/mem"]}
    answer = invoke(client, name, asked)
    checks.equal("devices: no error", answer.error, None)
    checks.equal("devices: not there", answer.payload.get("texts"), dict.fromkeys(asked["texts"], "ENOENT"))
    checks.equal("devices: the rest is", answer.payload["names"]["/srv"], ["id"])


def one_among_many(functions, repositories, folder, base):
    """An update to a broken image fails by itself; what ran goes on running."""
    repository = repositories.make("one-among-many")
    name = deploy(functions, "survivor", repositories.push(folder / "honest", repository))
    oci.write(folder / "survivor", [broken_gzip()], base, tag="v2")
    bad = repositories.push(folder / "survivor", repository, "v2")
    with contextlib.suppress(ClientError):
        client.update_function_code(FunctionName=name, ImageUri=bad)
        raise AssertionError("the update was accepted")
    found = client.get_function_configuration(FunctionName=name)
    checks.equal(
        "update to a broken image: state", (found["State"], found["LastUpdateStatus"]), ("Active", "Successful")
    )
    checks.equal("update to a broken image: runs on", invoke(client, name).error, None)


PARTS = (refused, many_layers, devices, one_among_many)

with tempfile.TemporaryDirectory(prefix="dormouse-hostile-images-") as folder:
    folder = pathlib.Path(folder)
    base = oci.Base(debian_image())
    oci.write(folder / "honest", [oci.layer(oci.files({"honest": "yes"}))], base)
    with Repositories(folder) as repositories, Functions(client) as functions:
        for part in [part for part in PARTS if part.__name__ in sys.argv[1:]] or PARTS:
            with checks.part(part.__name__):
                part(functions, repositories, folder, base)
checks.finish()
