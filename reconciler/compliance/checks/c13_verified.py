"""C13: the audit log verifies."""

from __future__ import annotations

from ..evidence import Evidence
from ..judging import flaw, judged
from ..result import Assessment, Check, Severity


def _assess(evidence: Evidence) -> Assessment:
    name = f"audit/{evidence.environment}"
    flaws = [flaw(name, problem) for one in evidence.verified.found for problem in one.problems]
    entries = sum(one.entries for one in evidence.verified.found)
    return judged(evidence.verified.found, flaws, evidence.verified, population=entries)


C13 = Check(
    "C13", "The audit log verifies", Severity.CRITICAL, "find out who wrote there: reconcile audit verify", offline=False, assess=_assess
)
