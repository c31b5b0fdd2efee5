"""ECR's API through boto3, unmodified, on the repositories that container tools push to: repositories, images, layers
in parts, tags that may not move, labels, policies, and a password that lets skopeo in.
"""

import base64
import json
import os
import pathlib
import sys
import tempfile
import urllib.request
from functools import partial

import boto3

import oci_images as oci
from image_functions import Repositories
from lambda_checks import Checks

ACCOUNT = "000000000000"
REGION = os.environ["AWS_REGION"]
POLICY = json.dumps({"Version": "2012-10-17", "Statement": []})

checks = Checks()


def refused(label, call, code, message=None):
    checks.refused(label, call, code, 400, message)


def repositories_live(ecr, repositories, folder):
    name = repositories.make("team/app", tags=[{"Key": "team", "Value": "moles"}])
    shown = ecr.describe_repositories(repositoryNames=[name])["repositories"][0]
    facts = {
        "repositoryArn": f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{name}",
        "registryId": ACCOUNT,
        "repositoryName": name,
        "repositoryUri": f"{repositories.authority}/{name}",
        "imageTagMutability": "MUTABLE",
        "imageScanningConfiguration": {"scanOnPush": False},
        "encryptionConfiguration": {"encryptionType": "AES256"},
    }
    checks.includes("repository: described", shown, facts)
    exists = f"^The repository with name '{name}' already exists in the registry with id '{ACCOUNT}'$"
    again = partial(ecr.create_repository, repositoryName=name)
    refused("repository: twice", again, "RepositoryAlreadyExistsException", exists)
    unknown = "^The repository with name 'no/such' does not exist in the registry with id '000000000000'$"
    missing = partial(ecr.describe_repositories, repositoryNames=["no/such"])
    refused("repository: missing", missing, "RepositoryNotFoundException", unknown)
    illegal = partial(ecr.create_repository, repositoryName="Upper/Case")
    refused("repository: illegal name", illegal, "InvalidParameterException", "Invalid parameter at 'repositoryName'")
    more = [repositories.make(f"page-{number}") for number in range(4)]
    pages = ecr.get_paginator("describe_repositories").paginate(PaginationConfig={"PageSize": 2})
    seen = [one["repositoryName"] for page in pages for one in page["repositories"]]
    checks.equal("repositories: paged, all of them", sorted(seen), sorted([name, *more]))
    checks.equal("registry", ecr.describe_registry()["registryId"], ACCOUNT)
    elsewhere = boto3.client("ecr", region_name="eu-west-3")
    checks.equal("another region has none", elsewhere.describe_repositories()["repositories"], [])


def pushed(repositories, folder, name, tag, text):
    """A small image; gives its digest, its layer and its configuration."""
    layer = oci.layer(oci.files({"text": text}))
    digest = oci.write(folder / name.replace("/", "-"), [layer], tag=tag)
    repositories.push(folder / name.replace("/", "-"), name, tag)
    return digest, layer


