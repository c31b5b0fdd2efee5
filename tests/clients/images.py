"""Functions from container images: Debian with the vendor's unmodified runtime client, built by buildah, pushed by
skopeo, run by the server that the environment names.

The first part is the way of `examples/image-python`. The others put layers of their own on top of that image, written
by hand, so that what is in them is known to the byte. DORMOUSE_DATA_DIR is the server's data directory.
"""

import json
import os
import pathlib
import sys
import tempfile
from functools import partial

import oci_images as oci
from debian_image import debian_image
from image_functions import Repositories, deploy
from lambda_checks import ROLE, Checks, Functions, Signer, invoke, lambda_client, logged, report, sources

LAYERS = pathlib.Path(os.environ["DORMOUSE_DATA_DIR"]) / "images" / "layers"
ACCOUNT = "000000000000"
#: An extension of its own process, in the image's own Python.
EXTENSION = """#!/usr/bin/python3
import json, os, urllib.request

base = f"http://{os.environ['AWS_LAMBDA_RUNTIME_API']}/2020-01-01/extension"
body = json.dumps({"events": ["INVOKE"]}).encode()
name = {"Lambda-Extension-Name": os.path.basename(__file__)}
with urllib.request.urlopen(urllib.request.Request(f"{base}/register", body, name)) as answer:
    mark = {"Lambda-Extension-Identifier": answer.headers["Lambda-Extension-Identifier"]}
with open("/tmp/extension", "w") as file:
    file.write(f"user {os.getuid()}")
while True:
    urllib.request.urlopen(urllib.request.Request(f"{base}/event/next", headers=mark)).read()
"""

client = lambda_client()
checks = Checks()


class Images:
    """The example's image, images on top of it, and where they are pushed to."""

    def __init__(self, folder, repositories):
        self.folder = folder
        self.repositories = repositories
        self.ecr = repositories.ecr
        self.base = oci.Base(debian_image())
        self.handlers = oci.layer(
            oci.files({f"function/{path}": text for path, text in sources("in_image.py").items()})
        )

    def push(self, repository, layers=(), tag="v1", **config):
        """An image with the handlers of `in_image.py` and these layers; gives its address."""
        layout = self.folder / f"layout-{repository}-{tag}"
        oci.write(layout, [self.handlers, *layers], self.base, tag, **{"Cmd": ["in_image.sees"]} | config)
        return self.repositories.push(layout, repository, tag)


def example(functions, images):
    """Debian, built by its own tools and by buildah; pushed by skopeo; greeting."""
    repositories = images.repositories
    name = repositories.make("greeter")
    uri = repositories.uri(name)
    try:
        oci.skopeo(
            "copy", "--dest-tls-verify=false", "--dest-no-creds", f"oci:{images.base.layout}:v1", f"docker://{uri}"
        )
        refusal = "it was let in"
    except RuntimeError as error:
        refusal = str(error)
    checks.holds("example: nobody pushes without the password", "unauthorized" in refusal, refusal, "unauthorized")
    repositories.push(images.base.layout, name)
    inspected = json.loads(
        oci.skopeo("inspect", "--tls-verify=false", "--authfile", repositories.login(), f"docker://{uri}")
    )
    digest = inspected["Digest"]
    told = images.ecr.describe_images(repositoryName=name)["imageDetails"]
    seen = [(image["imageDigest"], image["imageTags"]) for image in told]
    checks.equal("example: ECR tells the image", seen, [(digest, ["v1"])])

    function = deploy(functions, "greeter", uri)
    found = client.get_function(FunctionName=function)
    code = {"RepositoryType": "ECR", "ImageUri": uri, "ResolvedImageUri": f"{uri.removesuffix(':v1')}@{digest}"}
    checks.equal("example: code", found["Code"], code)
    facts = {"PackageType": "Image", "CodeSha256": digest.removeprefix("sha256:"), "CodeSize": 0, "State": "Active"}
    checks.includes("example: configuration", found["Configuration"], facts)
    beyond = sorted({"Runtime", "Handler", "Layers", "ImageConfigResponse"} & set(found["Configuration"]))
    checks.equal("example: nothing that images have not", beyond, [])

    answer = invoke(client, function, {"name": "Ada"})
    checks.equal("example: no error", (answer.status, answer.error), (200, None))
    facts = {"greeting": "Hello, Ada!", "request": answer.request_id}
    checks.includes("example: answer", answer.payload, facts)
    checks.matches("example: it is Debian", answer.payload.get("system"), r"Debian GNU/Linux 12 \(bookworm\)")
    checks.holds("example: what it printed", "\ngreeting Ada\n" in answer.log, answer.log, "greeting Ada")
    print(f"example: cold {report(answer).get('Init Duration')}, {report(answer).get('Duration')}")
    again = invoke(client, function)
    checks.includes("example: warm", again.payload, {"greeting": "Hello, world!"})
    print(f"example: warm {report(again).get('Duration')}")


