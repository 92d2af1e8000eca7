"""What the checks ask of entries of the audit log. A log has millions, of which a report keeps those that matter."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from reconciler.audit.event import FREE
from reconciler.audit.personal import flattened, may_be_personal, personal
from reconciler.audit.search import Row

BACKUP, DRILL, ALERT, EMERGENCY, PROMOTED = "backup", "drill", "alert", "rotation.emergency", "rotation.promote"
BREAK_GLASS = {
    "lockdown.on": "a lockdown",
    "lock.break": "a lock that was broken",
    "guard.allowed": "a guard that was lifted on the command line",
}
"""What only an emergency asks for."""
_ASKED = frozenset({BACKUP, DRILL, ALERT, EMERGENCY, PROMOTED, *BREAK_GLASS})
_ACTS = ("intent", "decision")
_FROM_COMMITS = ("apply", "rollback", "rotation")
_ID = re.compile(r"(?=[0-9]*[a-f])[0-9a-f]{12,}")  # of runs, commits and fingerprints: nearly all that is long


def matters(row: Row) -> bool:
    """Whether a check says anything of this entry."""
    return bool(acts([row], *_ASKED)) or any(lacking(row)) or any(personal_fields(row))


def acts(rows: Iterable[Row], *actions: str, begin: str = "") -> list[Row]:
    """What was done or decided since a moment. The line that begins a process's segment names an action too, and is none."""
    return [row for row in rows if row.action in actions and row.type in _ACTS and row.ts >= begin]


def lacking(row: Row) -> Iterator[str]:
    """What an entry does not tell of who, what, when, on what and what became of it."""
    if row.type not in _ACTS:
        return
    for name in ("actor", "ts", "action", "resource"):
        if not getattr(row, name):
            yield name
    # An intent of a run that goes on has no outcome yet; it is in no committed segment.
    if row.type == "intent" and not row.outcome and row.entry >= 0:
        yield "outcome"
    if row.action.partition(".")[0] in _FROM_COMMITS and not row.commit:
        yield "commit"


def personal_fields(row: Row) -> Iterator[tuple[str, str]]:
    """Fields that hold what looks like personal data, and of what sort. Never the value."""
    for name, value in row.about.items():
        if name in FREE:
            for sort in _sorts(str(value)):
                yield name, sort


def place(row: Row) -> str:
    """What to call an entry; one that is not committed yet has no number."""
    return f"audit/{row.entry}" if row.entry >= 0 else "audit/open"


@lru_cache(maxsize=4096)  # a few actors and paths stand in thousands of lines
def _sorts(text: str) -> tuple[str, ...]:
    if _ID.fullmatch(text):
        return ()
    plain = flattened(text)
    return tuple(sorted({span.sort for span in personal(plain)})) if may_be_personal(plain) else ()
