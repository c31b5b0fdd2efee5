"""One kept connection to a server, on which signed requests go out as they are: no client library looks at them.

An answer that does not come within the deadline, or a connection that breaks, is an error here; the server owes every
request an answer.
"""

import contextlib
import hashlib
import hmac
import http.client
import json
import os
import time
import urllib.parse

SECONDS_MAX = 30


class Answered:
    """An answer, read whole."""

    def __init__(self, response):
        self.status = response.status
        self.headers = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()
        self.code = self.headers.get("x-amzn-errortype", "")

    @property
    def document(self):
        """The body as JSON; `None` if it is none."""
        with contextlib.suppress(ValueError):
            return json.loads(self.body) if self.body else {}
        return None

    @property
    def message(self):
        document = self.document
        if not isinstance(document, dict):
            return ""
        return document.get("message") or document.get("Message") or ""

    def __repr__(self):
        return f"{self.status} {self.code} {self.body[:400]!r}"


class Connection:
    """Signs by Signature Version 4 and sends."""

    def __init__(self, endpoint, key_id=None, secret=None, region=None):
        self.address = urllib.parse.urlparse(endpoint).netloc
        self.key_id = key_id or os.environ["AWS_ACCESS_KEY_ID"]
        self.secret = secret or os.environ["AWS_SECRET_ACCESS_KEY"]
        self.region = region or os.environ["AWS_REGION"]
        self.keys = {}
        self.kept = None

    def send(self, method, target, headers=None, body=b"", service="lambda"):
        """Sends a request and gives its answer."""
        headers = self.signed(method, target, dict(headers or {}), body, service)
        try:
            return self._exchange(method, target, headers, body)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
            # A server may close a connection whose last body it did not read; a new one has no such past.
            self.kept = None
            return self._exchange(method, target, headers, body)

    def _exchange(self, method, target, headers, body):
        if self.kept is None:
            self.kept = http.client.HTTPConnection(self.address, timeout=SECONDS_MAX)
        try:
            self.kept.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                self.kept.putheader(name, value.encode())
            self.kept.putheader("content-length", str(len(body)))
            self.kept.endheaders()
            if body:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    self.kept.send(body)
            return Answered(self.kept.getresponse())
        except Exception:
            self.kept.close()
            self.kept = None
            raise

    def signed(self, method, target, headers, body, service):
        """The headers with a signature over those that must be signed."""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        path, _, query = target.partition("?")
        headers = {"host": self.address, "x-amz-date": stamp} | {name.lower(): value for name, value in headers.items()}
        covered = sorted(name for name in headers if name == "host" or name.startswith("x-amz-"))
        names = ";".join(covered)
        lines = [f"{name}:{' '.join(headers[name].split())}" for name in covered]
        digest = hashlib.sha256(body).hexdigest()
        canonical = "\n".join([method, _canonical_path(path), _canonical_query(query), *lines, "", names, digest])
        scope = f"{stamp[:8]}/{self.region}/{service}/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.new(self._key(scope), text.encode(), hashlib.sha256).hexdigest()
        credential = f"{self.key_id}/{scope}"
        authorization = f"AWS4-HMAC-SHA256 Credential={credential}, SignedHeaders={names}, Signature={signature}"
        return headers | {"authorization": authorization}

    def _key(self, scope):
        if scope not in self.keys:
            key = f"AWS4{self.secret}".encode()
            for part in scope.split("/"):
                key = hmac.new(key, part.encode(), hashlib.sha256).digest()
            self.keys[scope] = key
        return self.keys[scope]


def _canonical_path(path):
    if "//" in path or "/." in path:
        kept = []
        for segment in path.split("/"):
            if segment == "..":
                kept[-1:] = []
            elif segment not in ("", "."):
                kept.append(segment)
        path = "/" + "/".join(kept) + ("/" if path.endswith("/") and kept else "")
    return urllib.parse.quote(path, safe="/-_.~")


def _canonical_query(query):
    pairs = [pair.partition("=") for pair in query.split("&") if pair]
    encoded = sorted(
        tuple(urllib.parse.quote(urllib.parse.unquote_to_bytes(part), safe="-_.~") for part in (name, value))
        for name, _, value in pairs
    )
    return "&".join(f"{name}={value}" for name, value in encoded)