def handlers(functions, images):
    """Answers, errors, context and ends are the runtime client's, told as for any function."""
    uri = images.push(images.repositories.make("handlers"))

    def made(handler):
        return deploy(functions, f"image-{handler}", uri, ImageConfig={"Command": [f"in_image.{handler}"]})

    name = made("told")
    answer = invoke(client, name)
    facts = {
        "request": answer.request_id,
        "name": name,
        "version": "$LATEST",
        "memory": "256",
        "arn": client.get_function_configuration(FunctionName=name)["FunctionArn"],
        "group": f"/aws/lambda/{name}",
    }
    checks.includes("context", answer.payload, facts)
    left = answer.payload.get("remaining_ms", 0)
    checks.holds("context: time left", 15_000 < left <= 20_000, left, "about 20 s")
    checks.holds("log: the function's line", "\na line of the function\n" in answer.log, answer.log, "its line")
    ends = [line.split(" ", 1)[0] for line in answer.log.splitlines() if line.startswith(("START ", "END ", "REPORT "))]
    checks.equal("log: the platform's lines", ends, ["START", "END", "REPORT"])

    answer = invoke(client, made("fails"))
    checks.equal("error: marked", (answer.status, answer.error), (200, "Unhandled"))
    facts = {"errorType": "ValueError", "errorMessage": "no such thing", "requestId": answer.request_id}
    checks.includes("error: document", answer.payload, facts)
    trace = "".join(answer.payload.get("stackTrace", []))
    checks.holds("error: stack", "/function/in_image.py" in trace, trace, "the file in the image")
    checks.holds("error: log", "[ERROR] ValueError: no such thing" in answer.log, answer.log, "[ERROR] ValueError: …")

    answer = invoke(client, made("leaves"))
    text = f"RequestId: {answer.request_id} Error: Runtime exited with error: exit status 3"
    checks.equal("exit: answer", answer.payload, {"errorType": "Runtime.ExitError", "errorMessage": text})

    answer = invoke(client, made("absent"))
    kind = "Runtime.HandlerNotFound"
    checks.includes("no handler: document", answer.payload, {"errorType": kind})


