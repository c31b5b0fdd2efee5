"""Code from buckets: functions and layers created and updated from objects of a server that speaks S3 and verifies
signatures; and what Lambda says about buckets and keys that are not there.

Starts servers of its own, since the endpoint is a setting.
"""

import base64
import hashlib
import io
import os
import pathlib
import sys
import tempfile
import zipfile
from functools import partial

from lambda_checks import ROLE, Checks, Functions, invoke, lambda_client, package, runtime_of
from own_servers import OwnServer
from s3_server import S3Server

BUCKET = "code-of-moles"
MB = 1024**2
#: What Lambda takes in a request.
INLINE_BYTES_MAX = 50 * MB
RUNTIME = runtime_of("python")
S3_ERROR = "^Error occurred while GetObject. S3 Error Code: {}. S3 Error Message: {}"

checks = Checks()


def code(text):
    return package({"app.py": f"def handler(event, context):\n    return {text!r}\n"})


def padded(text, size):
    """Code with a file of random bytes beside it, stored as it is."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("app.py", f"def handler(event, context):\n    return {text!r}\n")
        archive.writestr("padding", os.urandom(size))
    return out.getvalue()


def sha256(content):
    return base64.b64encode(hashlib.sha256(content).digest()).decode()


def create(functions, label, **place):
    name = f"{label}-{functions.mark}"
    functions.names.append(name)
    functions.client.create_function(
        FunctionName=name, Role=ROLE, Runtime=RUNTIME, Handler="app.handler", Code={"S3Bucket": BUCKET} | place
    )
    functions.await_active(name)
    return name


def functions_from_buckets(server, functions, s3):
    keys = (
        ("plain", "code.zip"),
        ("folders", "team one/releases/2024/code.zip"),
        ("signs", "a+b & c=d?e#f%20~(é)'!*,;:@$.zip"),
        ("dots", "a/../b/./c//d.zip"),
    )
    for label, key in keys:
        zip_file = code(key)
        s3.put_object(Bucket=BUCKET, Key=key, Body=zip_file)
        name = create(functions, f"s3-{label}", S3Key=key)
        checks.equal(f"key {key!r}: runs", invoke(server.client, name).payload, key)
        found = server.client.get_function_configuration(FunctionName=name)
        shown = (found["CodeSha256"], found["CodeSize"])
        checks.equal(f"key {key!r}: told", shown, (sha256(zip_file), len(zip_file)))
    where = server.client.get_function(FunctionName=name)["Code"]
    checks.equal("the function's code is kept here", where["RepositoryType"], "S3")
    # What is deployed does not depend on the bucket any more.
    s3.delete_object(Bucket=BUCKET, Key="code.zip")
    server.client.update_function_configuration(FunctionName=functions.names[0], Description="started anew")
    functions.await_active(functions.names[0])
    checks.equal("without its object", invoke(server.client, functions.names[0]).payload, "code.zip")


def object_versions(server, functions, s3):
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    old, new = (
        s3.put_object(Bucket=BUCKET, Key="versions.zip", Body=code(text))["VersionId"] for text in ("old", "new")
    )
    name = create(functions, "s3-versions", S3Key="versions.zip", S3ObjectVersion=old)
    checks.equal("version: the old one", invoke(server.client, name).payload, "old")
    for label, version, expected in (("the newest", {}, "new"), ("the new one", {"S3ObjectVersion": new}, "new")):
        server.client.update_function_code(FunctionName=name, S3Bucket=BUCKET, S3Key="versions.zip", **version)
        functions.await_active(name)
        checks.equal(f"version: {label}", invoke(server.client, name).payload, expected)


def layers_from_buckets(server, functions, s3):
    content = package({"python/tool.py": "VALUE = 'of the layer'\n"})
    s3.put_object(Bucket=BUCKET, Key="layer.zip", Body=content)
    name = f"s3-layer-{functions.mark}"
    answer = server.client.publish_layer_version(LayerName=name, Content={"S3Bucket": BUCKET, "S3Key": "layer.zip"})
    functions.layers.append((name, answer["Version"]))
    told = answer["Content"]
    checks.equal("layer: told", (told["CodeSha256"], told["CodeSize"]), (sha256(content), len(content)))
    user = package({"app.py": "import tool\n\ndef handler(event, context):\n    return tool.VALUE\n"})
    function = functions.make("s3-layered", user, "app.handler", RUNTIME, Layers=[answer["LayerVersionArn"]])
    checks.equal("layer: used", invoke(server.client, function).payload, "of the layer")
    missing = {"S3Bucket": BUCKET, "S3Key": "no-layer.zip"}
    publish = partial(server.client.publish_layer_version, LayerName=name, Content=missing)
    text = S3_ERROR.format("NoSuchKey", "The specified key does not exist")
    checks.refused("layer: no such key", publish, "InvalidParameterValueException", 400, text)


def large(server, functions, s3):
    """More than fits into a request, as Lambda allows from a bucket."""
    zip_file = padded("large", 60 * MB)
    checks.holds("large: more than a request takes", len(zip_file) > INLINE_BYTES_MAX, len(zip_file), "over 50 MB")
    s3.put_object(Bucket=BUCKET, Key="large.zip", Body=zip_file)
    name = create(functions, "s3-large", S3Key="large.zip")
    checks.equal("large: runs", invoke(server.client, name).payload, "large")
    told = server.client.get_function_configuration(FunctionName=name)["CodeSize"]
    checks.equal("large: told", told, len(zip_file))


def refusals(server, functions, s3):
    s3.put_object(Bucket=BUCKET, Key="fine.zip", Body=code("fine"))
    s3.put_object(Bucket=BUCKET, Key="no.zip", Body=b"this is no zip")
    name = create(functions, "s3-refuses", S3Key="fine.zip")
    for label, place, message in (
        ("key of another bucket", {"S3Key": "../other/absent.zip"}, "an S3 key that leads out of its bucket is not asked for"),
        ("no such key", {"S3Key": "absent.zip"}, S3_ERROR.format("NoSuchKey", "The specified key does not exist")),
        ("no such bucket", {"S3Bucket": "no-bucket-here", "S3Key": "x"},
         S3_ERROR.format("NoSuchBucket", "The specified bucket does not exist")),
        ("no such version", {"S3Key": "fine.zip", "S3ObjectVersion": "00000000-0000-4000-8000-000000000000"},
         "^Error occurred while GetObject. S3 Error Code: "),
        ("no zip", {"S3Key": "no.zip"}, "unzip"),
    ):  # fmt: skip
        code_of = {"S3Bucket": BUCKET} | place
        settings = {"FunctionName": "refused", "Role": ROLE, "Runtime": RUNTIME, "Handler": "app.handler"}
        make = partial(server.client.create_function, Code=code_of, **settings)
        change = partial(server.client.update_function_code, FunctionName=name, **code_of)
        checks.refused(f"create: {label}", make, "InvalidParameterValueException", 400, message)
        checks.refused(f"update: {label}", change, "InvalidParameterValueException", 400, message)
    checks.equal("refused updates change nothing", invoke(server.client, name).payload, "fine")
    gone = partial(server.client.get_function, FunctionName="refused")
    checks.refused("refused creations leave nothing", gone, "ResourceNotFoundException", 404)


PARTS = (functions_from_buckets, object_versions, layers_from_buckets, large, refusals)


def strangers(folder, s3_server):
    """With a wrong secret, with no endpoint, and with one where nobody listens."""
    place = {"FunctionName": "stranger", "Role": ROLE, "Runtime": RUNTIME, "Handler": "app.handler"}
    place["Code"] = {"S3Bucket": BUCKET, "S3Key": "fine.zip"}
    secret = s3_server.key["SecretAccessKey"]
    wrong = s3_server.variables() | {"DORMOUSE_S3_SECRET_ACCESS_KEY": "not " + secret}
    with OwnServer(folder, "--s3-endpoint", s3_server.endpoint, **wrong) as server:
        text = S3_ERROR.format("SignatureDoesNotMatch", "The request signature we calculated does not match")
        make = partial(server.client.create_function, **place)
        checks.refused("wrong secret", make, "InvalidParameterValueException", 400, text)
        checks.holds("wrong secret: not in the log", secret not in server.said(), server.said(), "no secret")
        s3_server.stop()
        checks.refused("nobody listens", make, "InvalidParameterValueException", 400, "endpoint of this server: ")
    make = partial(lambda_client().create_function, **place)
    checks.refused("no endpoint", make, "InvalidParameterValueException", 400, "keeps no buckets")


with tempfile.TemporaryDirectory(prefix="dormouse-s3-") as folder:
    folder = pathlib.Path(folder)
    with S3Server(folder) as s3_server:
        s3 = s3_server.client()
        s3.create_bucket(Bucket=BUCKET)
        endpoint = ("--s3-endpoint", s3_server.endpoint)
        with OwnServer(folder, *endpoint, **s3_server.variables()) as server, Functions(server.client) as functions:
            for part in [part for part in PARTS if part.__name__ in sys.argv[1:]] or PARTS:
                with checks.part(part.__name__):
                    part(server, functions, s3)
        with checks.part("strangers"):
            strangers(folder, s3_server)
checks.finish()
