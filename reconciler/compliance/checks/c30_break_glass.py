"""C30: each use of an emergency's means was reviewed. The review is a dated `exception` for C30 that names the entry."""

from __future__ import annotations

from reconciler.audit.search import Row

from ..evidence import Evidence
from ..judging import flaw, judged, since
from ..result import Assessment, Check, Severity

_ACTIONS = {
    "lockdown.on": "a lockdown",
    "lock.break": "a lock that was broken",
    "guard.allowed": "a guard that was lifted on the command line",
}


def _assess(evidence: Evidence) -> Assessment:
    begin = since(evidence, evidence.thresholds.emergency_age)
    rows = [row for row in evidence.rows.found if row.ts >= begin]
    used = [row for row in rows if row.action in _ACTIONS]
    flaws = [flaw(f"audit/{row.entry}", _words(row), remedy=_remedy(row)) for row in used]
    # A log in which none is to be found shows that there was none.
    return judged(
        [(row.entry, row.action, row.resource, row.actor) for row in used],
        flaws,
        evidence.rows,
        population=len(rows),
        nothing="the audit log is empty",
    )


def _words(row: Row) -> str:
    about = f" ({row.about['code']})" if row.about.get("code") else ""
    return f"{_ACTIONS[row.action]} of {row.ts[:10]} at {row.resource}{about}: no review is on record"


def _remedy(row: Row) -> str:
    return f"review it, and write an `exception` with check: C30, address: audit/{row.entry}"


C30 = Check("C30", "Emergency access is reviewed", Severity.MEDIUM, "review it", offline=False, assess=_assess)
