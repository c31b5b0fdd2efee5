#!/usr/bin/python3
"""An extension that stands for Secrets Manager: GetSecretValue on localhost:8200, as far as the examples need it.

It starts late on purpose: whoever asks has to try again. It logs who asked, never a value.
"""

import http.client
import http.server
import json
import os
import threading
import time

API = os.environ["AWS_LAMBDA_RUNTIME_API"]


class Vault(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        name = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["SecretId"]
        asked = {"id": name, "authorization": self.headers["Authorization"], "target": self.headers["X-Amz-Target"]}
        print(json.dumps({"vault": asked}), flush=True)
        allowed = name != "forbidden" and self.headers["X-Amz-Security-Token"] == os.environ["AWS_SESSION_TOKEN"]
        body = json.dumps({"Name": name, "SecretString": f"value of {name}"} if allowed else {}).encode()
        self.send_response(200 if allowed else 400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Requests have their own line."""


def call(method, path, body=None, **headers):
    connection = http.client.HTTPConnection(API)
    connection.request(method, f"/2020-01-01/extension/{path}", body, headers)
    answer = connection.getresponse()
    answer.read()
    return answer.headers


time.sleep(0.1)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8200), Vault)
threading.Thread(target=server.serve_forever, daemon=True).start()
registration = {"Lambda-Extension-Name": os.path.basename(__file__)}
headers = call("POST", "register", '{"events": ["SHUTDOWN"]}', **registration)
call("GET", "event/next", **{"Lambda-Extension-Identifier": headers["Lambda-Extension-Identifier"]})
