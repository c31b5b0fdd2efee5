"""Events and results as JSON, with Lambda's conventions.

Uses the interpreter's C scanner and encoder directly: importing `json` costs more than all
the rest of a cold start. What they do not know is added here, as Lambda's runtime has it:
Decimals are written as numbers, bytes as text, named tuples as objects, and from
Python 3.12 on text is not escaped to ASCII. Parse errors are left to `json`, which words them.
"""

import sys

import _json

from .fault import Fault

#: Values of these exact types hold nothing that needs a closer look.
_ATOMS = frozenset((str, int, float, bool, type(None)))

#: The C encoder is not a public interface; this is the first version that was not looked at.
_C_ENCODER_UNKNOWN_FROM = (3, 15)

#: Lambda runtimes that still write non-ASCII text as \\u escapes.
_ASCII_RUNTIMES = frozenset("AWS_Lambda_python3.%d" % minor for minor in range(6, 12))


class _ScanSettings:
    """What the C scanner reads from a `json.JSONDecoder`."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float
    memo = {}


_scan = _json.make_scanner(_ScanSettings)


def decode(body, content_type):
    """The event that `body` holds; bytes of another content type are passed on untouched."""
    if content_type is not None and not content_type.startswith(b"application/json"):
        return body
    try:
        text = body.decode("utf-8")
        value, end = _scan(text, 0)
        if end == len(text):
            return value
    except Exception:
        pass  # Surrounding space or an error: the full decoder tells them apart.
    try:
        import json

        return json.loads(body)
    except Exception as error:
        raise Fault("Runtime.UnmarshalError", "Unable to unmarshal input: %s" % error)


def marshal(encode, result):
    """The handler's `result` as bytes of JSON."""
    try:
        return encode(result)
    except Exception as error:
        raise Fault("Runtime.MarshalError", "Unable to marshal response: %s" % error)


def encoder(environ):
    """A function from a value to bytes of JSON, in the dialect of this function's runtime."""
    runtime = environ.get("AWS_EXECUTION_ENV", "")
    if runtime.startswith("AWS_Lambda_python"):
        ascii_only = runtime in _ASCII_RUNTIMES
    else:
        ascii_only = sys.version_info < (3, 12)
    quote = _json.encode_basestring_ascii if ascii_only else _json.encode_basestring

    def encode(value):
        numbers = _Numbers()
        if "collections" in sys.modules and _holds_record(value):
            value = _without_records(value)
        if sys.version_info < _C_ENCODER_UNKNOWN_FROM:
            make = _json.make_encoder
            # Marks of containers seen, indent, separators, sort keys, skip keys, allow NaN.
            run = make({}, numbers.default, quote, None, ": ", ", ", False, False, True)
            text = "".join(run(value, 0))
        else:
            import json

            text = json.dumps(value, default=numbers.default, ensure_ascii=ascii_only)
        return numbers.unquote(text).encode("utf-8")

    return encode


class _Numbers:
    """Writes Decimals as bare numbers, which the C encoder cannot.

    They pass through it as strings between two random marks, and lose marks and quotes after.
    """

    __slots__ = ("_mark",)

    def __init__(self):
        self._mark = None

    def default(self, value):
        decimal = sys.modules.get("decimal")
        if decimal is not None and isinstance(value, decimal.Decimal):
            if value.is_nan():
                return float("nan")
            if self._mark is None:
                import os

                self._mark = os.urandom(16).hex()
            return self._mark + str(value) + self._mark
        if isinstance(value, bytes):
            return value.decode("utf-8")
        raise TypeError("Object of type %s is not JSON serializable" % type(value).__name__)

    def unquote(self, text):
        if self._mark is None:
            return text
        return text.replace('"' + self._mark, "").replace(self._mark + '"', "")


def _holds_record(value):
    """Whether a named tuple is anywhere within `value`."""
    try:
        return _search_record(value)
    except RecursionError:
        return False  # Circular or too deep: the encoder reports it.


def _search_record(value):
    if isinstance(value, dict):
        items = value.values()
    elif isinstance(value, (list, tuple)):
        if hasattr(value, "_asdict"):
            return True
        items = value
    else:
        return False
    for item in items:
        if type(item) not in _ATOMS and _search_record(item):
            return True
    return False


def _without_records(value):
    if isinstance(value, dict):
        return {key: _without_records(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        if hasattr(value, "_asdict"):
            return _without_records(value._asdict())
        return [_without_records(item) for item in value]
    return value
