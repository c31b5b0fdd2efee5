"""Images written by hand, as OCI layouts on disk: layers from lists of entries (honest ones and others), a
configuration, a manifest. They go on top of another layout's image without copying its layers.
"""

import contextlib
import gzip
import hashlib
import io
import json
import os
import pathlib
import subprocess
import tarfile
import typing

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


class Layer(typing.NamedTuple):
    """A layer in the form in which it travels."""

    blob: bytes
    diff_id: str
    media_type: str


def digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def entry(path, kind=tarfile.REGTYPE, content=b"", mode=0o644, link="", owner=0):
    """One entry of a layer: header and content."""
    header = tarfile.TarInfo(path)
    header.type, header.mode, header.linkname = kind, mode, link
    header.uid = header.gid = owner
    header.size = len(content)
    return header, content


def files(contents, mode=0o644):
    """Entries for files by path."""
    return [entry(path, content=as_bytes(content), mode=mode) for path, content in contents.items()]


def programs(contents):
    return files(contents, 0o755)


def folder(path, mode=0o755, **more):
    return entry(path, tarfile.DIRTYPE, mode=mode, **more)


def link(path, target):
    return entry(path, tarfile.SYMTYPE, link=target, mode=0o777)


def device(path, major, minor):
    header, content = entry(path, tarfile.CHRTYPE)
    header.devmajor, header.devminor = major, minor
    return header, content


def whiteout(path):
    """Hides what a lower layer has at this path."""
    place, _, name = path.rpartition("/")
    return entry(f"{place}/.wh.{name}" if place else f".wh.{name}")


def opaque(path):
    """Hides all that lower layers have in this folder."""
    return entry(f"{path}/.wh..wh..opq")


def layer(entries):
    """A layer, compressed."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for header, content in entries:
            archive.addfile(header, io.BytesIO(content))
    return packed(out.getvalue())


def packed(tar):
    """A layer from the bytes of a tar, whatever they are."""
    return Layer(gzip.compress(tar, 1, mtime=0), digest(tar), LAYER + "+gzip")


class Base:
    """The image of another layout, to build on."""

    def __init__(self, layout):
        self.layout = pathlib.Path(layout)
        index = json.loads((self.layout / "index.json").read_bytes())
        manifest = json.loads(self.blob(index["manifests"][0]["digest"]).read_bytes())
        self.layers = manifest["layers"]
        self.config = json.loads(self.blob(manifest["config"]["digest"]).read_bytes())

    def blob(self, name):
        return blob_path(self.layout, name)


def blob_path(layout, name):
    return pathlib.Path(layout) / "blobs" / "sha256" / name.removeprefix("sha256:")


def write(layout, layers, base=None, tag="v1", **config):
    """Writes an image into a folder, which may have others already; gives the manifest's digest.

    Further arguments are members of the image's `config`, such as `Entrypoint`.
    """
    layout = pathlib.Path(layout)
    (layout / "blobs" / "sha256").mkdir(parents=True, exist_ok=True)
    descriptors, diff_ids, settings = [], [], {}
    if base:
        descriptors += base.layers
        diff_ids += base.config["rootfs"]["diff_ids"]
        settings = base.config["config"]
        for descriptor in base.layers:
            with contextlib.suppress(FileExistsError):
                os.link(base.blob(descriptor["digest"]), blob_path(layout, descriptor["digest"]))
    descriptors += [put(layout, one.blob, one.media_type) for one in layers]
    diff_ids += [one.diff_id for one in layers]
    image = {
        "architecture": "amd64" if os.uname().machine == "x86_64" else "arm64",
        "os": "linux",
        "config": settings | config,
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": put(layout, as_bytes(image), CONFIG),
        "layers": descriptors,
    }
    descriptor = put(layout, as_bytes(manifest), MANIFEST)
    put_index(layout, descriptor | {"annotations": {"org.opencontainers.image.ref.name": tag}})
    return descriptor["digest"]


def put_index(layout, descriptor):
    path = layout / "index.json"
    known = json.loads(path.read_bytes())["manifests"] if path.exists() else []
    others = [other for other in known if other["annotations"] != descriptor["annotations"]]
    path.write_bytes(as_bytes({"schemaVersion": 2, "manifests": [*others, descriptor]}))
    (layout / "oci-layout").write_bytes(as_bytes({"imageLayoutVersion": "1.0.0"}))


def put(layout, content, media_type):
    """Keeps a blob; gives its descriptor."""
    name = digest(content)
    blob_path(layout, name).write_bytes(content)
    return {"mediaType": media_type, "digest": name, "size": len(content)}


def as_bytes(content):
    if isinstance(content, dict):
        content = json.dumps(content)
    return content.encode() if isinstance(content, str) else content


def skopeo(*arguments):
    """Runs skopeo; gives what it printed."""
    done = subprocess.run(["skopeo", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"skopeo {arguments[0]} failed with {done.returncode}: {done.stderr.strip()[:4000]}")
    return done.stdout
