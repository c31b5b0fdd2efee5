"""Strings that match a pattern of the API model, made from the pattern itself, and strings that do not.

Python's own parser takes the pattern apart; look-arounds are not built but tested: a string is tried until one matches.
"""

import functools
import re
import string
from re import _constants as code
from re import _parser as parser

#: Of `.` and of negated classes.
ANY = string.ascii_letters + string.digits + "-_=+ "
#: Unicode classes, which Python's patterns do not know, by characters that belong to them.
CLASSES = {r"\p{L}": "a-zA-Zéß", r"\p{Z}": " ", r"\p{N}": "0-9"}
CATEGORIES = {
    code.CATEGORY_DIGIT: string.digits,
    code.CATEGORY_WORD: string.ascii_letters + string.digits + "_",
    code.CATEGORY_SPACE: " ",
    code.CATEGORY_NOT_SPACE: string.ascii_letters + string.digits + ":/.-",
}
#: Tried in turn for what a pattern does not match.
STRANGERS = ("!", "a b", "\n", "", "a\nb", "é", "system.x", "$", "a$", ".", "a.", "123", "\x7f", "arn:x", "{}")
TRIES_MAX = 200
RANGE_MAX = 255


@functools.cache
def _parsed(pattern):
    for name, characters in CLASSES.items():
        pattern = pattern.replace(name, characters)
    return parser.parse(pattern), re.compile(f"(?:{pattern})\\Z")


def matches(pattern, text):
    """Whether the whole text is matched."""
    return _parsed(pattern)[1].match(text) is not None


def matching(pattern, random, least=0, most=None):
    """A string that matches, within the bounds of length; `None` if luck does not find one."""
    tree, compiled = _parsed(pattern)
    for attempt in range(TRIES_MAX):
        # Repetitions grow with the tries, towards a long least length.
        text = "".join(_written(tree, random, 3 + attempt // 4 + (least if attempt > 20 else 0)))
        if most is not None and len(text) > most:
            text = text[:most]
        if len(text) >= least and compiled.match(text):
            return text
    return None


def strange(pattern, least=0, most=None):
    """A string within the bounds that does not match, or `None` where there is none."""
    for text in STRANGERS:
        padded = text + text[-1:] * max(0, least - len(text))
        if len(padded) >= least and (most is None or len(padded) <= most) and not matches(pattern, padded):
            return padded
    return None


def _written(tree, random, most):
    for kind, what in tree:
        if kind is code.LITERAL:
            yield chr(what)
        elif kind is code.NOT_LITERAL:
            yield random.choice(ANY.replace(chr(what), ""))
        elif kind is code.ANY:
            yield random.choice(ANY)
        elif kind is code.IN:
            yield random.choice(_members(what))
        elif kind in (code.MAX_REPEAT, code.MIN_REPEAT):
            low, high, part = what
            for _ in range(random.randint(low, min(high, max(low, most)))):
                yield from _written(part, random, most)
        elif kind is code.SUBPATTERN:
            yield from _written(what[-1], random, most)
        elif kind is code.BRANCH:
            yield from _written(random.choice(what[1]), random, most)
        elif kind not in (code.AT, code.ASSERT, code.ASSERT_NOT):
            raise ValueError(f"a pattern has {kind}, which is not known here")


def _members(parts):
    if parts[0][0] is code.NEGATE:
        return _without(parts[1:])
    found = []
    for kind, what in parts:
        if kind is code.LITERAL:
            found.append(chr(what))
        elif kind is code.RANGE:
            # The beginning of a wide range stands for all of it.
            found.extend(chr(number) for number in range(what[0], min(what[1], what[0] + RANGE_MAX) + 1))
        elif kind is code.CATEGORY:
            # `[\s\S]` means any.
            found.extend(CATEGORIES.get(what, ANY))
    return found


def _without(parts):
    excluded = set(_members(parts))
    return [character for character in ANY + ".:/" if character not in excluded]
