"""The record of a migration: one entry on the ledger's shelf, by which every machine knows where writes go."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from ..audit.shelf import Shelf
from ..core.errors import ReconcilerError, Refused
from ..core.values import canonical_json
from ..secrets.rollout import FOLDER

KEY = "migration"
FORMAT = 1
Phase = Literal["dual", "closing", "cutover", "returning", "aborted"]
"""Writes go to the source and are copied; to nobody, while the last of them are copied; to the destination alone; to nobody,
while what was written there is taken back; to the source alone: it is over."""


class Record(NamedTuple):
    """One migration. `match`: a glob of paths. `keep`: so many of the newest versions; 0: all. `serial` counts changes."""

    source: str
    destination: str
    phase: Phase
    match: str = "*"
    keep: int = 0
    since: str = ""
    by: str = ""
    copied: str = ""
    """When everything was copied for the first time."""
    serial: int = 0

    @property
    def in_force(self) -> bool:
        return self.phase != "aborted"

    @property
    def leader(self) -> str:
        return self.source if self.phase in ("dual", "closing", "aborted") else self.destination

    @property
    def follower(self) -> str:
        return self.destination if self.leader == self.source else self.source

    @property
    def folder(self) -> str:
        """Where the pairs of these two stores lie: an aborted migration that is begun anew finds them."""
        return f"{KEY}s/{self.source}-{self.destination}/"

    @property
    def beside(self) -> str:
        """Where it is kept which secrets the destination had of its own at the cutover."""
        return f"{KEY}s/{self.source}-{self.destination}.beside"

    def covers(self, path: str) -> bool:
        """Whether a path is moved. The document of a rotation goes with its secret."""
        return fnmatchcase(path.removeprefix(FOLDER), self.match)

    def __str__(self) -> str:
        paths = "" if self.match == "*" else f" of {self.match}"
        return f"the migration{paths} from {self.source} to {self.destination}, begun {self.since} by {self.by}"


def read_record(shelf: Shelf) -> Record | None:
    """The last migration. Raises ReconcilerError for an entry that cannot be read: nobody can tell then where writes go."""
    entry = shelf.get(KEY)
    return _read(entry.content) if entry else None


def write_record(shelf: Shelf, before: Record | None, after: Record) -> Record:
    """Replace the record that was read. Raises Refused where somebody else has changed it meanwhile."""
    entry = shelf.get(KEY)
    if (_read(entry.content) if entry else None) != before:
        raise Refused("somebody else has changed the migration meanwhile (look at `reconcile migrate status`)")
    made = after._replace(serial=before.serial + 1 if before else 1)
    shelf.put(KEY, canonical_json({"format": FORMAT, **made._asdict()}).encode(), entry.version if entry else "")
    return made


def _read(content: bytes) -> Record:
    try:
        written = json.loads(content)
        if written.pop("format") == FORMAT:
            return Record(**written)
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    raise ReconcilerError(f"the entry `{KEY}` of the ledger cannot be read, so nobody can tell where writes go (restore it from a backup)")