def image_config(functions, images):
    """Entry point, command and working directory of the image, each replaced by the function's."""
    wrapper = oci.programs({"usr/bin/wrapped": '#!/bin/sh\nexport WRAPPED="$1"\nshift\nexec "$@"\n'})
    uri = images.push(images.repositories.make("config"), [oci.layer([*wrapper, oci.folder("elsewhere")])])
    name = deploy(functions, "image-config", uri)
    seen = invoke(client, name).payload
    checks.equal("image's own: folder", seen["folder"], "/function")
    checks.equal("image's own: arguments", seen["arguments"][1:], ["in_image.sees"])

    def configured(label, config, **expected):
        client.update_function_configuration(FunctionName=name, ImageConfig=config)
        found = functions.await_active(name)
        shown = {"ImageConfig": config} if config else None
        checks.equal(f"{label}: told", found.get("ImageConfigResponse"), shown)
        answer = invoke(client, name)
        seen = answer.payload
        checks.equal(f"{label}: no error", answer.error, None)
        observed = {
            "folder": seen.get("folder"),
            "arguments": seen.get("arguments", [])[1:],
            "wrapped": seen.get("variables", {}).get("WRAPPED"),
        }
        own = {"folder": "/function", "arguments": ["in_image.sees"], "wrapped": None}
        checks.equal(label, observed, own | expected)

    python = ["/usr/bin/python3", "-m", "awslambdaric"]
    configured("entry point", {"EntryPoint": ["/usr/bin/wrapped", "yes", *python]}, wrapped="yes")
    configured("entry point on the path", {"EntryPoint": ["wrapped", "again", *python]}, wrapped="again")
    configured("command", {"Command": ["in_image.sees", "more"]}, arguments=["in_image.sees", "more"])
    # Python looks for modules in the working directory; elsewhere the path has to name the place.
    entry = ["/usr/bin/env", "PYTHONPATH=/opt/client:/function", *python]
    elsewhere = {"EntryPoint": entry, "WorkingDirectory": "/elsewhere"}
    configured("working directory", elsewhere, folder="/elsewhere")
    configured("the image's own again", {})

    client.update_function_configuration(FunctionName=name, ImageConfig={"EntryPoint": ["/no/such/program"]})
    functions.await_active(name)
    answer = invoke(client, name)
    facts = {"errorType": "Runtime.InvalidEntrypoint"}
    checks.includes("no such entry point", answer.payload, facts)
    message = answer.payload.get("errorMessage", "")
    checks.holds(
        "no such entry point: said", "fork/exec /no/such/program: no such file" in message, message, "the path"
    )


def surroundings(functions, images):
    """Variables of image and function; a file system that is the image's own, read-only, and root's."""
    contents = oci.files({"etc/mine": "of the image"}) + [
        oci.folder("srv/owned", owner=1234),
        oci.entry("srv/owned/file", content=b"x", owner=1234, mode=0o640),
        oci.entry("srv/secret", content=b"x", mode=0o600),
    ]
    variables = ["PYTHONPATH=/opt/client", "GREETING=Hello", "PATH=/usr/bin:/bin", "ONLY=image", "BOTH=image"]
    uri = images.push(images.repositories.make("surroundings"), [oci.layer(contents)], Env=variables)
    settings = {"Environment": {"Variables": {"BOTH": "function", "MINE": "yes"}}, "MemorySize": 192}
    name = deploy(functions, "image-sees", uri, **settings)
    asked = {
        "texts": ["/etc/mine", "/etc/debian_version", "/var/task/anything"],
        "owners": ["/", "/etc/mine", "/usr/bin/python3.11", "/srv/owned", "/srv/owned/file", "/srv/secret"],
        "writes": ["/etc/x", "/function/x", "/srv/owned/x", "/x", "/tmp/x", "/dev/null"],
        "names": ["/tmp"],
    }
    seen = invoke(client, name, asked).payload
    facts = {
        "ONLY": "image",
        "BOTH": "function",
        "MINE": "yes",
        "PATH": "/usr/bin:/bin",
        "AWS_LAMBDA_FUNCTION_NAME": name,
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "192",
        "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
        "AWS_REGION": client.meta.region_name,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
    }
    checks.includes("variables", seen["variables"], facts)
    checks.matches("variables: key of a role", seen["variables"].get("AWS_ACCESS_KEY_ID"), r"ASIA[A-Z0-9]{16}")
    checks.equal("file of the image", seen["texts"]["/etc/mine"], "of the image")
    checks.matches("file of its base", seen["texts"]["/etc/debian_version"], r"12\.\d+\n")
    checks.equal("nothing that is not in it", seen["texts"]["/var/task/anything"], "ENOENT")
    expected = dict.fromkeys(asked["writes"], "EROFS") | {"/tmp/x": "written", "/dev/null": ""}
    checks.equal("read-only but for /tmp", seen["writes"], expected)
    owners = {
        "/": [0, 0, "0o755"],
        "/etc/mine": [0, 0, "0o644"],
        "/usr/bin/python3.11": [0, 0, "0o755"],
        "/srv/owned": [1234, 1234, "0o755"],
        "/srv/owned/file": [1234, 1234, "0o640"],
        "/srv/secret": [0, 0, "0o600"],
    }
    checks.equal("files belong to whom the image says", seen["owners"], owners)
    checks.holds("the function itself is not root", seen["user"] != 0, seen["user"], "another user")


