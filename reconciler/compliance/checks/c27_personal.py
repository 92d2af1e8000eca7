"""C27: no personal data in the audit log."""

from __future__ import annotations

from collections.abc import Iterator

from ..evidence import Evidence
from ..judging import flaw, judged
from ..record import personal_fields, place
from ..result import Assessment, Check, Finding, Severity


def _assess(evidence: Evidence) -> Assessment:
    flaws = list(_flaws(evidence))
    seen = [evidence.entries, *((one.address, one.message) for one in flaws)]
    return judged(seen, flaws, evidence.rows, population=evidence.entries.number, nothing="the audit log is empty")


def _flaws(evidence: Evidence) -> Iterator[Finding]:
    for row in evidence.rows.found:
        for name, sort in personal_fields(row):
            yield flaw(place(row), f"`{name}` holds what looks like personal data ({sort})")


C27 = Check("C27", "No personal data in logs", Severity.HIGH, "report what was not redacted, and rename it", offline=False, assess=_assess)
