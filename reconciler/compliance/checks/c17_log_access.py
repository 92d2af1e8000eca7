"""C17: who reads the audit log is recorded."""

from __future__ import annotations

from ..evidence import Evidence
from ..judging import flaw, judged
from ..result import Assessment, Check, Severity


def _assess(evidence: Evidence) -> Assessment:
    flaws = [
        flaw(one.address, f"lies in {one.place}, where nobody records who reads it") for one in evidence.places.found if not one.recorded
    ]
    return judged(evidence.places.found, flaws, evidence.places)


C17 = Check(
    "C17",
    "Access to the audit log is logged",
    Severity.MEDIUM,
    "keep it in a Vault with an audit device: `audit: {ship: ledger}`",
    offline=False,
    assess=_assess,
)
