"""Looks for what was done: mutations with their outcomes, decisions, recoveries."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from .log import Log
from .reading import Entry, sound_entries, whole_lines


class Wanted(NamedTuple):
    """What is looked for; empty: anything. `since` and `until` are moments as lines have them, or beginnings of such."""

    actors: frozenset[str] = frozenset()
    """Pseudonyms."""
    action: str = ""
    """Glob patterns, with * and ?."""
    resource: str = ""
    outcome: str = ""
    rid: str = ""
    since: str = ""
    until: str = ""


class Row(NamedTuple):
    """One thing that was done or decided, with what became of it."""

    entry: int
    """Its number in the log; -1 where it is not committed yet."""
    ts: str
    type: str
    actor: str
    action: str
    resource: str
    outcome: str
    """Of an intent: empty where none was recorded."""
    rid: str
    commit: str
    about: Entry
    """The line itself, with what the outcome's line adds to it."""


def search(book: Log, wanted: Wanted, clean: Callable[[str], str] = str) -> list[Row]:
    """What fits, in the order of the log. `clean`: the redaction, since names were redacted before they were recorded."""
    return sorted(walk(book, wanted, clean), key=lambda row: (row.entry < 0, row.entry, row.ts))


def walk(book: Log, wanted: Wanted, clean: Callable[[str], str] = str) -> Iterator[Row]:
    """The same one by one, each when what became of it was read: for whoever keeps few of a million."""
    fits = _matcher(wanted, clean)
    waiting: dict[str, Row] = {}
    for begin, lines in _parts(book, wanted):
        yield from filter(fits, _rows(lines, begin, waiting))
    yield from filter(fits, waiting.values())


def _parts(book: Log, wanted: Wanted) -> Iterator[tuple[int, list[bytes]]]:
    """The segments that may hold it, and those that are open."""
    for listed in book.segments():
        # An outcome may be recorded by a later process than its intent, so only what ended before is left out.
        if not wanted.since or listed.ended >= wanted.since:
            content = book.content(listed.id)
            if content is not None:
                yield listed.begin, whole_lines(content)[0]
    for path in book.unfinished():
        yield -1, whole_lines(path.read_bytes())[0]


def _rows(lines: list[bytes], begin: int, waiting: dict[str, Row]) -> Iterator[Row]:
    """The rows of a segment: answered intents, and everything but signs of life. What is unanswered waits."""
    actor = ""
    for number, entry in enumerate(sound_entries(lines)):
        if entry["type"] == "segment":
            actor = str(entry.get("actor", ""))
        if entry["type"] == "outcome":
            intent = waiting.pop(str(entry.get("cause_id")), None)
            if intent is not None:
                about = {**intent.about, **{key: entry[key] for key in entry.keys() - intent.about.keys()}}
                yield intent._replace(outcome=str(entry.get("outcome", "")), about=about)
            continue
        row = _row(entry, begin + number if begin >= 0 else -1, actor)
        if entry["type"] == "intent":
            waiting[str(entry.get("id"))] = row
        elif entry["type"] != "heartbeat":
            yield row


def _row(entry: Entry, number: int, actor: str) -> Row:
    def text(name: str) -> str:
        return str(entry.get(name, ""))

    who = text("actor") or actor
    return Row(number, text("ts"), text("type"), who, text("action"), text("resource"), text("outcome"), text("rid"), text("commit"), entry)


def _matcher(wanted: Wanted, clean: Callable[[str], str]) -> Callable[[Row], bool]:
    action, resource = _pattern(wanted.action), _pattern(clean(wanted.resource))

    def fits(row: Row) -> bool:
        return (
            (not wanted.actors or row.actor in wanted.actors)
            and (not wanted.outcome or row.outcome == wanted.outcome)
            and (not wanted.rid or row.rid == wanted.rid)
            and (not wanted.since or row.ts >= wanted.since)
            and (not wanted.until or row.ts <= wanted.until)
            and (action is None or action.fullmatch(row.action) is not None)
            and (resource is None or resource.fullmatch(row.resource) is not None)
        )

    return fits


def _pattern(glob: str) -> re.Pattern[str] | None:
    """A glob in which * is anything and ? one character. Brackets are themselves: redaction writes them."""
    if not glob:
        return None
    return re.compile("".join({"*": ".*", "?": "."}.get(one, re.escape(one)) for one in glob), re.DOTALL)


def raw_lines(book: Log, since: str = "", until: str = "") -> Iterator[bytes]:
    """The lines themselves, as they were hashed."""
    for listed in book.segments():
        if (not since or listed.ended >= since) and (not until or listed.begun <= until):
            content = book.content(listed.id)
            if content is not None:
                yield from _between(whole_lines(content)[0], since, until)


def _between(lines: Iterable[bytes], since: str, until: str) -> Iterator[bytes]:
    found = list(lines)
    if not since and not until:
        yield from found
        return
    for line, entry in zip(found, sound_entries(found), strict=True):
        ts = str(entry.get("ts", ""))
        if (not since or ts >= since) and (not until or ts <= until):
            yield line
