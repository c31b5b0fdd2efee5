"""A registry that only gives: one layout's images over TLS, to those who show who they are.

It listens on a loopback address that is not the usual one, so that it counts as another machine. Its certificate is
signed by an authority of its own, made anew by openssl each time.
"""

import base64
import http.server
import json
import pathlib
import ssl
import subprocess
import threading

from oci_images import MANIFEST, blob_path

#: An address without the privileges of 127.0.0.1 and localhost.
HOST = "127.0.0.2"
USER, PASSWORD = "mole", "dig deeper"
TOKEN = "a-token-for-pulling"


class Registry:
    """Serves `layout` as any repository, as long as the `with` block. `asks_for` is "basic" or "token"."""

    def __init__(self, folder, layout, asks_for):
        self.folder = pathlib.Path(folder)
        self.layout = layout
        self.asks_for = asks_for
        #: Path and `Authorization` of each request.
        self.requests = []

    def __enter__(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        self.authority = self.folder / "authority.pem"
        certificate, key = certify(self.folder, self.authority)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server = http.server.ThreadingHTTPServer((HOST, 0), handler(self))
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.name = f"{HOST}:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def credentials(registry, password=PASSWORD):
    """A file of credentials, in the form that container tools write."""
    auth = base64.b64encode(f"{USER}:{password}".encode()).decode()
    return json.dumps({"auths": {registry: {"auth": auth}}})


def handler(registry):
    basic = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            shown = self.headers.get("authorization")
            registry.requests.append((self.path, shown))
            path = self.path.partition("?")[0]
            if path == "/token":
                self.answer(200, json.dumps({"token": TOKEN})) if shown == basic else self.challenge()
            elif shown != (basic if registry.asks_for == "basic" else f"Bearer {TOKEN}"):
                self.challenge()
            elif "/manifests/" in path:
                self.manifest(path.rpartition("/")[2])
            elif "/blobs/" in path:
                self.answer(200, blob_path(registry.layout, path.rpartition("/")[2]).read_bytes())
            else:
                self.answer(200, "{}")

        def manifest(self, wanted):
            index = json.loads((registry.layout / "index.json").read_bytes())
            names = {
                one["annotations"]["org.opencontainers.image.ref.name"]: one["digest"] for one in index["manifests"]
            }
            digest = names.get(wanted, wanted)
            if digest in names.values():
                self.answer(200, blob_path(registry.layout, digest).read_bytes(), MANIFEST)
            else:
                self.answer(404, json.dumps({"errors": [{"code": "MANIFEST_UNKNOWN"}]}))

        def challenge(self):
            token = f'Bearer realm="https://{registry.name}/token",service="tiny"'
            asked = 'Basic realm="tiny"' if registry.asks_for == "basic" else token
            self.answer(401, json.dumps({"errors": [{"code": "UNAUTHORIZED"}]}), challenge=asked)

        def answer(self, status, body, media_type="application/json", challenge=None):
            body = body.encode() if isinstance(body, str) else body
            self.send_response(status)
            self.send_header("content-type", media_type)
            self.send_header("content-length", str(len(body)))
            if challenge:
                self.send_header("www-authenticate", challenge)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return Handler


def certify(folder, authority):
    """Makes an authority and a certificate of its for HOST."""
    key, request, certificate = folder / "key.pem", folder / "request.pem", folder / "certificate.pem"
    authority_key, extension = folder / "authority-key.pem", folder / "extension"
    extension.write_text(f"subjectAltName=IP:{HOST}\n")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    constraints = ("-addext", "basicConstraints=critical,CA:TRUE")
    openssl("req", "-x509", *curve, "-keyout", authority_key, "-out", authority, "-subj", "/CN=authority", "-days", "2",
            *constraints)  # fmt: skip
    openssl("req", *curve, "-keyout", key, "-out", request, "-subj", f"/CN={HOST}")
    openssl("x509", "-req", "-in", request, "-CA", authority, "-CAkey", authority_key, "-CAcreateserial", "-days", "2",
            "-extfile", extension, "-out", certificate)  # fmt: skip
    return certificate, key


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"openssl {arguments[0]} failed: {done.stderr.strip()}")
