"""What a verification says: findings, each with the first bad line and what was done, and what it goes by."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from ..core.errors import ReconcilerError
from .head import Unanswered
from .note import Checkpoint
from .pruned import Pruned


class Finding(NamedTuple):
    """One thing that is wrong. `entry`: the number of the first bad line in the log; -1 where that is not a line."""

    sort: str
    entry: int
    where: str
    what: str

    def __str__(self) -> str:
        place = ", ".join(part for part in (f"entry {self.entry}" if self.entry >= 0 else "", self.where) if part)
        return f"{place}: {self.what}"


class Anchor(NamedTuple):
    """A checkpoint that is kept elsewhere, and where."""

    where: str
    note: str


class Known(NamedTuple):
    """A tree that was verified before: where an incremental verification begins."""

    size: int
    peaks: tuple[bytes, ...]
    note: str

    def write(self) -> str:
        return json.dumps({"size": self.size, "peaks": [one.hex() for one in self.peaks], "note": self.note}) + "\n"


def read_known(text: str) -> Known:
    """Raises ReconcilerError where that is not what was written."""
    try:
        written = json.loads(text)
        return Known(int(written["size"]), tuple(map(bytes.fromhex, written["peaks"])), str(written["note"]))
    except (ValueError, TypeError, KeyError):
        raise ReconcilerError("what was verified last cannot be read (delete the file, and verify in full)") from None


@dataclass
class Verdict:
    """What a verification found. Filled while it goes on."""

    size: int = 0
    checked: int = 0
    segments: int = 0
    uncommitted: int = 0
    checkpoint: Checkpoint | None = None
    by: str = ""
    newest: str = ""
    """When the last line was recorded."""
    anchored: int = 0
    """How many entries the anchors cover; 0 where there are none."""
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    pruned: list[Pruned] = field(default_factory=list)
    """What the lines that were read say was archived."""
    unseen: list[str] = field(default_factory=list)
    """What could have been done without being seen here."""
    unanswered: Mapping[str, Unanswered] = field(default_factory=dict)
    known: Known | None = None
    """What the next verification may begin with; None where something is wrong."""

    @property
    def ok(self) -> bool:
        return not self.findings

    def fail(self, sort: str, what: str, entry: int = -1, where: str = "") -> None:
        """Add a finding: what was good so far is no beginning for the next verification."""
        self.findings.append(Finding(sort, entry, where, what))
        self.known = None
