"""What the audit log tells of writes to stores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..audit.log import Log
from ..audit.reading import Entry, sound_entries, whole_lines

NO_VERSION = frozenset({"rotation.apply", "rotation.revoke", "rotation.evict", "rotation.discard", "secret.destroy"})
"""What names a store and makes no version there: a target is changed, or a version taken away."""
_REMOVING = (".delete", ".replace")
_REMOVED = ("vault.kv_secret/", "vault.secrets_engine/", "aws.secret/")


class Claim(NamedTuple):
    """One write as the log tells it. Path and version are as they were recorded: redacted."""

    entry: int
    """The number of the intent's line; -1 where it is not committed yet."""
    action: str
    store: str
    path: str
    rid: str
    begun: str
    ended: str = ""
    outcome: str = ""
    """Empty: none was recorded."""
    version: str = ""
    """Empty: the log does not say which."""


class Removal(NamedTuple):
    """A declared object that an apply took away, with every version below it."""

    resource: str
    at: str


class Period(NamedTuple):
    """From a moment to another, as lines have them."""

    begun: str
    ended: str


class Part(NamedTuple):
    """A segment of the log. `begin`: the number of its first line, -1 where it is not committed; no lines: they are in an archive."""

    period: Period
    begin: int
    lines: list[bytes] | None


@dataclass(frozen=True)
class Told:
    """All that the log tells. `begin`: its first line; empty where nothing was ever recorded."""

    begin: str
    claims: tuple[Claim, ...]
    removals: tuple[Removal, ...] = ()
    absent: tuple[Period, ...] = ()
    """Periods whose lines are in an archive and not here."""


def told_by(book: Log) -> Told:
    """Read the whole log, with what this machine's processes are writing. Raises ReconcilerError."""
    reader = _Reader()
    begin, absent = "", []
    for part in parts(book):
        begin = begin or part.period.begun
        if part.lines is None:
            absent.append(part.period)
        else:
            reader.take(part.lines, part.begin)
    return Told(begin, tuple(reader.claims()), tuple(reader.removals), tuple(absent))


def parts(book: Log) -> Iterator[Part]:
    """The log's segments in their order, then those that this machine's processes write."""
    # What is open is read first: meanwhile it may become one of the segments.
    unfinished = {path.stem: lines for path in book.unfinished() if (lines := _lines(path))}
    for listed in book.segments():
        unfinished.pop(listed.id, None)
        content = book.content(listed.id)
        yield Part(Period(listed.begun, listed.ended), listed.begin, None if content is None else whole_lines(content)[0])
    for lines in unfinished.values():
        first, last = sound_entries([lines[0], lines[-1]])
        yield Part(Period(str(first["ts"]), str(last["ts"])), -1, lines)


def _lines(path: Path) -> list[bytes]:
    try:
        return whole_lines(path.read_bytes())[0]
    except FileNotFoundError:
        return []


class _Reader:
    """Puts intents and their outcomes together, which may be in different segments."""

    def __init__(self) -> None:
        self._open: dict[str, Claim] = {}
        self._closed: list[Claim] = []
        self._removing: dict[str, str] = {}
        self.removals: list[Removal] = []

    def take(self, lines: Sequence[bytes], begin: int) -> None:
        for number, entry in enumerate(sound_entries(lines)):
            if entry["type"] == "intent":
                self._intent(entry, begin + number if begin >= 0 else -1)
            elif entry["type"] == "outcome":
                self._outcome(entry)

    def claims(self) -> Iterator[Claim]:
        yield from self._closed
        yield from self._open.values()

    def _intent(self, entry: Entry, number: int) -> None:
        id, action, resource = _text(entry, "id"), _text(entry, "action"), _text(entry, "resource")
        if entry.get("store") and action not in NO_VERSION:
            self._open[id] = Claim(number, action, _text(entry, "store"), resource, _text(entry, "rid"), _text(entry, "ts"))
        elif action.endswith(_REMOVING) and resource.startswith(_REMOVED):
            self._removing[id] = resource

    def _outcome(self, entry: Entry) -> None:
        id, outcome, ts = _text(entry, "cause_id"), _text(entry, "outcome"), _text(entry, "ts")
        claim = self._open.pop(id, None)
        if claim is not None:
            self._closed.append(claim._replace(ended=ts, outcome=outcome, version=_text(entry, "ver_to")))
        removed = self._removing.pop(id, "")
        if removed and outcome == "applied":
            self.removals.append(Removal(removed, ts))


def _text(entry: Entry, name: str) -> str:
    return str(entry.get(name, ""))
