"""An ordinary function that knows nothing of extensions, but for the secrets that it asks for on localhost."""

import json
import os
import pathlib
import time
import urllib.error
import urllib.request


def works(event, context):
    held = bytearray(b"x") * (event.get("megabytes", 0) * 1_048_576)
    time.sleep(event.get("sleep", 0))
    if event.get("fail"):
        raise ValueError("told to fail")
    if event.get("hooks"):
        return [json.loads(line) for line in pathlib.Path("/tmp/hooks").read_text().splitlines()]
    del held
    return "worked"


def secret(name, token=None):
    """What AWS's documentation has functions do; the status where it is refused."""
    token = token or os.environ["AWS_SESSION_TOKEN"]
    url = f"http://localhost:2773/secretsmanager/get?secretId={name}"
    request = urllib.request.Request(url, headers={"X-Aws-Parameters-Secrets-Token": token})
    try:
        with urllib.request.urlopen(request) as answer:
            return json.load(answer)["SecretString"]
    except urllib.error.HTTPError as error:
        return error.code


at_init = secret("db-password") if os.environ.get("SECRETS") else None


def asks_for_secrets(event, context):
    return {
        "at init": at_init,
        "now": [secret(name) for name in event["names"]],
        "stranger": secret("db-password", token="guessed"),
    }