def layers(functions, images):
    """Layers that images share are kept once; upper layers hide what they delete."""
    lower = oci.layer(
        oci.files({"data/kept": "kept", "data/gone": "gone", "data/changed": "old", "full/a": "a", "full/b": "b"})
    )
    upper = oci.layer([
        oci.whiteout("data/gone"),
        *oci.files({"data/changed": "new"}),
        oci.folder("full"),
        oci.opaque("full"),
        *oci.files({"full/c": "c"}),
    ])  # fmt: skip
    first, second = (images.repositories.make(label) for label in ("layers-one", "layers-two"))
    one = deploy(functions, "layers-one", images.push(first, [lower]))
    kept_before = set(os.listdir(LAYERS))
    two = deploy(functions, "layers-two", images.push(second, [lower, upper]))
    added = set(os.listdir(LAYERS)) - kept_before
    checks.equal("layers of both are kept once", added, {upper.diff_id.removeprefix("sha256:")})
    asked = {"texts": ["/data/kept", "/data/gone", "/data/changed"], "names": ["/data", "/full"]}
    below, above = (invoke(client, name, asked).payload for name in (one, two))
    checks.equal("lower image: files", list(below["texts"].values()), ["kept", "gone", "old"])
    checks.equal("lower image: folder", below["names"]["/full"], ["a", "b"])
    checks.equal("whiteouts: files", list(above["texts"].values()), ["kept", "ENOENT", "new"])
    checks.equal("whiteouts: names", above["names"], {"/data": ["changed", "kept"], "/full": ["c"]})

    third = images.repositories.make("layers-three")
    layer = oci.digest(upper.blob)
    login = json.loads(images.repositories.login().read_text())["auths"][images.repositories.authority]["auth"]
    path = f"/v2/{third}/blobs/uploads/?mount={layer}&from={second}"
    mounted = Signer().send("POST", path, headers={"authorization": f"Basic {login}"})
    checks.equal("a layer is mounted from another repository", mounted.status, 201)
    there = images.ecr.batch_check_layer_availability(repositoryName=third, layerDigests=[layer])
    seen = [found["layerAvailability"] for found in there["layers"]]
    checks.equal("a mounted layer is there", seen, ["AVAILABLE"])


def versions(functions, images):
    """A function stays with the image that it was given, whatever becomes of the tag or the repository."""
    repository = images.repositories.make("versions")

    def push(text, tag):
        return images.push(repository, [oci.layer(oci.files({"which": text}))], tag)

    def which(label, expected):
        answer = invoke(client, name, {"texts": ["/which"]})
        seen = answer.payload.get("texts", answer.payload) if isinstance(answer.payload, dict) else answer.payload
        checks.equal(label, seen, {"/which": expected})

    uri = push("first", "v1")
    name = deploy(functions, "image-versions", uri)
    which("as created", "first")
    before = client.get_function(FunctionName=name)["Code"]["ResolvedImageUri"]
    push("moved", "v1")
    which("a moved tag changes nothing", "first")
    # A new environment starts from the same image.
    client.update_function_configuration(FunctionName=name, Description="started anew")
    functions.await_active(name)
    which("a moved tag changes no new environment either", "first")
    after = client.get_function(FunctionName=name)["Code"]["ResolvedImageUri"]
    checks.equal("a moved tag: the same digest", after, before)
    client.update_function_code(FunctionName=name, ImageUri=uri)
    functions.await_active(name)
    which("updated to the moved tag", "moved")
    client.update_function_code(FunctionName=name, ImageUri=push("second", "v2"))
    functions.await_active(name)
    which("updated to another tag", "second")
    there = images.ecr.list_images(repositoryName=repository)["imageIds"]
    gone = images.ecr.batch_delete_image(repositoryName=repository, imageIds=there)
    checks.equal("images are deleted", gone["failures"], [])
    which("without its image in the registry", "second")
    images.ecr.delete_repository(repositoryName=repository, force=True)
    client.update_function_configuration(FunctionName=name, Description="and again")
    functions.await_active(name)
    which("started anew without its repository", "second")


