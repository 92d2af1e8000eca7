"""C26: nobody can unseal a server alone."""

from __future__ import annotations

from ..evidence import Evidence
from ..judging import flaw, judged
from ..result import Assessment, Check, Severity


def _assess(evidence: Evidence) -> Assessment:
    least = evidence.thresholds.unseal_shares
    flaws = [
        flaw(f"vault/{one.instance}", f"{one.threshold} of {one.of} shares unseal or recover it ({one.seal}), and {least} are asked for")
        for one in evidence.shares.found
        if one.threshold < least
    ]
    return judged(evidence.shares.found, flaws, evidence.shares)


C26 = Check(
    "C26",
    "Unsealing takes two people",
    Severity.HIGH,
    "make new shares: bao operator rekey -init -key-shares=5 -key-threshold=3",
    offline=False,
    assess=_assess,
)
