"""C15: every line of the audit log says who, what, when, on what, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator

from ..evidence import Evidence
from ..judging import flaw, judged
from ..record import lacking, place
from ..result import Assessment, Check, Finding, Severity


def _assess(evidence: Evidence) -> Assessment:
    flaws = list(_flaws(evidence))
    seen = [evidence.entries, *((one.address, one.message) for one in flaws)]
    return judged(seen, flaws, evidence.rows, population=evidence.entries.number, nothing="the audit log is empty")


def _flaws(evidence: Evidence) -> Iterator[Finding]:
    for row in evidence.rows.found:
        names = ", ".join(lacking(row))
        if names:
            yield flaw(place(row), f"{row.action or row.type} of {row.ts or 'an unknown time'} lacks {names}")


C15 = Check("C15", "Audit fields complete", Severity.MEDIUM, "look at the entry: reconcile audit search", offline=False, assess=_assess)