def images(ecr, repositories, folder):
    name = repositories.make("images")
    one, layer = pushed(repositories, folder, name, "v1", "one")
    two, _ = pushed(repositories, folder, name, "v2", "two")
    listed = ecr.list_images(repositoryName=name)["imageIds"]
    expected = [{"imageDigest": one, "imageTag": "v1"}, {"imageDigest": two, "imageTag": "v2"}]
    checks.equal("images: listed", sorted(listed, key=lambda image: image["imageTag"]), expected)
    detail = ecr.describe_images(repositoryName=name, imageIds=[{"imageTag": "v1"}])["imageDetails"][0]
    facts = {"imageDigest": one, "imageTags": ["v1"], "repositoryName": name, "registryId": ACCOUNT}
    facts |= {"imageManifestMediaType": oci.MANIFEST}
    checks.includes("images: described", detail, facts)
    held = detail["imageSizeInBytes"] > len(layer.blob)
    checks.holds("images: size", held, detail["imageSizeInBytes"], f"above {len(layer.blob)}")

    ids = [{"imageTag": "v1"}, {"imageTag": "v9"}, {"imageDigest": two}]
    got = ecr.batch_get_image(repositoryName=name, imageIds=ids)
    manifests = {image["imageId"]["imageDigest"]: image["imageManifest"] for image in got["images"]}
    checks.equal("images: two of three are got", set(manifests), {one, two})
    checks.equal("images: manifests by the byte", oci.digest(manifests[one].encode()), one)
    checks.equal("images: one fails", [failure["failureCode"] for failure in got["failures"]], ["ImageNotFound"])

    def put(tag, manifest=manifests[one]):
        return ecr.put_image(repositoryName=name, imageManifest=manifest, imageTag=tag)

    checks.equal("put: another tag", put("stable")["image"]["imageId"], {"imageDigest": one, "imageTag": "stable"})
    refused("put: what is there", lambda: put("stable"), "ImageAlreadyExistsException")
    absent = json.loads(manifests[one])
    absent["layers"][0]["digest"] = "sha256:" + "0" * 64
    refused("put: a layer that is not there", lambda: put("x", json.dumps(absent)), "LayersNotFoundException")

    gone = ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageTag": "stable"}, {"imageTag": "v9"}])
    checks.equal("delete: a tag", gone["imageIds"], [{"imageDigest": one, "imageTag": "stable"}])
    checks.equal("delete: a missing tag", [failure["failureCode"] for failure in gone["failures"]], ["ImageNotFound"])
    left = ecr.describe_images(repositoryName=name, imageIds=[{"imageDigest": one}])["imageDetails"][0]
    checks.equal("delete: the image keeps its other tag", left["imageTags"], ["v1"])
    full = "cannot be deleted because it still contains images$"
    refused(
        "delete: a full repository",
        lambda: ecr.delete_repository(repositoryName=name),
        "RepositoryNotEmptyException",
        full,
    )
    ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageDigest": one}, {"imageDigest": two}])
    checks.equal("delete: all", ecr.list_images(repositoryName=name)["imageIds"], [])
    ecr.delete_repository(repositoryName=name)
    refused("delete: twice", lambda: ecr.delete_repository(repositoryName=name), "RepositoryNotFoundException")


def immutable(ecr, repositories, folder):
    name = repositories.make("immutable", imageTagMutability="IMMUTABLE")
    pushed(repositories, folder, name, "v1", "one")
    try:
        pushed(repositories, folder, name, "v1", "two")
        seen = "the tag was moved"
    except RuntimeError as error:
        seen = str(error)
    checks.holds("immutable: skopeo cannot move a tag", "immutable" in seen, seen, "immutable")
    ecr.put_image_tag_mutability(repositoryName=name, imageTagMutability="MUTABLE")
    digest, _ = pushed(repositories, folder, name, "v1", "two")
    shown = ecr.describe_images(repositoryName=name, imageIds=[{"imageTag": "v1"}])["imageDetails"][0]
    checks.equal("mutable again: moved", shown["imageDigest"], digest)


def layers(ecr, repositories, folder):
    """A whole image through the API alone, and back by skopeo."""
    name = repositories.make("layers")
    layer = oci.layer(oci.files({"data": os.urandom(100_000)}))
    layout = folder / "by-hand"
    digest = oci.write(layout, [layer], tag="v1")
    manifest = json.loads(oci.blob_path(layout, digest).read_bytes())
    for descriptor in (manifest["config"], manifest["layers"][0]):
        upload_in_parts(ecr, name, oci.blob_path(layout, descriptor["digest"]).read_bytes(), descriptor["digest"])
    known = [manifest["layers"][0]["digest"], "sha256:" + "0" * 64]
    there = ecr.batch_check_layer_availability(repositoryName=name, layerDigests=known)["layers"]
    checks.equal("layers: availability", [one["layerAvailability"] for one in there], ["AVAILABLE", "UNAVAILABLE"])
    text = oci.blob_path(layout, digest).read_text()
    ecr.put_image(repositoryName=name, imageManifest=text, imageTag="v1", imageManifestMediaType=oci.MANIFEST)
    where = ecr.get_download_url_for_layer(repositoryName=name, layerDigest=known[0])["downloadUrl"]
    with urllib.request.urlopen(where) as answer:
        checks.equal("layers: downloaded without a login", oci.digest(answer.read()), known[0])
    missing = partial(ecr.get_download_url_for_layer, repositoryName=name, layerDigest=known[1])
    refused("layers: no such layer", missing, "LayersNotFoundException")
    there = f"docker://{repositories.uri(name)}"
    oci.skopeo("copy", "--src-tls-verify=false", "--src-authfile", repositories.login(), there, f"dir:{folder}/back")
    back = (folder / "back" / "manifest.json").read_bytes()
    checks.equal("layers: skopeo gets the same image", oci.digest(back), digest)


