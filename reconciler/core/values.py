"""Field types that bring what people write and what servers answer to one canonical value.

`"1h"`, `"3600"`, `3600` and `"1h0m0s"` are one duration; `"a,b"`, `["b", "a", "a"]` are one set. Comparing is then `==`.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable
from decimal import Decimal
from functools import lru_cache
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

# Decimal, since 4.35 * 60 is 260.99999999999994 in binary.
_UNITS = {
    **{unit: Decimal(part) for unit, part in (("ns", "1e-9"), ("us", "1e-6"), ("µs", "1e-6"), ("ms", "1e-3"))},
    **{unit: Decimal(size) for unit, size in (("s", 1), ("m", 60), ("h", 3600), ("d", 86400), ("w", 604800), ("y", 31536000))},
}
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h|d|w|y)")
_DURATION = re.compile(rf"-?(?:{_PART.pattern})+")
_NUMBER = re.compile(r"-?[0-9]+")
_STEPS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
LONGEST = 292 * 31536000
"""292 years, in seconds: what the servers' 64 bits of nanoseconds hold."""


def parse_duration(given: object) -> int:
    """Return whole seconds for `3600`, `"3600"`, `"1h"`, `"1h30m0s"`, `"1d"`, `"1.5h"`. Raises ValueError."""
    if type(given) is int and 0 <= given <= LONGEST:
        return given  # what servers answer, thousands of times a plan
    seconds = _seconds(given)
    if seconds < 0:
        raise ValueError(f"{given!r} is negative; a duration cannot be")
    if seconds > LONGEST:
        raise ValueError(f"{given!r} is too long: servers count up to 292 years")
    return int(seconds)


def _seconds(given: object) -> Decimal:
    if isinstance(given, int | float) and not isinstance(given, bool) and (isinstance(given, int) or math.isfinite(given)):
        return Decimal(given)
    if not isinstance(given, str):
        raise ValueError("must be a duration such as 45m, 1h or 30d")
    return _read_duration(given.strip())


@lru_cache(maxsize=1024)  # people write a few durations, thousands of times
def _read_duration(text: str) -> Decimal:
    if _NUMBER.fullmatch(text):
        return Decimal(text)
    if not _DURATION.fullmatch(text):
        raise ValueError(f"{text!r} is not a duration (write 45m, 1h, 30d or seconds)")
    total = sum((Decimal(amount) * _UNITS[unit] for amount, unit in _PART.findall(text)), Decimal(0))
    return -total if text.startswith("-") else total


def show_duration(seconds: int) -> str:
    """Write seconds as people do: 2700 is `45m`, 5400 is `1h30m`, 0 is `0`."""
    parts = []
    for unit, size in _STEPS:
        amount, seconds = divmod(seconds, size)
        if amount:
            parts.append(f"{amount}{unit}")
    return "".join(parts) or "0"


def _strings(given: object) -> list[str]:
    if given is None or given == "":
        return []
    if isinstance(given, str):
        return [part.strip() for part in given.split(",") if part.strip()]
    if isinstance(given, Iterable) and not isinstance(given, dict):
        # The servers strip each entry, and a block of YAML ends in a line's end.
        return [part.strip() if isinstance(part, str) else _plain(part) for part in given]
    raise ValueError("must be a list of strings")


def _ordered(given: object) -> tuple[str, ...]:
    return tuple(_strings(given))


def _sorted(given: object) -> tuple[str, ...]:
    return tuple(sorted(set(_strings(given))))


def _folded(given: object) -> tuple[str, ...]:
    return tuple(sorted({part.lower() for part in _strings(given)}))


def _lines(given: object) -> tuple[str, ...]:
    """Statements: one string is one statement, since SQL holds commas."""
    if given is None or given == "":
        return ()
    return _ordered([given] if isinstance(given, str) else given)


def _mapping(given: object) -> dict[str, str]:
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise ValueError("must be a map")
    return {str(key): _plain(entry) for key, entry in sorted(given.items(), key=lambda pair: str(pair[0]))}


def _plain(entry: object) -> str:
    if isinstance(entry, bool):
        return "true" if entry else "false"
    if isinstance(entry, dict | list) or entry is None:
        raise ValueError("its values must be strings, not maps, lists or nothing")
    return str(entry)


def _text(given: object) -> object:
    return "" if given is None else given


_STRING_LIST = {"type": "array", "items": {"type": "string"}}

Seconds = Annotated[
    int,
    BeforeValidator(parse_duration),
    WithJsonSchema({"type": ["integer", "string"], "description": "a duration: 45m, 1h30m, 30d, or seconds", "x-unit": "seconds"}),
]
"""A duration in seconds."""

StringSet = Annotated[tuple[str, ...], BeforeValidator(_sorted), WithJsonSchema(_STRING_LIST)]
"""Strings without order or repeats: sorted and unique. A comma-separated string is read as several."""

FoldedSet = Annotated[tuple[str, ...], BeforeValidator(_folded), WithJsonSchema(_STRING_LIST)]
"""A StringSet that the server reads without regard to case."""

StringList = Annotated[tuple[str, ...], BeforeValidator(_ordered), WithJsonSchema(_STRING_LIST)]
"""Strings whose order counts."""

Statements = Annotated[tuple[str, ...], BeforeValidator(_lines), WithJsonSchema({"type": ["array", "string"], "items": {"type": "string"}})]
"""SQL or other statements, in order; a single string is one statement."""

StringMap = Annotated[
    dict[str, str], BeforeValidator(_mapping), WithJsonSchema({"type": "object", "additionalProperties": {"type": "string"}})
]
"""String to string, sorted by key; numbers and booleans become strings, as the servers make them."""

Text = Annotated[str, BeforeValidator(_text)]
"""A string for which the server's null means empty."""


def visible(text: str) -> str:
    """Text on one line in which nothing is drawn backwards, erased or coloured: names come from pull requests and servers."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else one.encode("unicode_escape", "surrogatepass").decode() for one in text)


def canonical_json(value: Any) -> str:
    """One text for one value: sorted keys, no blanks, unicode kept. What digests and hashes are made of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def hash_of(value: Any) -> str:
    """The SHA-256 of a value's canonical JSON, in hex."""
    # A server may answer half of a surrogate pair: odd, but it must not stop a plan.
    return hashlib.sha256(canonical_json(value).encode(errors="surrogatepass")).hexdigest()
