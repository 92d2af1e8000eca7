"""What the audit log tells of writes to stores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    for listed in book.segments():
        begin = begin or listed.begun
        content = book.content(listed.id)
        if content is None:
            absent.append(Period(listed.begun, listed.ended))
        else:
            reader.take(whole_lines(content)[0], listed.begin)
    for path in book.unfinished():
        lines = whole_lines(path.read_bytes())[0]
        begin = begin or next((str(entry["ts"]) for entry in sound_entries(lines[:1])), "")
        reader.take(lines, -1)
    return Told(begin, tuple(reader.claims()), tuple(reader.removals), tuple(absent))


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
