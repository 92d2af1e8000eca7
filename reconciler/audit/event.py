"""What is recorded: events of a few types with allow-listed fields, and the lines that they are written as.

A line is JSON on one line, UTF-8, without blanks. Nobody has to write it again in the same spelling: the bytes as they
stand in the file are what is hashed, and `prev` is the leaf hash of the line before.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from functools import lru_cache
from json.encoder import encode_basestring
from typing import Literal, NamedTuple, Protocol

VERSION = 1
NO_LINE = "0" * 64
"""What stands in `prev` of the first line of a segment."""
ID = re.compile(r"[0-9a-f]{16}")

Type = Literal["intent", "outcome", "decision", "heartbeat", "recovery", "segment"]
"""What is about to be done; what became of it; what somebody or a guard decided; a sign of life; what was found broken
and set aside; the beginning of a segment."""
TYPES: tuple[Type, ...] = ("intent", "outcome", "decision", "heartbeat", "recovery", "segment")


class Event(NamedTuple):
    """One thing to record. There is no field for free text, and none for a value."""

    type: Type
    id: str = ""
    cause_id: str = ""
    """The intent that an outcome is of."""
    actor: str = ""
    """A pseudonym."""
    authn: str = ""
    """How the actor was known: the machine's user, GitHub's token, ..."""
    commit: str = ""
    action: str = ""
    resource: str = ""
    store: str = ""
    ver_from: str = ""
    ver_to: str = ""
    rid: str = ""
    """The run, or the rotation."""
    phase: str = ""
    fence: str = ""
    outcome: str = ""
    code: str = ""
    fp: str = ""
    """A keyed fingerprint, or a digest of what is no secret."""
    ext_req_id: str = ""


FIELDS = Event._fields
FREE = frozenset(FIELDS) - {"type", "id", "cause_id"}
"""Fields that take what others chose, and are therefore redacted."""
_DIGEST, _UUID = r"[0-9a-f]{40}|[0-9a-f]{64}", r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
OWN: Mapping[str, re.Pattern[str]] = {
    "commit": re.compile(_DIGEST),
    "fp": re.compile(r"[0-9a-f]{16}|[0-9a-f]{64}"),
    "ver_from": re.compile(_UUID),
    "ver_to": re.compile(_UUID),
    "rid": re.compile(r"[0-9a-f]{12}"),
    "ext_req_id": re.compile(_UUID),
}
"""Fields that are for ids, and how those are spelled: there they stay as they are. Anywhere else they may be tokens."""
KEYS = frozenset(FIELDS) | {"v", "seq", "ts", "writer", "prev"}


class Stamp(NamedTuple):
    """What the log itself adds to an event."""

    seq: int
    ts: str
    writer: str
    prev: str


class Cleans(Protocol):
    """The redaction."""

    def __call__(self, text: str) -> str:
        """A text without what the log must not hold."""
        ...

    def own(self, text: str) -> str:
        """The same for an id in the field that is for it."""
        ...


def line_of(event: Event, stamp: Stamp, clean: Cleans) -> bytes:
    """The line of an event, without its end. `clean` sees every field that somebody else chose.

    Put together by hand, since two lines an object must not be felt in an apply: the JSON encoder takes three times as long.
    """
    parts = [f'{{"v":{VERSION},"seq":{stamp.seq},"ts":"{stamp.ts}","writer":"{stamp.writer}"']
    for (name, start), value in zip(_STARTS, event, strict=True):
        if value:
            parts.append(start + encode_basestring(cleaned(name, value, clean)))
    parts.append(f',"prev":"{stamp.prev}"}}')
    return "".join(parts).encode()


_STARTS = tuple((name, f',"{name}":') for name in FIELDS)


def cleaned(field: str, value: str, clean: Cleans) -> str:
    """A field as the log holds it."""
    if field not in FREE:
        return value
    own = OWN.get(field)
    return clean.own(value) if own is not None and own.fullmatch(value) else clean(value)


def moment(seconds: float) -> str:
    """A moment as lines have it: UTC, to the millisecond."""
    whole, thousandths = divmod(int(seconds * 1000), 1000)
    return f"{_to_the_second(whole)}.{thousandths:03}Z"


@lru_cache(maxsize=16)
def _to_the_second(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%S")


def read_moment(ts: str) -> float:
    """The moment that a line tells, in seconds. Raises ValueError."""
    return datetime.datetime.strptime(ts, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.UTC).timestamp()
