"""C21: what lives is what the last applied commit says."""

from __future__ import annotations

from ..evidence import Evidence
from ..judging import flaw, judged
from ..result import Assessment, Check, Severity


def _assess(evidence: Evidence) -> Assessment:
    strayed = [one for drift in evidence.drift.found for one in drift.strayed]
    flaws = [flaw(one.address, _words(one.action, one.fields), one.origin) for one in strayed]
    return judged(evidence.drift.found, flaws, evidence.drift, population=sum(drift.compared for drift in evidence.drift.found))


def _words(action: str, fields: tuple[str, ...]) -> str:
    if action == "create":
        return "is gone"
    if action in ("delete", "forget"):
        return "is still there"
    return f"was changed past git: {', '.join(fields)}" if fields else "was changed past git"


C21 = Check("C21", "No drift", Severity.HIGH, "look at `reconcile drift`, then apply or declare it", offline=False, assess=_assess)
