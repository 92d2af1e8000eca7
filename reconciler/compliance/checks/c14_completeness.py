"""C14: every version in a store has exactly one outcome in the audit log, and the reverse."""

from __future__ import annotations

from ..evidence import Evidence
from ..judging import flaw, judged
from ..result import Assessment, Check, Severity


def _assess(evidence: Evidence) -> Assessment:
    origins = {one.address: one.origin for one in evidence.secrets}
    problems = [problem for one in evidence.tallied.found for problem in one.problems]
    flaws = [flaw(address, what, origins.get(address)) for address, what in problems]
    versions = sum(one.versions for one in evidence.tallied.found)
    return judged(evidence.tallied.found, flaws, evidence.tallied, population=versions, nothing="no store has a version of a secret")


C14 = Check(
    "C14", "The audit log is complete", Severity.HIGH, "find out who wrote past it: reconcile audit complete", offline=False, assess=_assess
)
