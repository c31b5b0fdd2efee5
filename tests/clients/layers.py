"""The life of a layer through boto3: publish, list, page, get, delete, and what a function sees of it in /opt.

Also what Lambda refuses: a sixth layer, two versions of one, and more than 250 MB of code and layers together.
"""

import base64
import hashlib
import os
import urllib.request

from lambda_checks import ROLE, Checks, Functions, invoke, lambda_client, package, runtime_of

REGION = os.environ.get("AWS_REGION") or os.environ["AWS_DEFAULT_REGION"]
ACCOUNT = "000000000000"
RUNTIME = runtime_of("python")
# Reports where each module came from, and the files at the top of /opt.
HANDLER = """
import importlib, os

def handler(event, context):
    seen = {}
    for name in event.get("modules", []):
        module = importlib.import_module(name)
        seen[name] = [module.VALUE, module.__file__]
    files = {name: open(os.path.join("/opt", name)).read() for name in event.get("files", [])}
    try:
        open("/opt/written", "w").close()
        writable = True
    except OSError as error:
        writable = type(error).__name__
    return {"modules": seen, "files": files, "top": sorted(os.listdir("/opt")), "writable": writable}
"""
CODE = package({"app.py": HANDLER})

client = lambda_client()
checks = Checks()


def content(value, **files):
    """A layer with one module and the files given."""
    return package({"python/tool.py": f"VALUE = {value!r}\n"} | files)


def arn_of(name, version=None):
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:layer:{name}"
    return arn if version is None else f"{arn}:{version}"


def published(functions, name, zip_file, **settings):
    """Publishes a version that is deleted in the end."""
    answer = client.publish_layer_version(LayerName=name, Content={"ZipFile": zip_file}, **settings)
    functions.layers.append((name, answer["Version"]))
    return answer


def refused_function(label, layers, message, code=CODE, error="InvalidParameterValueException", status=400):
    def create():
        return client.create_function(
            FunctionName="layers-refused",
            Role=ROLE,
            Code={"ZipFile": code},
            Handler="app.handler",
            Runtime=RUNTIME,
            Layers=layers,
        )

    checks.refused(label, create, error, status, message)


