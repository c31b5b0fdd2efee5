"""Where images come from besides a push to the server's own registry: folders and archives on disk, other registries
with and without TLS, and what is left after a restart; and images that serve a runtime for zip files.

Starts servers of its own. The one that the environment names is the other registry: a real one, with a login.
"""

import base64
import json
import os
import pathlib
import sys
import tempfile

import oci_images as oci
import tiny_registry
from debian_image import debian_image
from image_functions import Repositories, deploy
from lambda_checks import ROLE, Checks, Functions, invoke, package, sources
from own_servers import OwnServer

checks = Checks()
ELSEWHERE = os.environ["AWS_ENDPOINT_URL"].partition("://")[2]


class Images:
    """One image, with the handlers of `in_image.py` and a file that says where it came from."""

    def __init__(self, folder):
        self.base = oci.Base(debian_image())
        self.folder = folder

    def layout(self, mark, **config):
        """An image with the tag v1 in a folder of its own."""
        layout = self.folder / f"layout-{mark}"
        handlers = {f"function/{path}": text for path, text in sources("in_image.py").items()}
        layer = oci.layer(oci.files(handlers | {"mark": mark}))
        oci.write(layout, [layer], self.base, **{"Cmd": ["in_image.sees"]} | config)
        return layout


def check_runs(label, client, name, mark):
    answer = invoke(client, name, {"texts": ["/mark"]})
    seen = answer.payload.get("texts", answer.payload) if isinstance(answer.payload, dict) else answer.payload
    checks.equal(label, (answer.error, seen), (None, {"/mark": mark}))


def create(server, uri):
    return lambda: server.client.create_function(
        FunctionName="refused", Role=ROLE, PackageType="Image", Code={"ImageUri": uri}
    )


def disk(folder, images):
    """A layout, an archive of one, and what `docker save` writes; only from where the owner allows it."""
    shelf, outside = folder / "shelf", folder / "outside"
    for place in (shelf, outside):
        place.mkdir()
    layout = images.layout("disk")
    oci.skopeo("copy", f"oci:{layout}:v1", f"oci:{shelf}/layout:v1")
    oci.skopeo("copy", f"oci:{layout}:v1", f"oci-archive:{shelf}/archive.tar:v1")
    oci.skopeo("copy", f"oci:{layout}:v1", f"docker-archive:{shelf}/saved.tar:mole:v1")
    oci.skopeo("copy", f"oci:{layout}:v1", f"oci:{outside}/layout:v1")
    (shelf / "link").symlink_to(outside / "layout")
    with OwnServer(folder, "--image-path", str(shelf)) as server, Functions(server.client) as functions:
        for label, reference in (
            ("layout", f"oci:{shelf}/layout:v1"),
            ("only-image-of-a-layout", f"oci:{shelf}/layout"),
            ("oci-archive", f"oci-archive:{shelf}/archive.tar:v1"),
            ("docker-archive", f"docker-archive:{shelf}/saved.tar"),
        ):
            name = deploy(functions, f"disk-{label}", reference)
            check_runs(f"disk: {label}", server.client, name, "disk")
            shown = server.client.get_function(FunctionName=name)["Code"]["ImageUri"]
            checks.equal(f"disk: {label} is told as it was given", shown, reference)
        for label, reference, message in (
            ("no such tag", f"oci:{shelf}/layout:v2", "does not exist"),
            ("no such file", f"oci-archive:{shelf}/none.tar", "does not exist"),
            ("outside", f"oci:{outside}/layout:v1", "is not valid"),
            ("through a link", f"oci:{shelf}/link:v1", "is not valid"),
            ("upwards", f"oci:{shelf}/../outside/layout:v1", "is not valid"),
            ("no archive", f"docker-archive:{shelf}/layout/index.json", "is not supported"),
        ):
            expected = f"^Source image {reference} {message}|source image {reference} {message}"
            checks.refused(f"disk: {label}", create(server, reference), "InvalidParameterValueException", 400, expected)
        checks.equal("disk: nothing half-made stays", os.listdir(server.data_dir / "images" / "tmp"), [])


