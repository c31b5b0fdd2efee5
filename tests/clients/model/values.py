"""Values for the members of an input: such as the model allows, and such as break one constraint of it.

What is known of existing resources comes in by `known`, a function from operation and member to a value or `None`.
"""

import base64
import datetime
import string
from dataclasses import dataclass

from model.calls import ELEMENT, KEY, VALUE
from model.texts import matching, strange

NUMBERS = ("integer", "long", "double", "float")
#: Of numbers that the model does not bound.
NUMBER_MAX = 1_000
#: `i32`, beyond which a value is not in the form of the operation at all.
INTEGER_MAX = 2**31 - 1
TEXT = string.ascii_letters + string.digits
#: Larger than this, a blob or list at its upper end is not worth its time here; the count tells how many.
SIZE_MAX = 2_000_000


@dataclass
class Violation:
    """One constraint broken at one end."""

    operation: str
    path: tuple
    constraint: str
    values: dict
    #: What the answer must say; `None` where the request does not reach the check.
    says: str


class Values:
    """Makes values with a random source of its own."""

    def __init__(self, random, known=lambda operation, name, shape: None, wants=lambda operation, name, likelihood: False, begin=lambda operation: None):
        self.random = random
        self.known = known
        self.wants = wants
        self.begin = begin

    def input(self, operation, optional=0.0):
        """An input: what is required, and each optional member with this likelihood."""
        self.begin(operation.name)
        return self._structure(operation.input, operation, optional) if operation.input else {}

    def _structure(self, shape, operation, optional):
        made = {}
        for name, member in shape.members.items():
            if name in shape.required_members or self.wants(operation.name, name, optional):
                made[name] = self.value(member, operation, name, optional)
        return made

    def value(self, shape, operation, name="", optional=0.0):
        """A value that the model allows."""
        known = self.known(operation.name, name, shape)
        if known is not None:
            return known
        least, most = shape.metadata.get("min", 0), shape.metadata.get("max")
        match shape.type_name:
            case "structure":
                return self._structure(shape, operation, optional)
            case "list":
                size = self._size(least, most)
                return [self.value(shape.member, operation, name, optional) for _ in range(size)]
            case "map":
                size = self._size(least, most)
                keys = [self.value(shape.key, operation) for _ in range(size)]
                return {key: self.value(shape.value, operation, "", optional) for key in keys}
            case "string":
                return self._text(shape, least, most)
            case "blob":
                return bytes(max(least, 1))
            case "boolean":
                return self.random.random() < 0.5
            case "timestamp":
                return datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
            case "double" | "float":
                return self.random.uniform(float(least), float(NUMBER_MAX if most is None else most))
            case "integer" | "long":
                ends = (int(least), int(NUMBER_MAX if most is None else most))
                # The ends are where mistakes are made.
                return self.random.choice([*ends, self.random.randint(*ends)])
            case other:
                raise ValueError(f"a member is of type {other}, which is not known here")

    def _size(self, least, most):
        return self.random.randint(least, max(least, min(3, most if most is not None else 3)))

    def _text(self, shape, least, most):
        if shape.enum:
            return self.random.choice(shape.enum)
        if pattern := shape.metadata.get("pattern"):
            return matching(pattern, self.random, least, most) or self._letters(least, most)
        return self._letters(least, most)

    def _letters(self, least, most):
        size = self.random.randint(least, max(least, min(12, 12 if most is None else most)))
        return "".join(self.random.choices(TEXT, k=size))

    def reaching(self, shape, path, leaf, operation):
        """What is required, and the way to a member at `path`, where `leaf` stands."""
        if not path:
            return leaf
        step, rest = path[0], path[1:]
        if step == ELEMENT:
            size = max(1, shape.metadata.get("min", 0))
            others = [self.value(shape.member, operation) for _ in range(size - 1)]
            return [self.reaching(shape.member, rest, leaf, operation), *others]
        if step == KEY:
            return {leaf: self.value(shape.value, operation)}
        if step == VALUE:
            return {self.value(shape.key, operation): self.reaching(shape.value, rest, leaf, operation)}
        made = self._structure(shape, operation, 0.0)
        made[step] = self.reaching(shape.members[step], rest, leaf, operation)
        if leaf is ABSENT and not rest:
            del made[step]
        return made


#: Stands for a member that is left out.
ABSENT = object()


def violations(operation, values):
    """Every constraint of the operation's input, broken at each end where it can be. Gives a `Violation`, or the path
    and constraint alone of what nobody can break."""
    if operation.input:
        yield from _broken(operation, operation.input, (), values)


