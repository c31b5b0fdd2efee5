"""Requests that are out of form: bodies that are none of JSON or not of the operation's form, targets that are encoded
oddly, methods that nobody serves.

Each comes with a word for it, and whether it must be refused; the others may mean something.
"""

import json

DEEP = 20_000
#: A number that no integer of the model holds, in JSON's own spelling.
HUGE = "1" + "0" * 400
METHODS = ("PATCH", "OPTIONS", "TRACE", "HEAD", "BREW")


def requests(operation, good):
    """Label, request, and whether it must be refused; `good` are values that the operation may take."""
    method, target, headers, body = operation.request(good)
    yield from _of_targets(operation, method, target, headers, body)
    if _has_document(operation):
        yield from _of_bodies(operation, method, target, headers, body)
        yield from _of_members(operation, good, method, target, headers)
    for other in METHODS:
        # A path of one operation may be that of another under this method, but of these there is none.
        yield f"method {other}", (other, target, headers, body), True


def _has_document(operation):
    return any(operation.location(name) == "body" for name in operation.members) and not operation.payload


def _of_targets(operation, method, target, headers, body):
    path, _, query = target.partition("?")
    more = target + ("&" if query else "?")
    if method not in ("GET",):
        return
    yield "a query key twice", (method, f"{more}MaxItems=1&MaxItems=2&Qualifier=1&Qualifier=2", headers, body), False
    yield "an unknown query key", (method, f"{more}NoSuchKey=1&&=&%3D", headers, body), False
    yield "a query with lone percents", (method, f"{more}Marker=%&MaxItems=%zz&Qualifier=%4", headers, body), False
    yield "a query that is not UTF-8", (method, f"{more}Marker=%ff%fe&Qualifier=%c3%28", headers, body), False
    yield "a query with zero bytes", (method, f"{more}Marker=%00&Qualifier=%00", headers, body), False
    yield "huge numbers in a query", (method, f"{more}MaxItems={HUGE}", headers, body), "MaxItems" in operation.members
    yield "no number in a query", (method, f"{more}MaxItems=abc", headers, body), "MaxItems" in operation.members
    yield "a fraction in a query", (method, f"{more}MaxItems=1.5", headers, body), "MaxItems" in operation.members
    if "{" in operation.uri:
        for label, text in (
            ("a zero byte", "%00"), ("no UTF-8", "%ff%c3"), ("lone percents", "%zz%"), ("encoded slashes", "a%2Fb%2f.."),
            ("dots", ".."), ("a long label", "a" * 20_000), ("a colon at the end", "f0:"), ("many colons", ":" * 50),
            ("an ARN of another service", "arn:aws:s3:::bucket"), ("a broken ARN", "arn:aws:lambda:us-east-1::function:"),
            ("an ARN of another region", "arn:aws:lambda:xx-none-1:000000000000:function:f0"),
            ("an ARN of another account", "arn:aws:lambda:us-east-1:999999999999:function:f0"),
            ("a plus", "a+b"), ("unescaped characters", "f0;a=b,c@d!$'()*"), ("two kinds of dollar", "f0:$LATEST%24"),
        ):  # fmt: skip
            yield f"a label with {label}", (method, _labelled(operation, text), headers, body), False
    yield "a doubled slash", (method, target.replace("/", "//", 1), headers, body), False
    yield "a slash at the end", (method, path + "/" + (f"?{query}" if query else ""), headers, body), False
    yield "a GET with a body", (method, target, headers, b'{"FunctionName": 1}'), False


def _labelled(operation, text):
    path, _, query = operation.uri.partition("?")
    words = [text if word.startswith("{") else word for word in path.split("/")]
    return "/".join(words) + (f"?{query}" if query else "")


def _of_bodies(operation, method, target, headers, body):
    # Below a member that the operation does not have, nobody looks at what an escape stands for.
    is_known = "Description" in operation.members
    for label, content, is_refused in (
        ("an empty body", b"", False),
        ("no JSON", b"this is no JSON", True),
        ("half of a document", body[: len(body) // 2] or b"{", True),
        ("no UTF-8", b'{"Description": "\xff\xfe"}', True),
        ("half of a surrogate", b'{"Description": "\\ud800"}', is_known),
        ("a list for a document", b"[]", True),
        ("a text for a document", b'"text"', True),
        ("a number for a document", b"1", True),
        ("null for a document", b"null", False),
        ("deep lists", b'{"NoSuchMember": ' + b"[" * DEEP + b"]" * DEEP + b"}", False),
        ("deep objects", b'{"a":' * DEEP + b"1" + b"}" * DEEP, False),
        ("two documents", (body or b"{}") * 2, True),
        ("a zero byte", b"\0" + body, True),
        ("a byte order mark", b"\xef\xbb\xbf" + body, True),
    ):
        yield label, (method, target, headers, content), is_refused
    yield "another content type", (method, target, headers | {"content-type": "text/xml"}, b"<a/>"), True


def _of_members(operation, good, method, target, headers):
    def written(document):
        return method, target, headers, document.encode()

    document = {name: value for name, value in good.items() if operation.location(name) == "body"}
    for name, shape in operation.members.items():
        if operation.location(name) != "body":
            continue
        rest = {other: value for other, value in document.items() if other != name}
        front = json.dumps(rest, default=lambda value: "")[:-1] + (", " if rest else "")
        for label, text, kinds in (
            ("a number", "12", {"structure", "list", "map", "boolean"}),
            ("a huge number", HUGE, {"structure", "list", "map", "boolean", "integer", "string"}),
            ("a tiny number", "-1e-400", {"structure", "list", "map", "boolean", "integer"}),
            ("a truth", "true", {"structure", "list", "map", "integer", "double", "long"}),
            ("a text", '"text"', {"structure", "list", "map", "integer", "boolean", "double", "long"}),
            ("a list", "[[]]", {"structure", "map", "string", "integer", "boolean", "blob", "double", "long"}),
            ("an object", '{"a": {"b": []}}', {"list", "string", "integer", "boolean", "blob", "double", "long"}),
            ("a list with null", "[null]", {"list", "structure", "map", "string", "integer", "boolean"}),
        ):
            if shape.type_name in kinds:
                yield f"{name}: {label}", written(f'{front}"{name}": {text}}}'), True
