"""C04: rotations come to their end: none is orphaned, in conflict, stuck or failing."""

from __future__ import annotations

from collections.abc import Iterator

from ..evidence import Evidence
from ..judging import flaw, judged
from ..result import Assessment, Check, Finding, Severity


def _assess(evidence: Evidence) -> Assessment:
    seen = [(one.path, one.store, one.phase, one.failures, one.stuck, one.alarmed) for one in evidence.standings.found]
    return judged(seen, _flaws(evidence), evidence.standings, nothing="no secret is declared")


def _flaws(evidence: Evidence) -> Iterator[Finding]:
    declared = {one.path: one for one in evidence.secrets}
    for one in evidence.standings.found:
        if not one.in_trouble and not one.failures:
            continue
        secret = declared.get(one.path)
        why = f": {one.reason}" if one.reason else ""
        times = f", {one.failures} failures in a row" if one.failures else ""
        yield flaw(f"secret/{one.path}", f"its rotation is {one.phase}{times}{why}", secret.origin if secret else None)


C04 = Check(
    "C04", "Rotations succeed, none orphaned", Severity.HIGH, "look at `reconcile rotate status`, and end it", offline=False, assess=_assess
)
