"""C15: every line of the audit log says who, what, when, on what, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.audit.search import Row

from ..evidence import Evidence
from ..judging import flaw, judged
from ..result import Assessment, Check, Finding, Severity

_ACTS = ("intent", "decision")
_FROM_COMMITS = ("apply", "rollback", "rotation")


def _assess(evidence: Evidence) -> Assessment:
    acts = [row for row in evidence.rows.found if row.type in _ACTS]
    seen = ((row.entry, row.ts, row.type, row.actor, row.action, row.resource, row.outcome, row.commit) for row in acts)
    return judged(seen, _flaws(acts), evidence.rows, nothing="the audit log is empty")


def _flaws(acts: list[Row]) -> Iterator[Finding]:
    for row in acts:
        lacking = list(_lacking(row))
        if lacking:
            place = f"audit/{row.entry}" if row.entry >= 0 else "audit/open"
            yield flaw(place, f"{row.action or row.type} of {row.ts or 'an unknown time'} lacks {', '.join(lacking)}")


def _lacking(row: Row) -> Iterator[str]:
    for name in ("actor", "ts", "action", "resource"):
        if not getattr(row, name):
            yield name
    # An intent of a run that goes on has no outcome yet; it is in no committed segment.
    if row.type == "intent" and not row.outcome and row.entry >= 0:
        yield "outcome"
    if row.action.partition(".")[0] in _FROM_COMMITS and not row.commit:
        yield "commit"


C15 = Check("C15", "Audit fields complete", Severity.MEDIUM, "look at the entry: reconcile audit search", offline=False, assess=_assess)
