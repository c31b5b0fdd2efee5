"""Lambda's operations out of the public API model, and requests to them that are written here and not by an SDK, so that
any value can stand in any place.

A value may be of any JSON type, whatever the member's is; what a path, query or header cannot carry is left out.
"""

import base64
import datetime
import json
import pathlib
import urllib.parse

import botocore.session

#: A member's path is a tuple of names with these between them.
ELEMENT, KEY, VALUE = "[]", "{key}", "{value}"
COVERAGE = pathlib.Path(__file__).resolve().parents[3] / "conformance" / "operations" / "lambda.txt"


class Operation:
    """One operation of the model."""

    def __init__(self, model):
        self.name = model.name
        self.method = model.http["method"]
        self.uri = model.http["requestUri"]
        self.input = model.input_shape
        self.members = dict(self.input.members) if self.input else {}
        self.required = set(self.input.required_members) if self.input else set()
        self.payload = self.input.serialization.get("payload") if self.input else None
        self.errors = {shape.error_code for shape in model.error_shapes}
        self.is_streaming = model.has_event_stream_output

    def location(self, member):
        """`uri`, `querystring`, `header`, or `body`."""
        return self.members[member].serialization.get("location", "body")

    def request(self, values):
        """Method, target, headers and body of a call with these values."""
        path, _, query = self.uri.partition("?")
        pairs, headers, document = ([query] if query else []), {}, {}
        body = b""
        for name, value in values.items():
            shape = self.members.get(name)
            serialization = shape.serialization if shape is not None else {}
            place, wire_name = serialization.get("location"), serialization.get("name", name)
            if place == "uri":
                for template in (f"{{{wire_name}}}", f"{{{wire_name}+}}"):
                    path = path.replace(template, _quoted(_text(value)))
            elif place == "querystring":
                for part in value if isinstance(value, list) else [value]:
                    pairs.append(f"{_quoted(wire_name)}={_quoted(_text(part))}")
            elif place == "header":
                headers[wire_name] = _text(value)
            elif name == self.payload:
                body = value if isinstance(value, bytes) else json.dumps(value, default=_json).encode()
            else:
                document[wire_name] = value
        if document and not self.payload:
            body = json.dumps(document, default=_json).encode()
        target = path + ("?" + "&".join(pairs) if pairs else "")
        return self.method, target, headers, body


def operations():
    """All operations by name."""
    model = botocore.session.get_session().get_service_model("lambda")
    return {name: Operation(model.operation_model(name)) for name in model.operation_names}


def unfinished():
    """Operations that this version does not call done."""
    lines = COVERAGE.read_text().splitlines()
    words = [line.split() for line in lines if not line.startswith("#")]
    return {word[1] for word in words if word[0] != "done"}


def _quoted(text):
    return urllib.parse.quote(text, safe="-_.~")


def _text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.datetime):
        return value.isoformat()
    return value if isinstance(value, str) else json.dumps(value, default=_json)


def _json(value):
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    raise TypeError(type(value))
