"""Functions from images: a place in the built-in registry for the images of a test, and the way there."""

import contextlib
import json
import os
import uuid

import boto3
from botocore.exceptions import ClientError

from lambda_checks import ROLE
from oci_images import skopeo


class Repositories:
    """Repositories of the built-in registry that exist as long as the `with` block."""

    def __init__(self, folder, endpoint=None):
        self.ecr = boto3.client("ecr", endpoint_url=endpoint)
        self.mark = uuid.uuid4().hex[:8]
        self.names = []
        self.authority = "localhost:" + self.ecr.meta.endpoint_url.rpartition(":")[2].strip("/")
        self.logins = folder / f"logins-{self.mark}.json"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for name in self.names:
            with contextlib.suppress(ClientError):
                self.ecr.delete_repository(repositoryName=name, force=True)

    def login(self):
        """What a container tool is given as its file of credentials; a new password each time."""
        data = self.ecr.get_authorization_token()["authorizationData"][0]
        host = data["proxyEndpoint"].partition("://")[2]
        content = json.dumps({"auths": {host: {"auth": data["authorizationToken"]}}})
        descriptor = os.open(self.logins, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(content)
        return self.logins

    def make(self, label, **settings):
        """Creates a repository; gives its name."""
        name = f"{label}-{self.mark}"
        self.names.append(name)
        self.ecr.create_repository(repositoryName=name, **settings)
        return name

    def uri(self, name, tag="v1"):
        return f"{self.authority}/{name}:{tag}"

    def push(self, layout, name, tag="v1"):
        """Sends the image of this tag in a layout; gives its address."""
        uri = self.uri(name, tag)
        plain = ("--dest-tls-verify=false", "--dest-authfile", self.login())
        skopeo("copy", *plain, f"oci:{layout}:{tag}", f"docker://{uri}")
        return uri


def deploy(functions, label, uri, **settings):
    """Creates a function from an image and waits until it can be invoked; gives its name."""
    name = f"{label}-{functions.mark}"
    functions.names.append(name)
    settings = {"MemorySize": 256, "Timeout": 20} | settings
    functions.client.create_function(
        FunctionName=name, Role=ROLE, PackageType="Image", Code={"ImageUri": uri}, **settings
    )
    functions.await_active(name)
    return name
