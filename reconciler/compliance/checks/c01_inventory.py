"""C01: everything that is declared is there, and everything that is there is declared."""

from __future__ import annotations

from collections.abc import Iterator

from ..evidence import Evidence
from ..judging import flaw, judged
from ..result import Assessment, Check, Finding, Severity


def _assess(evidence: Evidence) -> Assessment:
    return judged(evidence.inventory.found, _flaws(evidence), evidence.inventory)


def _flaws(evidence: Evidence) -> Iterator[Finding]:
    for one in evidence.inventory.found:
        if one.declared and not one.there:
            yield flaw(one.address, "is declared, and is not there", one.origin, "apply it, or take it out of git")
        if one.there and not one.declared:
            yield flaw(one.address, "is there, and nobody declared it", one.origin, "declare it (reconcile adopt), or remove it")


C01 = Check("C01", "Inventory complete both ways", Severity.MEDIUM, "declare what is there", offline=False, assess=_assess)