def restarts(folder, images):
    """Functions go on after a stop and after a kill, from the layers that are there."""
    with OwnServer(folder) as server, Repositories(folder, server.endpoint) as repositories:
        uri = repositories.push(images.layout("restarts"), repositories.make("restarts"))
        functions = Functions(server.client)
        name = deploy(functions, "restarts", uri)
        check_runs("restart: before", server.client, name, "restarts")
        layers = server.data_dir / "images" / "layers"
        made = {entry.name: entry.stat().st_ctime_ns for entry in layers.iterdir()}
        checks.equal("restart: clean stop", server.stop(), 0)
        server.start()
        functions.client = server.client
        functions.await_active(name)
        check_runs("restart: after a stop", server.client, name, "restarts")
        server.kill()
        server.start()
        functions.client = server.client
        functions.await_active(name)
        check_runs("restart: after a kill", server.client, name, "restarts")
        again = {entry.name: entry.stat().st_ctime_ns for entry in layers.iterdir()}
        checks.equal("restart: no layer was made anew", again, made)
        there = repositories.ecr.describe_images(repositoryName=repositories.names[0])["imageDetails"]
        checks.equal("restart: the registry has it", [one["imageTags"] for one in there], [["v1"]])
        server.client.update_function_code(FunctionName=name, ImageUri=uri)
        functions.await_active(name)
        check_runs("restart: the same image once more", server.client, name, "restarts")


def another_registry(folder, images):
    """A registry with tokens, spoken to by the name 127.0.0.1, with credentials and without."""
    with Repositories(folder) as repositories:
        repository = repositories.make("elsewhere")
        repositories.push(images.layout("elsewhere"), repository)
        login = json.loads(repositories.login().read_text())["auths"][repositories.authority]["auth"]
        uri = f"{ELSEWHERE}/{repository}:v1"
        server = OwnServer(folder)
        with server:
            checks.refused(
                "other registry: no credentials", create(server, uri), "AccessDeniedException", 403, ELSEWHERE
            )
        write_credentials(server, json.dumps({"auths": {ELSEWHERE: {"auth": login}}}))
        with server, Functions(server.client) as functions:
            name = deploy(functions, "elsewhere", uri)
            check_runs("other registry: with credentials", server.client, name, "elsewhere")
            missing = uri.replace(":v1", ":v2")
            exactly = f"^Source image {missing} does not exist. Provide a valid source image.$"
            checks.refused(
                "other registry: no tag", create(server, missing), "InvalidParameterValueException", 400, exactly
            )
            secret = base64.b64decode(login).decode().partition(":")[2]
            checks.holds("other registry: no password in the log", secret not in server.said(), "the password", "none")


def write_credentials(server, text):
    """As an owner would: readable for root alone."""
    path = server.data_dir / "registry-credentials.json"
    path.write_text(text)
    path.chmod(0o600)


def encrypted(folder, images):
    """A registry over TLS that wants a password, and one that gives tokens for it."""
    layout = images.layout("encrypted")
    for asks_for in ("basic", "token"):
        with tiny_registry.Registry(folder / asks_for / "registry", layout, asks_for) as registry:
            trusting = {"SSL_CERT_FILE": str(registry.authority)}
            with_password(folder / asks_for, registry, trusting, asks_for)
            uri = f"{registry.name}/mole/app:v1"
            server = OwnServer(folder / asks_for / "strange")
            server.folder.mkdir()
            with server:
                seen = len(registry.requests)
                message = f"^Source image {uri} is not valid.*certificate"
                refused = (f"TLS, {asks_for}: unknown authority", create(server, uri), "InvalidParameterValueException")
                checks.refused(*refused, 400, message)
                checks.equal(f"TLS, {asks_for}: nothing was asked there", len(registry.requests), seen)


