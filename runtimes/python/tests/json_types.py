"""Values that plain JSON does not know, and how Lambda writes them."""

import collections
import datetime
import decimal
import enum
import typing

Point = collections.namedtuple("Point", "x y")


class Typed(typing.NamedTuple):
    name: str
    inner: Point


class Colour(str, enum.Enum):
    RED = "red"


class Number(enum.IntEnum):
    ONE = 1


def decimals(event, context):
    number = decimal.Decimal
    return {"price": number("19.90"), "list": [number("1E+3"), number("-0.5")]}


def decimal_nan(event, context):
    return [decimal.Decimal("NaN"), float("nan"), float("inf"), float("-inf")]


def named_tuples(event, context):
    return {"point": Point(1, 2), "nested": [Typed("a", Point(3, None))], "plain": (1, 2)}


def enums(event, context):
    return {"colour": Colour.RED, "number": Number.ONE, Colour.RED: Number.ONE}


def inner_bytes(event, context):
    return {"data": b"caf\xc3\xa9"}


def keys(event, context):
    return {1: "int", 2.5: "float", None: "none", False: "false", "s": "text"}


def big_numbers(event, context):
    return [2**70, 1e300, -0.0, 0.1]


def a_datetime(event, context):
    return {"at": datetime.datetime(2026, 1, 1)}


def a_set(event, context):
    return {1, 2}


def bad_key(event, context):
    return {(1, 2): 3}


def circular(event, context):
    value = []
    value.append(value)
    return value


async def coroutine(event, context):
    return 1


def lone_surrogate(event, context):
    return "\ud800"


def large(event, context):
    return "x" * event["size"]


def size_of(event, context):
    return len(event["text"])
