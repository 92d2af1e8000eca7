"""C30: each use of an emergency's means was reviewed. The review is a dated `exception` for C30 that names the entry."""

from __future__ import annotations

from reconciler.audit.search import Row

from ..evidence import Evidence
from ..judging import flaw, judged, since
from ..record import BREAK_GLASS, acts, place
from ..result import Assessment, Check, Severity


def _assess(evidence: Evidence) -> Assessment:
    begin = since(evidence, evidence.thresholds.emergency_age)
    used = acts(evidence.rows.found, *BREAK_GLASS, begin=begin)
    flaws = [flaw(place(row), _words(row), remedy=_remedy(row)) for row in used]
    seen = [evidence.entries, *((row.entry, row.action, row.resource, row.actor) for row in used)]
    # A log in which none is to be found shows that there was none.
    return judged(seen, flaws, evidence.rows, population=evidence.entries.number, nothing="the audit log is empty")


def _words(row: Row) -> str:
    about = f" ({row.about['code']})" if row.about.get("code") else ""
    return f"{BREAK_GLASS[row.action]} of {row.ts[:10]} at {row.resource}{about}: no review is on record"


def _remedy(row: Row) -> str:
    return f"review it, and write an `exception` with check: C30, address: {place(row)}"


C30 = Check("C30", "Emergency access is reviewed", Severity.MEDIUM, "review it", offline=False, assess=_assess)