def publishing(functions):
    name = f"life-{functions.mark}"
    zip_file = content("first")
    settings = {
        "Description": "a tool",
        "LicenseInfo": "Apache-2.0",
        "CompatibleRuntimes": [RUNTIME],
        "CompatibleArchitectures": ["x86_64", "arm64"],
    }
    first = published(functions, name, zip_file, **settings)
    checks.equal("publish: HTTP status", first["ResponseMetadata"]["HTTPStatusCode"], 201)
    expected = settings | {"Version": 1, "LayerArn": arn_of(name), "LayerVersionArn": arn_of(name, 1)}
    checks.includes("publish: members", first, expected)
    checks.matches("publish: date", first["CreatedDate"], r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+0000")
    digest = base64.b64encode(hashlib.sha256(zip_file).digest()).decode()
    checks.includes("publish: content", first["Content"], {"CodeSha256": digest, "CodeSize": len(zip_file)})
    with urllib.request.urlopen(first["Content"]["Location"]) as answer:
        checks.equal("content: what was uploaded", answer.read(), zip_file)

    second = published(functions, name, content("second"))
    checks.equal("publish again: number", second["Version"], 2)
    got = client.get_layer_version(LayerName=name, VersionNumber=1)
    checks.includes("get: members", got, expected)
    by_arn = client.get_layer_version_by_arn(Arn=arn_of(name, 1))
    checks.includes("get by ARN: members", by_arn, expected)
    by_name = client.get_layer_version(LayerName=arn_of(name), VersionNumber=2)
    checks.equal("get: the layer by its ARN", by_name["Version"], 2)


def listing(functions):
    name = f"many-{functions.mark}"
    for number in range(1, 6):
        runtimes = ["ruby3.2"] if number % 2 else ["ruby3.3"]
        published(functions, name, content(number), CompatibleRuntimes=runtimes)
    pages = client.get_paginator("list_layer_versions").paginate(
        LayerName=name, PaginationConfig={"PageSize": 2}
    )
    seen = [[version["Version"] for version in page["LayerVersions"]] for page in pages]
    checks.equal("list versions: pages, newest first", seen, [[5, 4], [3, 2], [1]])
    odd = client.list_layer_versions(LayerName=name, CompatibleRuntime="ruby3.2")["LayerVersions"]
    checks.equal("list versions: for one runtime", [version["Version"] for version in odd], [5, 3, 1])
    other = f"other-{functions.mark}"
    published(functions, other, content("x"), CompatibleRuntimes=["ruby3.3"])
    pages = client.get_paginator("list_layers").paginate(
        CompatibleRuntime="ruby3.3", PaginationConfig={"PageSize": 1}
    )
    layers = [layer for page in pages for layer in page["Layers"]]
    latest = {layer["LayerName"]: layer["LatestMatchingVersion"]["Version"] for layer in layers}
    checks.includes("list layers: the newest that fits", latest, {name: 4, other: 1})


def deleting(functions):
    name = f"gone-{functions.mark}"
    for value in ("one", "two"):
        published(functions, name, content(value))
    for attempt in ("first", "second"):
        answer = client.delete_layer_version(LayerName=name, VersionNumber=2)
        status = answer["ResponseMetadata"]["HTTPStatusCode"]
        checks.equal(f"delete: {attempt} time", status, 204)
    missing = "The resource you requested does not exist."
    code = "ResourceNotFoundException"
    get = client.get_layer_version
    checks.refused("get: a deleted version", lambda: get(LayerName=name, VersionNumber=2), code, 404, missing)
    checks.refused("get: no such layer", lambda: get(LayerName="none", VersionNumber=1), code, 404, missing)
    third = published(functions, name, content("three"))
    checks.equal("publish: a number is not used twice", third["Version"], 3)
    versions = client.list_layer_versions(LayerName=name)["LayerVersions"]
    checks.equal("list versions: what is left", [version["Version"] for version in versions], [3, 1])


def in_use(functions):
    layer = functions.layer("used", content("from the layer", **{"note.txt": "hello"}))
    name = functions.make("uses-layer", CODE, "app.handler", RUNTIME, Layers=[layer])
    shown = client.get_function_configuration(FunctionName=name)["Layers"]
    checks.equal("function: layers", [entry["Arn"] for entry in shown], [layer])
    checks.holds("function: size of a layer", shown[0]["CodeSize"] > 0, shown, "a size")
    event = {"modules": ["tool"], "files": ["note.txt"]}
    answer = invoke(client, name, event).payload
    checks.equal("import from a layer", answer["modules"], {"tool": ["from the layer", "/opt/python/tool.py"]})
    checks.equal("a file of a layer", answer["files"], {"note.txt": "hello"})
    denied = answer["writable"] in ("OSError", "PermissionError")
    checks.holds("a layer cannot be written", denied, answer["writable"], "an error")

    client.delete_layer_version(LayerName=layer.split(":")[-2], VersionNumber=1)
    client.update_function_configuration(FunctionName=name, Description="so that it starts anew")
    functions.await_active(name)
    answer = invoke(client, name, event).payload
    checks.equal("a deleted layer stays with its function", answer["files"], {"note.txt": "hello"})
    refused_function("a deleted layer for a new function", [layer], f"Layer version {layer} does not exist.")
    client.update_function_configuration(FunctionName=name, Layers=[])
    functions.await_active(name)
    answer = invoke(client, name)
    checks.equal("without layers /opt is empty", answer.payload["top"], [])


def order(functions):
    layers = []
    for number in range(5):
        files = {"who.txt": str(number), f"only-{number}.txt": "x", f"python/part{number}.py": f"VALUE = {number}\n"}
        layers.append(functions.layer(f"order-{number}", content(number, **files)))
    name = functions.make("five-layers", CODE, "app.handler", RUNTIME, Layers=layers)
    event = {"modules": ["tool", *(f"part{number}" for number in range(5))], "files": ["who.txt"]}
    answer = invoke(client, name, event).payload
    checks.equal("the last layer wins", (answer["files"], answer["modules"]["tool"][0]), ({"who.txt": "4"}, 4))
    parts = [answer["modules"][f"part{number}"][0] for number in range(5)]
    checks.equal("all layers are there", parts, list(range(5)))
    top = sorted(["python", "who.txt", *(f"only-{number}.txt" for number in range(5))])
    checks.equal("what stands in /opt", answer["top"], top)
    client.update_function_configuration(FunctionName=name, Layers=layers[::-1])
    functions.await_active(name)
    answer = invoke(client, name, event).payload
    checks.equal("the order can be changed", answer["files"], {"who.txt": "0"})

    sixth = functions.layer("order-5", content(5))
    refused_function("a sixth layer", [*layers, sixth], r"Cannot reference more than 5 layers\.")
    newer = published(functions, layers[0].split(":")[-2], content("newer"))["LayerVersionArn"]
    both = f"Two different versions of the same layer are not allowed .* {layers[0]} and {newer} are versions"
    refused_function("two versions of one layer", [layers[0], newer], both)
    own = "User: .* is not authorized to perform: lambda:GetLayerVersion on resource: .*:layer:x:1"
    foreign = f"arn:aws:lambda:{REGION}:123456789012:layer:x:1"
    refused_function("a layer of another account", [foreign], own, error="AccessDeniedException", status=403)


def sizes(functions):
    megabytes = 1024 * 1024
    half = functions.layer("half", package({"zeros": bytes(140 * megabytes)}))
    code = package({"app.py": HANDLER, "zeros": bytes(120 * megabytes)})
    together = 260 * megabytes + len(HANDLER)
    message = (
        "Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. "
        f"The actual size is {together} bytes."
    )
    refused_function("code and layers above 250 MB", [half], message, code)
    name = functions.make("large", code, "app.handler", RUNTIME)
    update = lambda: client.update_function_configuration(FunctionName=name, Layers=[half])
    checks.refused("layers above 250 MB, later", update, "InvalidParameterValueException", 400, message)
    whole = package({"zeros": bytes(251 * megabytes)})
    publish = lambda: client.publish_layer_version(LayerName="too-large", Content={"ZipFile": whole})
    too_large = "Unzipped size must be smaller than 262144000 bytes"
    checks.refused("a layer above 250 MB", publish, "InvalidParameterValueException", 400, too_large)
    nothing = lambda: client.publish_layer_version(LayerName="nothing", Content={"ZipFile": b"no zip"})
    checks.refused("what is no zip", nothing, "InvalidParameterValueException", 400, "Could not unzip")


with Functions(client) as functions:
    for part in (publishing, listing, deleting, in_use, order, sizes):
        with checks.part(part.__name__):
            part(functions)
checks.finish()
