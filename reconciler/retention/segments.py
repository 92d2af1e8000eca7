"""The audit log: which of its segments go to the archive."""

from __future__ import annotations

from collections.abc import Sequence

from ..audit.archive import archivable
from ..audit.head import Listed
from ..audit.log import Log
from ..core.keeping import LegalHold
from .due import Due, Thing, divided


def look(book: Log, before: str, holds: Sequence[LegalHold]) -> tuple[Due, tuple[Listed, ...]]:
    """What ended before a moment; and the segments of those that go."""
    listed = {one.id: one for one in archivable(book, before)}
    due = divided([Thing("audit_log", "audit log", one.id, _entries(one), one.begun, one.ended) for one in listed.values()], holds)
    return due, tuple(listed[thing.name] for thing in due.going)


def _entries(listed: Listed) -> str:
    return f"entries {listed.begin:,} to {listed.end - 1:,}"
