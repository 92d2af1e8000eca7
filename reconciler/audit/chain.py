"""What was done to the lines of a segment: the first bad line, and a word for it. Pure.

Two witnesses: the lines themselves, each of which names the hash of the one before; and, where a checkpoint vouches for
them, the hashes that the lines had when they were committed. The second knows the line even where everything after it was
written anew.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from .event import NO_LINE, read_moment
from .reading import Entry, Unreadable, entries, fault_of

GAP_SECONDS = 180.0
"""A process that records gives a sign of life every minute: three missed ones are an empty period."""


class Fault(NamedTuple):
    """The first bad line of a segment, counted from 0, and what was done."""

    number: int
    sort: str
    what: str


class Looked(NamedTuple):
    """A segment's lines, as they were read."""

    found: list[Entry]
    fault: Fault | None
    gaps: tuple[str, ...]
    """Empty periods that the writer itself reported: its machine slept."""


def look(lines: Sequence[bytes], leaves: Sequence[bytes], writer: str) -> Looked:
    """Read a segment and follow its chain."""
    found: list[Entry] = []
    try:
        for entry in entries(lines):
            found.append(entry)
    except Unreadable as error:
        return Looked(found, _unreadable(lines, leaves, error), ())
    prev, gaps, last = NO_LINE, [], ""
    for number, entry in enumerate(found):
        if entry.get("prev") != prev or entry.get("seq") != number or entry.get("writer") != writer or fault_of(entry):
            return Looked(found, _broken(found, leaves, number, writer), ())
        ts = str(entry.get("ts", ""))
        if ts[:16] != last[:16] and last:
            gap = _gap(last, ts)
            if gap and entry.get("code") != "gap":
                return Looked(found, Fault(number, gap[0], gap[1]), ())
            if gap:
                gaps.append(gap[1])
        prev, last = leaves[number].hex(), ts
    return Looked(found, None, tuple(gaps))


def _gap(last: str, ts: str) -> tuple[str, str] | None:
    try:
        seconds = read_moment(ts) - read_moment(last)
    except ValueError:
        return "edited", f"its time {ts!r} is none"
    if seconds < 0:
        return "edited", f"its time {ts} is before that of the line before, {last}"
    if seconds > GAP_SECONDS:
        return "empty", f"nothing was recorded from {last} to {ts}, though its process ran: the log was stopped, or lines were taken out"
    return None


def _unreadable(lines: Sequence[bytes], leaves: Sequence[bytes], error: Unreadable) -> Fault:
    number = error.number
    after = _entry(lines, number + 1)
    before = leaves[number - 1].hex() if number else NO_LINE
    if after is not None and after.get("prev") == before and after.get("seq") == number:
        return Fault(number, "inserted", f"it was put in: {error.why}, and the next line follows the one before it")
    return Fault(number, "edited", f"it was edited: {error.why}")


def _entry(lines: Sequence[bytes], number: int) -> Entry | None:
    try:
        return next(iter(entries(lines[number : number + 1])), None)
    except Unreadable:
        return None


def _broken(found: Sequence[Entry], leaves: Sequence[bytes], number: int, writer: str) -> Fault:
    """Say what happened where the chain first does not fit."""
    entry = found[number]
    before = leaves[number - 1].hex() if number else NO_LINE
    if entry.get("prev") == before and entry.get("seq") == number:
        if entry.get("writer") != writer:
            return Fault(number, "another writer", f"another process wrote it: {entry.get('writer')!r} instead of {writer}")
        return Fault(number, "edited", f"it was edited: {fault_of(entry)}")
    if entry.get("seq") == number:
        return _edited(found, leaves, number)
    seq = entry.get("seq")
    if not isinstance(seq, int):
        return Fault(number, "edited", "it was edited: it has no number")
    return _misplaced(found, number, seq)


def _edited(found: Sequence[Entry], leaves: Sequence[bytes], number: int) -> Fault:
    """The line is where it belongs, but does not follow the line before: one of the two was edited."""
    intact = number + 1 < len(found) and found[number + 1].get("prev") == leaves[number].hex()
    if number and (intact or number + 1 == len(found)):
        return Fault(number - 1, "edited", "it was edited: the line after it names another hash")
    return Fault(number, "edited", "it was edited: it does not name the line before it")


def _misplaced(found: Sequence[Entry], number: int, seq: int) -> Fault:
    places = {entry.get("seq"): at for at, entry in enumerate(found)}
    if seq > number:
        if places.get(number, -1) > number:
            return Fault(number, "reordered", f"lines were reordered: here is number {seq}, and number {number} comes later")
        return Fault(number, "deleted", f"lines were deleted: numbers {number} to {seq - 1} are missing")
    if places.get(number, -1) > number and len(places) == len(found):
        return Fault(number, "reordered", f"lines were reordered: here is number {seq}, and number {number} comes later")
    return Fault(number, "inserted", f"it was put in: its number is {seq}, which is another line's")


def difference(now: Sequence[bytes], kept: Sequence[bytes]) -> Fault | None:
    """Compare the hashes of lines with those that they had when they were committed."""
    if list(now) == list(kept):
        return None
    at = next((number for number, (one, two) in enumerate(zip(now, kept, strict=False)) if one != two), min(len(now), len(kept)))
    if len(now) == len(kept):
        return _altered(now, kept, at)
    surplus = len(now) - len(kept)
    if surplus > 0:
        if now[at + surplus :] == kept[at:]:
            return Fault(at, "inserted", f"{_lines(surplus)} put in here")
        return Fault(at, "inserted", "lines were put in or edited, and all after them were chained anew")
    if at == len(now):
        return Fault(at, "truncated", f"{_lines(-surplus)} cut off from here on")
    if now[at:] == kept[at - surplus :]:
        return Fault(at, "deleted", f"{_lines(-surplus)} deleted here")
    return Fault(at, "deleted", "lines were deleted or edited, and all after them were chained anew")


def _altered(now: Sequence[bytes], kept: Sequence[bytes], at: int) -> Fault:
    if Counter(now) == Counter(kept):
        return Fault(at, "reordered", "lines were reordered from here on")
    changed = sum(one != two for one, two in zip(now, kept, strict=True))
    if changed > 1 and changed == len(now) - at:
        return Fault(at, "rechained", "it was edited, and all lines after it were chained anew")
    return Fault(at, "edited", "it was edited" if changed == 1 else f"it was edited, and {changed - 1} more lines")


def _lines(count: int) -> str:
    return "one line was" if count == 1 else f"{count} lines were"