def _broken(operation, shape, path, values, within=()):
    if shape.name in within:
        return
    for name in shape.required_members if shape.type_name == "structure" else ():
        yield _absent(operation, (*path, name), values)
    for constraint, leaf, failure in _leaves(shape, values):
        yield _violation(operation, path, constraint, leaf, failure, values)
    match shape.type_name:
        case "structure":
            for name, member in shape.members.items():
                yield from _broken(operation, member, (*path, name), values, (*within, shape.name))
        case "list":
            yield from _broken(operation, shape.member, (*path, ELEMENT), values, within)
        case "map":
            yield from _broken(operation, shape.key, (*path, KEY), values, within)
            yield from _broken(operation, shape.value, (*path, VALUE), values, within)


def _absent(operation, path, values):
    if len(path) == 1 and operation.location(path[0]) == "uri":
        return path, "required"
    says = f"at '{shown(path)}' failed to satisfy constraint: Member must not be null"
    made = values.reaching(operation.input, path, ABSENT, operation)
    return Violation(operation.name, path, "required", made, says)


def _violation(operation, path, constraint, leaf, failure, values):
    place = operation.location(path[0]) if path else "body"
    if leaf is None or (len(path) == 1 and not _can_carry(place, leaf)):
        return path, constraint
    outer = next((i for i, step in enumerate(path) if step in (KEY, VALUE) or path[i:] == (ELEMENT,)), None)
    if outer is None:
        says = f"at '{shown(path)}' failed to satisfy constraint: {failure}"
    else:
        # An element of a list or map is reported with all constraints of its kind.
        kind = {ELEMENT: "Member", KEY: "Map keys", VALUE: "Map value"}[path[outer]]
        says = f"at '{shown(path[:outer])}' failed to satisfy constraint: {kind} must satisfy constraint: ["
    made = values.reaching(operation.input, path, leaf, operation)
    return Violation(operation.name, path, constraint, made, says)


def _can_carry(place, leaf):
    text = leaf if isinstance(leaf, str) else "x"
    # An empty label is another path, no header has a line's end in it,
    # and a list in a query is as many pairs as it has elements: none is no list.
    return not (
        (place == "uri" and text == "")
        or (place == "querystring" and leaf == [])
        or (place == "header" and any(c < " " for c in text))
    )


def _leaves(shape, values):
    """Constraint, a value that breaks it (or `None`), and how that is told."""
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    kind = shape.type_name
    if kind in NUMBERS:
        for constraint, bound, step, words in (("min", least, -1, "greater"), ("max", most, 1, "less")):
            if bound is not None:
                number = float(bound) if kind in ("double", "float") else int(bound)
                told = int(number) if number == int(number) else number
                fits = kind in ("double", "float", "long") or abs(number + step) <= INTEGER_MAX
                failure = f"Member must have value {words} than or equal to {told}"
                yield constraint, number + step if fits else None, failure
        return
    if least is not None:
        leaf = None if least == 0 else _sized(shape, least - 1, values)
        yield "min", leaf, f"Member must have length greater than or equal to {least}"
    if most is not None:
        leaf = None if most > SIZE_MAX else _sized(shape, most + 1, values)
        yield "max", leaf, f"Member must have length less than or equal to {most}"
    if kind == "string" and shape.metadata.get("pattern"):
        pattern = shape.metadata["pattern"]
        failure = f"Member must satisfy regular expression pattern: {pattern}"
        yield "pattern", strange(pattern, least or 0, most), failure
    if kind == "string" and shape.enum:
        yield "enum", "NoSuchValue", f"Member must satisfy enum value set: [{', '.join(shape.enum)}]"


def _sized(shape, size, values):
    operation = _NONE
    match shape.type_name:
        case "string":
            text = matching(shape.metadata["pattern"], values.random) if shape.metadata.get("pattern") else "a"
            text = text or "a"
            return text[:size] if len(text) >= size else text + "a" * (size - len(text))
        case "list":
            return [values.value(shape.member, operation) for _ in range(size)]
        case "map":
            return {f"k{number}": values.value(shape.value, operation) for number in range(size)}
        case "blob":
            return base64.b64encode(bytes(size)).decode()
    return None


class _NONE:
    """No operation: nothing is known of its members."""

    name = ""


def shown(path):
    """A path as violations name it."""
    words = []
    for step in path:
        if step == ELEMENT:
            words[-1] += ".1.member"
        else:
            words.append(step[0].lower() + step[1:])
    return ".".join(words)
