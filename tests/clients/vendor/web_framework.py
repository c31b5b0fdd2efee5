"""A FastAPI application by way of Mangum, on events as an HTTP API sends them (payload format 2.0)."""

import base64
import json

from vendored import function_files, python_packages, zipped

from lambda_checks import Checks, Functions, invoke, lambda_client, runtime_of

client = lambda_client()
checks = Checks()
RUNTIME = runtime_of("python")
PACKAGE = zipped(python_packages("web", RUNTIME.removeprefix("python")), function_files("web_app.py"))


def event(method, path, query="", body=None, **headers):
    """As documented in "Create AWS Lambda proxy integrations for HTTP APIs"."""
    host = "abc123.execute-api.us-east-1.localhost"
    http = {
        "method": method,
        "path": path,
        "protocol": "HTTP/1.1",
        "sourceIp": "192.0.2.1",
        "userAgent": "test",
    }
    made = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": host, "content-type": "application/json"} | headers,
        "requestContext": {
            "accountId": "000000000000",
            "apiId": "abc123",
            "domainName": host,
            "domainPrefix": "abc123",
            "http": http,
            "requestId": "JKJaXmPLvHcESHA=",
            "routeKey": "$default",
            "stage": "$default",
            "time": "12/Mar/2020:19:03:58 +0000",
            "timeEpoch": 1583348638390,
        },
        "isBase64Encoded": False,
    }
    return made if body is None else made | {"body": json.dumps(body)}


def serves(functions):
    name = functions.make("web", PACKAGE, "web_app.handler", RUNTIME, MemorySize=512, Timeout=30)

    def ask(*request, **more):
        answer = invoke(client, name, event(*request, **more))
        checks.equal(f"{request[:2]}: no error", answer.error, None)
        return answer.payload

    found = ask("GET", "/items/7", "q=%C5%BC")
    checks.equal("item: status", (found["statusCode"], found["isBase64Encoded"]), (200, False))
    seen = json.loads(found["body"])
    checks.equal("item: body", seen, {"number": 7, "q": "ż", "started": True, "function": name})
    bad = ask("GET", "/items/seven")
    checks.equal("not a number", bad["statusCode"], 422)
    made = ask("POST", "/orders", body={"item": "tea"})
    seen = (made["statusCode"], json.loads(made["body"]))
    checks.equal("order: status and body", seen, (201, {"item": "tea", "count": 1}))
    checks.holds("order: cookie", made["cookies"][0].startswith("last=tea;"), made["cookies"], "a cookie")
    picture = ask("GET", "/picture")
    checks.equal("picture: bytes", base64.b64decode(picture["body"]), bytes(range(256)))
    checks.equal("picture: type", (picture["isBase64Encoded"], picture["headers"]["content-type"]), (True, "image/png"))
    checks.equal("lost", ask("GET", "/lost")["statusCode"], 410)
    checks.equal("no such path", ask("GET", "/nowhere")["statusCode"], 404)


with Functions(client) as functions:
    with checks.part("serves"):
        serves(functions)
checks.finish()
