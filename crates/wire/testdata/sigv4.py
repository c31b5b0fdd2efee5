"""Writes sigv4.json: requests as botocore signs them, for the tests of `wire::sigv4`.

Run once per change with the repository's virtual environment: .venv/bin/python crates/wire/testdata/sigv4.py
"""

import datetime
import json
import pathlib

import botocore
import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from urllib.parse import urlsplit

NOW = datetime.datetime(2026, 11, 23, 15, 0, 0, tzinfo=datetime.timezone.utc)
botocore.auth.get_current_datetime = lambda *args, **kwargs: NOW

KEY, SECRET, TOKEN = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "a+token/with=signs"
HOST = "lambda.eu-west-1.localhost:4566"
ARN = "arn%3Aaws%3Alambda%3Aeu-west-1%3A000000000000%3Afunction%3Ahello"

# name, service, method, path and query, headers, body, session token, presigned for seconds
CASES = [
    ("get", "lambda", "GET", "/2015-03-31/functions/hello", {}, "", False, None),
    ("empty path", "sts", "POST", "/", {"Content-Type": "application/x-www-form-urlencoded"}, "Action=GetCallerIdentity", False, None),
    ("encoded path", "lambda", "GET", f"/2015-03-31/functions/{ARN}/configuration", {}, "", False, None),
    ("raw colon", "lambda", "GET", "/2015-03-31/functions/hello:prod", {}, "", False, None),
    ("dots and slashes", "lambda", "GET", "/a//b/./c/../d/", {}, "", False, None),
    ("query", "lambda", "GET", "/2015-03-31/functions/hello?Qualifier=%24LATEST&Marker=a%20b%2Fc&empty=", {}, "", False, None),
    ("repeated query", "lambda", "DELETE", "/2017-03-31/tags/x?tagKeys=b&tagKeys=a&tagKeys=a%2Bb", {}, "", False, None),
    ("body and headers", "lambda", "POST", "/2015-03-31/functions/hello/invocations", {"X-Amz-Log-Type": "Tail", "X-Amz-Client-Context": "  e30=   x ", "Content-Type": "application/json"}, '{"key": "v\u00e4lue"}', True, None),
    ("s3 key", "s3", "PUT", "/bucket/a%20b/%C3%A9//./x%2By~z", {"x-amz-storage-class": "STANDARD"}, "data", False, None),
    ("s3 token", "s3", "GET", "/bucket?list-type=2&prefix=a%2Fb", {}, "", True, None),
    ("presigned", "lambda", "GET", "/2015-03-31/functions/hello?Qualifier=1", {}, "", False, 600),
    ("presigned token", "lambda", "GET", "/code/hello", {}, "", True, 604800),
    ("presigned s3", "s3", "PUT", "/bucket/key%20x", {}, "", False, 60),
]


def case(name, service, method, target, headers, body, token, expires):
    credentials = Credentials(KEY, SECRET, TOKEN if token else None)
    request = AWSRequest(method, f"http://{HOST}{target}", headers=headers, data=body.encode())
    if service == "s3":
        # The address is signed as an S3 client sends it, with the body's hash.
        request.context["client_config"] = None
    query = {True: botocore.auth.S3SigV4QueryAuth, False: botocore.auth.SigV4QueryAuth}[service == "s3"]
    header = {True: botocore.auth.S3SigV4Auth, False: botocore.auth.SigV4Auth}[service == "s3"]
    if expires is None:
        header(credentials, service, "eu-west-1").add_auth(request)
    else:
        query(credentials, service, "eu-west-1", expires=expires).add_auth(request)
    parts = urlsplit(request.url)
    return {
        "name": name,
        "service": service,
        "method": method,
        "path": urlsplit(f"http://{HOST}{target}").path,
        "query": urlsplit(f"http://{HOST}{target}").query,
        "headers": headers,
        "body": body,
        "session_token": TOKEN if token else None,
        "expires_s": expires,
        "signed_query": parts.query,
        "signed_headers": {key.lower(): str(value) for key, value in request.headers.items()},
    }


document = {
    "source": f"botocore {botocore.__version__}",
    "time": NOW.strftime("%Y%m%dT%H%M%SZ"),
    "host": HOST,
    "region": "eu-west-1",
    "access_key_id": KEY,
    "secret": SECRET,
    "cases": [case(*row) for row in CASES],
}
out = pathlib.Path(__file__).with_name("sigv4.json")
out.write_text(json.dumps(document, indent=1) + "\n")
