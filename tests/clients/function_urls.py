"""Functions called by their own addresses: events and responses of format 2.0 in Python and Node.js, cookies, CORS,
streaming, aliases, and who may call: everybody, whoever signs, and another account.

Starts servers of its own: one that verifies, and one that takes any key, where a key of twelve digits names its account.
"""

import base64
import http.client
import json
import os
import tempfile
import time
import urllib.parse
import urllib.request

import boto3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from lambda_checks import Checks, Functions, RawAnswer, package, runtime_of
from own_servers import OpenServer, OwnServer

REGION = "us-east-1"
ACCOUNT, OWNER, OTHER = "000000000000", "111111111111", "222222222222"
PYTHON = package({"app.py": """
import base64, json

def handler(event, context):
    path = event["rawPath"]
    if path == "/plain":
        return {"hello": "world"}
    if path == "/cookies":
        return {"statusCode": "201", "headers": {"Content-Type": "text/html", "X-N": 7},
                "cookies": ["a=1; Path=/", "b=2"], "body": "<p>", "isBase64Encoded": False}
    if path == "/bytes":
        return {"statusCode": 200, "headers": {"content-type": "image/png"},
                "body": base64.b64encode(bytes(range(256))).decode(), "isBase64Encoded": True}
    if path == "/own-cors":
        return {"statusCode": 200, "headers": {"Access-Control-Allow-Origin": "*", "Access-Control-Max-Age": "1"}}
    if path == "/malformed":
        return {"statusCode": 200, "body": {"no": "text"}}
    if path == "/fail":
        raise ValueError("on purpose")
    if path == "/large":
        return "x" * (6 * 1024 * 1024 + 1024)
    return {"statusCode": 200, "body": json.dumps({"event": event, "arn": context.invoked_function_arn})}
"""})
NODE = package({"index.js": """
exports.buffers = async (event) => ({ statusCode: 202, body: event.requestContext.http.method, cookies: ["n=1"] });
exports.streams = awslambda.streamifyResponse(async (event, stream) => {
  if (event.rawPath === "/early") throw new Error("early");
  const metadata = { statusCode: 206, headers: { "X-Kind": "stream", "Content-Type": "text/plain" }, cookies: ["s=1"] };
  const page = awslambda.HttpResponseStream.from(stream, metadata);
  for (let number = 0; number < 4; number += 1) {
    page.write(`part ${number};`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  if (event.rawPath === "/midway") throw new Error("midway");
  page.end("done");
});
exports.bare = awslambda.streamifyResponse(async (event, stream) => {
  stream.setContentType("text/csv");
  stream.end("a,b");
});
"""})
FORBIDDEN = (403, "AccessDeniedException", b'{"Message":"Forbidden"}')

checks = Checks()


class Answer(RawAnswer):
    """An answer with the cookies that it sets."""

    def __init__(self, response):
        super().__init__(response)
        self.cookies = [value for name, value in response.getheaders() if name.lower() == "set-cookie"]

    @property
    def error(self):
        return self.status, self.code, self.body


def opened(address, path="/", method="GET", body=None, headers=(), key=None):
    """The beginning of an answer. Signs with a key, if one is given; names are resolved here as browsers do it."""
    place = urllib.parse.urlparse(address)
    headers = dict(headers)
    if key:
        request = AWSRequest(method, address.rstrip("/") + path, headers=headers, data=body or b"")
        SigV4Auth(Credentials(*key), "lambda", REGION).add_auth(request)
        headers = dict(request.headers.items())
    connection = http.client.HTTPConnection("127.0.0.1", place.port, timeout=60)
    connection.request(method, place.path.rstrip("/") + path, body=body, headers={"Host": place.netloc} | headers)
    return connection.getresponse()


def visit(*arguments, **more):
    return Answer(opened(*arguments, **more))


def admit_all(client, name, auth="NONE", principal="*", qualifier=None):
    """The two statements that an address needs."""
    more = {"Qualifier": qualifier} if qualifier else {}
    client.add_permission(
        FunctionName=name, StatementId="url", Action="lambda:InvokeFunctionUrl", Principal=principal,
        FunctionUrlAuthType=auth, **more,
    )
    client.add_permission(
        FunctionName=name, StatementId="invoke", Action="lambda:InvokeFunction", Principal=principal,
        InvokedViaFunctionUrl=True, **more,
    )