def with_password(folder, registry, variables, label):
    uri = f"{registry.name}/mole/app:v1"
    server = OwnServer(folder, **variables)
    with server:
        checks.refused(f"TLS, {label}: no password", create(server, uri), "AccessDeniedException", 403, registry.name)
    write_credentials(server, tiny_registry.credentials(registry.name, "wrong"))
    with server:
        checks.refused(
            f"TLS, {label}: wrong password", create(server, uri), "AccessDeniedException", 403, registry.name
        )
        write_credentials(server, tiny_registry.credentials(registry.name))
        with Functions(server.client) as functions:
            name = deploy(functions, f"tls-{label}", uri)
            check_runs(f"TLS, {label}: with password", server.client, name, "encrypted")
            said = server.said()
            checks.holds(f"TLS, {label}: no password in the log", tiny_registry.PASSWORD not in said, said, "none")
    blobs = [shown for path, shown in registry.requests if "/blobs/" in path and shown]
    bearer = f"Bearer {tiny_registry.TOKEN}"
    expected = "a password" if label == "basic" else "a token"
    held = blobs and all((shown == bearer) == (label == "token") for shown in blobs)
    checks.holds(f"TLS, {label}: layers are asked for with {expected}", held, blobs, expected)


def runtime(folder, images):
    """An image that holds a runtime serves functions from zip files."""
    with OwnServer(folder) as server, Repositories(folder, server.endpoint) as repositories:
        uri = repositories.push(images.layout("runtime"), repositories.make("runtime"))
        added = server.command("runtimes", "add", "python3.13", "--image", uri)
        checks.equal("runtime: added", (added.returncode, added.stderr), (0, ""))
        listed = server.command("runtimes")
        checks.matches("runtime: listed", listed.stdout, r".*python3\.13.*")
        code = package(sources("in_image.py") | {"mark": "in the zip"})
        with Functions(server.client) as functions:
            name = functions.make("runtime", code, "in_image.sees", "python3.13", MemorySize=256)
            asked = {"texts": ["/mark", "/var/task/mark"], "names": ["/var/task"], "writes": ["/var/task/x", "/mark"]}
            answer = invoke(server.client, name, asked)
            checks.equal("runtime: no error", answer.error, None)
            seen = answer.payload
            texts = {"/mark": "runtime", "/var/task/mark": "in the zip"}
            checks.equal("runtime: image and zip", seen.get("texts"), texts)
            checks.equal("runtime: folder", seen.get("folder"), "/var/task")
            checks.equal("runtime: read-only", seen.get("writes"), {"/var/task/x": "EROFS", "/mark": "EROFS"})
            checks.includes(
                "runtime: variables", seen.get("variables"), {"_HANDLER": "in_image.sees", "GREETING": "Hello"}
            )
            # The runtime does not depend on the registry.
            gone = repositories.ecr.delete_repository(repositoryName=repositories.names[0], force=True)
            checks.equal("runtime: repository deleted", gone["ResponseMetadata"]["HTTPStatusCode"], 200)
            server.stop()
            server.start()
            functions.client = server.client
            functions.await_active(name)
            answer = invoke(server.client, name, asked)
            checks.equal("runtime: after a restart", (answer.error, answer.payload.get("texts")), (None, texts))
            removed = server.command("runtimes", "remove", "python3.13")
            checks.equal("runtime: removed", (removed.returncode, removed.stderr), (0, ""))
            listed = server.command("runtimes").stdout
            checks.holds("runtime: not listed any more", "python3.13" not in listed, listed, "no python3.13")


PARTS = (disk, restarts, another_registry, encrypted, runtime)

with tempfile.TemporaryDirectory(prefix="dormouse-image-sources-") as folder:
    folder = pathlib.Path(folder)
    # The server reads images as a user of its own.
    folder.chmod(0o755)
    images = Images(folder)
    for part in [part for part in PARTS if part.__name__ in sys.argv[1:]] or PARTS:
        place = folder / part.__name__
        place.mkdir()
        with checks.part(part.__name__):
            part(place, images)
checks.finish()
