"""C18: clocks agree: times in logs of several machines can be compared."""

from __future__ import annotations

from ..evidence import Evidence
from ..judging import flaw, judged
from ..result import Assessment, Check, Severity


def _assess(evidence: Evidence) -> Assessment:
    most = evidence.thresholds.clock_skew
    flaws = [
        flaw(f"vault/{one.instance}", f"its clock is {abs(one.apart):,.0f} s from ours, and {most} s is allowed")
        for one in evidence.clocks.found
        if abs(one.apart) > most
    ]
    return judged(evidence.clocks.found, flaws, evidence.clocks)


C18 = Check("C18", "Clocks agree", Severity.MEDIUM, "set both by the same time servers", offline=False, assess=_assess)