def public(functions, label, code, handler, runtime, **settings):
    """A function with an address for everybody; gives both."""
    client = functions.client
    name = functions.make(label, code, handler, runtime, Timeout=20)
    address = client.create_function_url_config(FunctionName=name, AuthType="NONE", **settings)["FunctionUrl"]
    admit_all(client, name)
    return name, address


def events(functions, address):
    seen = visit(
        address, "/a%20b/c?p=1&p=2&q=x+y", "POST", b'{"k":1}',
        {"Content-Type": "application/json", "Cookie": "a=1; b=2", "X-Up": "Yes", "User-Agent": "me"},
    )
    checks.equal("event: status and type", (seen.status, seen.headers["content-type"]), (200, "application/json"))
    told = json.loads(seen.body)
    event, place = told["event"], urllib.parse.urlparse(address)
    checks.includes("event: members", event, {
        "version": "2.0", "routeKey": "$default", "rawPath": "/a%20b/c", "rawQueryString": "p=1&p=2&q=x+y",
        "queryStringParameters": {"p": "1,2", "q": "x y"}, "cookies": ["a=1", "b=2"],
        "body": '{"k":1}', "isBase64Encoded": False,
    })
    checks.includes("event: headers", event["headers"], {
        "host": place.netloc, "x-up": "Yes", "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http",
        "x-forwarded-port": str(place.port),
    })
    context, label = event["requestContext"], place.hostname.split(".")[0]
    checks.includes("event: context", context, {
        "accountId": "anonymous", "apiId": label, "domainName": place.hostname, "domainPrefix": label,
        "routeKey": "$default", "stage": "$default", "requestId": seen.headers["x-amzn-requestid"],
        "http": {"method": "POST", "path": "/a%20b/c", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "me"},
    })
    checks.matches("event: time", context["time"], r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000")
    checks.matches("event: the function as invoked", told["arn"], r"arn:aws:lambda:us-east-1:\d{12}:function:[a-z0-9-]+")
    sent = visit(address, "/", "PUT", b"\xff\x00", {"Content-Type": "application/octet-stream"})
    event = json.loads(sent.body)["event"]
    checks.equal("event: bytes", (event["body"], event["isBase64Encoded"]), (base64.b64encode(b"\xff\x00").decode(), True))
    head = visit(address, "/", "HEAD")
    checks.equal("HEAD: no body", (head.status, head.body), (200, b""))
    path_style = f"http://127.0.0.1:{place.port}/_dormouse/url/{label}/x?y=1"
    with urllib.request.urlopen(path_style) as answer:
        event = json.load(answer)["event"]
    checks.equal("the address as a path", (event["rawPath"], event["rawQueryString"]), ("/x", "y=1"))


def responses(functions, address):
    plain = visit(address, "/plain")
    shown = (plain.status, plain.headers["content-type"], json.loads(plain.body))
    checks.equal("without a status", shown, (200, "application/json", {"hello": "world"}))
    full = visit(address, "/cookies")
    shown = (full.status, full.headers["content-type"], full.headers["x-n"], full.body)
    checks.equal("with everything", shown, (201, "text/html", "7", b"<p>"))
    checks.equal("cookies", full.cookies, ["a=1; Path=/", "b=2"])
    checks.equal("bytes", visit(address, "/bytes").body, bytes(range(256)))
    for path in ("/malformed", "/fail", "/large"):
        bad = visit(address, path)
        checks.equal(f"{path}: bad gateway", (bad.status, bad.body), (502, b"Internal Server Error"))
    large = visit(address, "/", "POST", b"x" * (6 * 1024 * 1024 + 1))
    checks.equal("a body over 6 MB", (large.status, large.code), (413, "RequestTooLargeException"))


def cors(functions, name, address):
    rules = {
        "AllowOrigins": ["http://page.localhost:3000"], "AllowMethods": ["GET", "PUT"], "AllowHeaders": ["X-One"],
        "ExposeHeaders": ["X-Seen"], "MaxAge": 60, "AllowCredentials": True,
    }
    functions.client.update_function_url_config(FunctionName=name, Cors=rules)
    asks = {"Origin": "http://page.localhost:3000", "Access-Control-Request-Method": "PUT"}
    rights = lambda answer: {name: value for name, value in answer.headers.items() if name.startswith("access-control-")}
    own = {"access-control-allow-origin": asks["Origin"], "access-control-allow-credentials": "true"}
    before = visit(address, "/fail", "OPTIONS", headers=asks)
    checks.equal("preflight: not the function's", before.status, 200)
    checks.equal("preflight: rights", rights(before), own | {
        "access-control-allow-methods": "GET,PUT", "access-control-allow-headers": "X-One", "access-control-max-age": "60",
    })
    foreign = visit(address, "/", "OPTIONS", headers=asks | {"Origin": "http://other.localhost"})
    checks.equal("preflight: another site", rights(foreign), {})
    answer = visit(address, "/own-cors", headers={"Origin": asks["Origin"]})
    checks.equal("an answer: the URL's rules alone", rights(answer), own | {"access-control-expose-headers": "X-Seen"})
    failed = visit(address, "/fail", headers={"Origin": asks["Origin"]})
    checks.equal("a failure too", (failed.status, rights(failed) != {}), (502, True))
    functions.client.update_function_url_config(FunctionName=name, Cors={})
    checks.equal("without rules: the function's", rights(visit(address, "/own-cors")), {
        "access-control-allow-origin": "*", "access-control-max-age": "1",
    })


def node(functions):
    runtime = runtime_of("nodejs")
    _, address = public(functions, "buffers", NODE, "index.buffers", runtime)
    seen = visit(address, "/", "DELETE")
    checks.equal("node: buffered", (seen.status, seen.body, seen.cookies), (202, b"DELETE", ["n=1"]))

    name, address = public(functions, "streams", NODE, "index.streams", runtime, InvokeMode="RESPONSE_STREAM")
    visit(address)
    began = time.monotonic()
    response = opened(address)
    head_after = time.monotonic() - began
    first = response.read1()
    first_after = time.monotonic() - began
    rest = response.read()
    all_after = time.monotonic() - began
    shown = (response.status, response.getheader("x-kind"), response.getheader("content-type"), response.getheader("set-cookie"))
    checks.equal("stream: the head", shown, (206, "stream", "text/plain", "s=1"))
    checks.equal("stream: whole", first + rest, b"part 0;part 1;part 2;part 3;done")
    times = (head_after, first_after, all_after)
    checks.holds("stream: the first part long before the last", first_after < all_after - 0.4, times, "0.8 s between them")
    early = visit(address, "/early")
    checks.equal("stream: a failure before it begins", (early.status, early.body), (502, b"Internal Server Error"))
    try:
        ended = visit(address, "/midway").body
    except http.client.IncompleteRead as broken:
        ended = broken
    checks.holds("stream: a failure midway breaks off", isinstance(ended, http.client.IncompleteRead), ended, "a break")
    functions.client.update_function_url_config(FunctionName=name, InvokeMode="BUFFERED")
    whole = visit(address)
    checks.equal("stream: collected", (whole.status, whole.body[-4:], whole.cookies), (206, b"done", ["s=1"]))

    _, address = public(functions, "bare", NODE, "index.bare", runtime, InvokeMode="RESPONSE_STREAM")
    bare = visit(address)
    checks.equal("stream: without metadata", (bare.status, bare.headers["content-type"], bare.body), (200, "text/csv", b"a,b"))


def admission(functions, name):
    client = functions.client
    address = client.create_function_url_config(FunctionName=name, AuthType="NONE")["FunctionUrl"]
    checks.equal("without a policy", visit(address).error, FORBIDDEN)
    client.add_permission(
        FunctionName=name, StatementId="url", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE"
    )
    checks.equal("with one right of two", visit(address).error, FORBIDDEN)
    client.add_permission(
        FunctionName=name, StatementId="invoke", Action="lambda:InvokeFunction", Principal="*", InvokedViaFunctionUrl=True
    )
    checks.equal("with both", visit(address).status, 200)
    nobody = "http://{}.lambda-url.us-east-1.localhost:{}/".format("a" * 32, urllib.parse.urlparse(address).port)
    checks.equal("no such address", visit(nobody).error, FORBIDDEN)
    checks.equal("in capital letters", visit(address.replace("lambda-url", "LAMBDA-URL")).status, 200)
    checks.equal("of another region", visit(address.replace("us-east-1", "eu-west-1")).error, FORBIDDEN)
    client.update_function_url_config(FunctionName=name, AuthType="AWS_IAM")
    checks.equal("a right for everybody is none for signers", visit(address).error, FORBIDDEN)
    client.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=0)
    root = (os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    throttled = visit(address, key=root)
    checks.equal("throttled", (throttled.status, throttled.code), (429, "TooManyRequestsException"))
    client.delete_function_concurrency(FunctionName=name)
    client.delete_function_url_config(FunctionName=name)
    checks.equal("a deleted address", visit(address).error, FORBIDDEN)


def signed(server, functions, name):
    client, iam = functions.client, server.service("iam")
    client.publish_version(FunctionName=name)
    client.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    address = client.create_function_url_config(FunctionName=name, Qualifier="live", AuthType="AWS_IAM")["FunctionUrl"]
    root = (os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"])
    seen = visit(address, "/a%20b?x=1", "POST", b"{}", {"Content-Type": "application/json"}, key=root)
    told = json.loads(seen.body)
    checks.equal("signed: the alias is invoked", (seen.status, told["arn"].rpartition(":")[2]), (200, "live"))
    told = told["event"]["requestContext"]
    checks.equal("signed: whose function", told["accountId"], ACCOUNT)
    checks.includes("signed: who", told["authorizer"]["iam"], {
        "accessKey": root[0], "accountId": ACCOUNT, "userArn": f"arn:aws:iam::{ACCOUNT}:root",
    })
    wrong = visit(address, key=(root[0], "another secret"))
    checks.equal("signed: wrongly", (wrong.status, wrong.code), (403, "InvalidSignatureException"))

    iam.create_user(UserName="caller")
    made = iam.create_access_key(UserName="caller")["AccessKey"]
    key = (made["AccessKeyId"], made["SecretAccessKey"])
    checks.equal("a user without rights", visit(address, key=key).error, FORBIDDEN)
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}:live"
    for actions, expect in ((["lambda:InvokeFunctionUrl"], 403), (["lambda:InvokeFunctionUrl", "lambda:InvokeFunction"], 200)):
        policy = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": actions, "Resource": arn}}
        iam.put_user_policy(UserName="caller", PolicyName="p", PolicyDocument=json.dumps(policy))
        checks.equal(f"a user with {len(actions)} of two rights", visit(address, key=key).status, expect)
    told = json.loads(visit(address, key=key).body)["event"]["requestContext"]["authorizer"]["iam"]
    checks.equal("a user is told", told["userArn"], f"arn:aws:iam::{ACCOUNT}:user/caller")


def another_account(server):
    keys = {account: (account, "any") for account in (OWNER, OTHER)}
    client = boto3.client(
        "lambda", endpoint_url=server.endpoint, region_name=REGION, aws_access_key_id=OWNER, aws_secret_access_key="any"
    )
    with Functions(client) as functions:
        name = functions.make("shared", PYTHON, "app.handler", runtime_of("python"))
        address = client.create_function_url_config(FunctionName=name, AuthType="AWS_IAM")["FunctionUrl"]
        checks.equal("the owner", visit(address, key=keys[OWNER]).status, 200)
        checks.equal("another account", visit(address, key=keys[OTHER]).error, FORBIDDEN)
        admit_all(client, name, "AWS_IAM", OTHER)
        seen = visit(address, key=keys[OTHER])
        checks.equal("another account that may", seen.status, 200)
        context = json.loads(seen.body)["event"]["requestContext"]
        shown = (context["accountId"], context["authorizer"]["iam"]["accountId"])
        checks.equal("another account: both are told", shown, (OWNER, OTHER))
        page = {"Origin": "https://evil.example"}
        checks.equal("a foreign page", visit(address, key=keys[OWNER], headers=page).status, 403)


with tempfile.TemporaryDirectory(prefix="urls-") as folder, OwnServer(folder) as server:
    with Functions(server.client) as functions:
        name, address = public(functions, "python", PYTHON, "app.handler", runtime_of("python"))
        for part, arguments in (
            (events, (address,)),
            (responses, (address,)),
            (cors, (name, address)),
            (node, ()),
        ):
            with checks.part(part.__name__):
                part(functions, *arguments)
        other = functions.make("admission", PYTHON, "app.handler", runtime_of("python"))
        with checks.part("admission"):
            admission(functions, other)
        with checks.part("signed"):
            signed(server, functions, other)

with tempfile.TemporaryDirectory(prefix="urls-") as folder, OpenServer(folder) as server:
    with checks.part("another_account"):
        another_account(server)
checks.finish()
