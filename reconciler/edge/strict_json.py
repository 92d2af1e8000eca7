"""JSON that every reader reads alike: what parsers disagree on is refused.

The standard parser takes the last of two equal keys, UTF-16, `NaN`, and halves of surrogate pairs that nothing can store.
"""

from __future__ import annotations

import json
import math
import re
from typing import NoReturn

DEEPEST = 64  # the deepest event of GitHub has seven levels; recursion over what is stored must not end a worker
# U+0000, which PostgreSQL cannot hold, and surrogates, which are fine in pairs alone.
_SUSPECT = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


class NotStrict(Exception):
    """Why a body is no strict JSON, in words that quote none of it."""


def parse(body: bytes) -> object:
    """Return what the JSON in `body` says, or raise NotStrict."""
    try:
        parsed: object = _DECODER.decode(body.decode())
    except UnicodeDecodeError:
        raise NotStrict("not UTF-8") from None
    except RecursionError:
        raise NotStrict("nested too deep") from None
    except ValueError:
        # Also numbers of more digits than Python converts.
        raise NotStrict("not JSON") from None
    if isinstance(parsed, dict | list):
        _bounded(parsed, DEEPEST)
    if b"\\u" in body and _SUSPECT.search(body):
        _storable(parsed)
    return parsed


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise NotStrict("the same key twice")
    return members


def _no_number(_name: str) -> NoReturn:
    raise NotStrict("NaN and Infinity are no JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):  # 1e999: written out again it would be no JSON
        raise NotStrict("a number too large")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_number, parse_float=_finite)


def _bounded(node: dict[str, object] | list[object], left: int) -> None:
    if not left:
        raise NotStrict("nested too deep")
    for child in node.values() if type(node) is dict else node:
        if type(child) is dict or type(child) is list:
            _bounded(child, left - 1)


def _storable(node: object) -> None:
    if isinstance(node, str):
        if _UNSTORABLE.search(node):
            raise NotStrict("a NUL or half of a surrogate pair")
    elif isinstance(node, dict):
        for key, value in node.items():
            _storable(key)
            _storable(value)
    elif isinstance(node, list):
        for child in node:
            _storable(child)
