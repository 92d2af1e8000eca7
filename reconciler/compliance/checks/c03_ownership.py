"""C03: every secret has an owner and a schedule. Its class is its type, which no document can leave out."""

from __future__ import annotations

from collections.abc import Iterator

from ..evidence import Evidence
from ..judging import flaw, judged
from ..result import Assessment, Check, Finding, Severity


def _assess(evidence: Evidence) -> Assessment:
    seen = [(one.address, one.owner, one.type, one.interval) for one in evidence.secrets]
    return judged(seen, _flaws(evidence), nothing="no secret is declared")


def _flaws(evidence: Evidence) -> Iterator[Finding]:
    for one in evidence.secrets:
        if not one.owner:
            yield flaw(one.address, "has no owner", one.origin, "name who answers for it: `owner: TEAM`")
        if one.interval is None:
            remedy = "name a schedule: `rotation: POLICY`; or write a dated `exception` for C03"
            yield flaw(one.address, "has no schedule", one.origin, remedy)


C03 = Check("C03", "Owner, class and schedule", Severity.MEDIUM, "say who answers for it, and when", offline=True, assess=_assess)
