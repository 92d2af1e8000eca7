"""Reads lines: many at once, since one by one the JSON parser takes three times as long."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ..core.errors import ReconcilerError
from .event import KEYS, TYPES, VERSION
from .head import Unanswered

BATCH = 1000

Entry = Mapping[str, Any]
"""A line that was read."""


class Unreadable(ReconcilerError):
    """A line that is none of ours: which of those that were read, and why."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(f"the audit log has a line that is none of its own: {why} (reconcile audit verify says which)")
        self.number = number
        self.why = why


def whole_lines(content: bytes) -> tuple[list[bytes], bytes]:
    """The lines of a file without their ends, and what is torn off after the last of them."""
    lines = content.split(b"\n")
    return lines[:-1], lines[-1]


def entries(lines: Sequence[bytes]) -> Iterator[Entry]:
    """What the lines say. Raises Unreadable at the first that is not one of ours."""
    for start in range(0, len(lines), BATCH):
        batch = lines[start : start + BATCH]
        yield from _parsed(batch) or _one_by_one(batch, start)


def _parsed(batch: Sequence[bytes]) -> list[Entry] | None:
    try:
        found = json.loads(b"[%b]" % b",".join(batch))
    except (ValueError, RecursionError):
        return None
    return found if len(found) == len(batch) and all(type(one) is dict for one in found) else None


def _one_by_one(batch: Sequence[bytes], start: int) -> Iterator[Entry]:
    for number, line in enumerate(batch, start):
        try:
            found = json.loads(line)
        except (ValueError, RecursionError):
            raise Unreadable(number, "it is no JSON") from None
        if type(found) is not dict:
            raise Unreadable(number, "it is no map")
        yield found


def fault_of(entry: Entry) -> str:
    """Why an entry is none of ours; empty where it is one."""
    if not entry.keys() <= KEYS:
        return f"it has fields that no line has: {', '.join(sorted(map(repr, entry.keys() - KEYS)))}"
    if entry.get("v") != VERSION:
        return f"it has version {entry.get('v')!r}, and this program reads {VERSION}"
    if entry.get("type") not in TYPES:
        return f"it has type {entry.get('type')!r}, which no line has"
    return ""


def sound_entries(lines: Sequence[bytes]) -> Iterator[Entry]:
    """The same, where nobody has followed the chain. Raises Unreadable."""
    for number, entry in enumerate(entries(lines)):
        fault = fault_of(entry)
        if fault:
            raise Unreadable(number, fault)
        yield entry


def answered(before: Mapping[str, Unanswered], found: Iterator[Entry]) -> dict[str, Unanswered]:
    """The intents that have no outcome after these entries."""
    left = dict(before)
    for entry in found:
        if entry["type"] == "intent":
            one = Unanswered(*(str(entry.get(name, "")) for name in Unanswered._fields))
            left[one.id] = one
        elif entry["type"] == "outcome":
            left.pop(str(entry.get("cause_id")), None)
    return left