def upload_in_parts(ecr, name, content, digest):
    upload = ecr.initiate_layer_upload(repositoryName=name)["uploadId"]
    half = len(content) // 2
    for first, last in ((0, half - 1), (half, len(content) - 1)):
        part = {"partFirstByte": first, "partLastByte": last, "layerPartBlob": content[first : last + 1]}
        ecr.upload_layer_part(repositoryName=name, uploadId=upload, **part)
    short = digest[:20]
    gap = {"partFirstByte": 10**6, "partLastByte": 10**6, "layerPartBlob": b"x"}
    misplaced = partial(ecr.upload_layer_part, repositoryName=name, uploadId=upload, **gap)
    refused(f"layers: part out of place ({short})", misplaced, "InvalidLayerPartException")
    done = ecr.complete_layer_upload(repositoryName=name, uploadId=upload, layerDigests=[digest])["layerDigest"]
    checks.equal(f"layers: complete ({short})", done, digest)
    other = ecr.initiate_layer_upload(repositoryName=name)["uploadId"]
    ecr.upload_layer_part(
        repositoryName=name, uploadId=other, partFirstByte=0, partLastByte=len(content) - 1, layerPartBlob=content
    )
    complete = {"repositoryName": name, "uploadId": other, "layerDigests": [oci.digest(b"other content")]}
    wrong = partial(ecr.complete_layer_upload, **complete)
    refused(f"layers: wrong digest ({short})", wrong, "InvalidLayerException")


def labels_and_policies(ecr, repositories, folder):
    name = repositories.make("labels")
    arn = f"arn:aws:ecr:{REGION}:{ACCOUNT}:repository/{name}"
    ecr.tag_resource(resourceArn=arn, tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    ecr.untag_resource(resourceArn=arn, tagKeys=["a"])
    labels = ecr.list_tags_for_resource(resourceArn=arn)["tags"]
    checks.equal("labels", labels, [{"Key": "b", "Value": "2"}])
    none = f"^Repository policy does not exist for the repository with name '{name}'"
    get = partial(ecr.get_repository_policy, repositoryName=name)
    refused("policy: none", get, "RepositoryPolicyNotFoundException", none)
    ecr.set_repository_policy(repositoryName=name, policyText=POLICY)
    checks.equal("policy: kept", json.loads(get()["policyText"]), json.loads(POLICY))
    ecr.delete_repository_policy(repositoryName=name)
    refused("policy: deleted", get, "RepositoryPolicyNotFoundException", none)


def login(ecr, repositories, folder):
    data = ecr.get_authorization_token()["authorizationData"][0]
    checks.equal("login: where", data["proxyEndpoint"], f"http://{repositories.authority}")
    user, _, password = base64.b64decode(data["authorizationToken"]).decode().partition(":")
    checks.equal("login: user", user, "AWS")
    name = repositories.make("login")
    digest, _ = pushed(repositories, folder, name, "v1", "one")
    there = ("inspect", "--tls-verify=false", f"docker://{repositories.uri(name)}")
    shown = json.loads(oci.skopeo(*there[:2], "--creds", f"AWS:{password}", there[2]))
    checks.equal("login: the password lets in", shown["Digest"], digest)
    # A changed letter in the middle, since the last one may be padding.
    middle = len(password) // 2
    forged = password[:middle] + ("A" if password[middle] != "A" else "B") + password[middle + 1 :]
    for label, credentials in (("forged", f"AWS:{forged}"), ("of another user", f"root:{password}")):
        try:
            seen = oci.skopeo(*there[:2], "--creds", credentials, there[2])
        except RuntimeError as error:
            seen = str(error)
        checks.holds(f"login: a password {label} does not", "unauthorized" in seen or "denied" in seen, seen, "refused")


PARTS = (repositories_live, images, immutable, layers, labels_and_policies, login)

with tempfile.TemporaryDirectory(prefix="dormouse-ecr-") as folder:
    folder = pathlib.Path(folder)
    with Repositories(folder) as repositories:
        for part in [part for part in PARTS if part.__name__ in sys.argv[1:]] or PARTS:
            with checks.part(part.__name__):
                part(repositories.ecr, repositories, folder)
checks.finish()