def refusals(functions, images):
    """What Lambda says about images that are not there, and about settings that are for zip files."""
    repository = images.repositories.make("refusals")
    uri = images.push(repository)

    def create(uri, **settings):
        code = settings.pop("Code", {"ImageUri": uri})
        settings = {"FunctionName": "refused", "Role": ROLE, "PackageType": "Image", "Code": code} | settings
        return lambda: client.create_function(**settings)

    def refused(label, call, message):
        checks.refused(label, call, "InvalidParameterValueException", 400, message)

    for label, missing in (
        ("no such tag", images.repositories.uri(repository, "v9")),
        ("no such repository", images.repositories.uri("absent")),
        ("no such digest", f"{uri.removesuffix(':v1')}@sha256:{'0' * 64}"),
    ):
        exactly = f"^Source image {missing} does not exist. Provide a valid source image.$"
        refused(label, create(missing), exactly)
    refused("no reference", create("Not a reference"), "Source image Not a reference is not valid")
    refused("a folder that is not allowed", create("oci:/etc:v1"), "Source image oci:/etc:v1 is not valid")
    refused("nothing listens", create("localhost:1/x:v1"), "Source image localhost:1/x:v1 is not valid")
    refused("runtime and image", create(uri, Runtime="python3.12", Handler="a.b"), "Runtime|Handler")
    refused("layers and image", create(uri, Layers=["arn:aws:lambda:us-east-1:000000000000:layer:x:1"]), "Layer|layer")
    name = deploy(functions, "image-refuses", uri)
    missing = images.repositories.uri(repository, "v9")
    update = partial(client.update_function_code, FunctionName=name, ImageUri=missing)
    refused("update to no such tag", update, f"^Source image {missing} does not exist.")
    zipped = partial(client.update_function_code, FunctionName=name, ZipFile=b"PK")
    refused("update to a zip", zipped, "Please provide ImageUri when updating a function with packageType Image.")
    checks.equal("refused updates change nothing", invoke(client, name).error, None)


def extension(functions, images):
    """An extension that the image brings runs beside the runtime, in the image."""
    uri = images.push(
        images.repositories.make("extension"), [oci.layer(oci.programs({"opt/extensions/watches": EXTENSION}))]
    )
    name = deploy(functions, "image-extension", uri)
    answer = invoke(client, name, {"texts": ["/tmp/extension"], "names": ["/opt/extensions"]})
    checks.equal("extension: no error", answer.error, None)
    seen = answer.payload
    checks.equal("extension: is in the image", seen.get("names"), {"/opt/extensions": ["watches"]})
    checks.equal(
        "extension: ran first, as the same user", seen.get("texts"), {"/tmp/extension": f"user {seen.get('user')}"}
    )
    line = "EXTENSION\tName: watches\tState: Ready\tEvents: [INVOKE]"
    log = logged(name)
    checks.holds("extension: log", any(message.startswith(line) for message in log), log, line)


PARTS = (example, handlers, image_config, surroundings, layers, versions, refusals, extension)

with tempfile.TemporaryDirectory(prefix="dormouse-images-") as folder:
    folder = pathlib.Path(folder)
    with Repositories(folder) as repositories, Functions(client) as functions:
        images = Images(folder, repositories)
        for part in [part for part in PARTS if part.__name__ in sys.argv[1:]] or PARTS:
            with checks.part(part.__name__):
                part(functions, images)
checks.finish()
