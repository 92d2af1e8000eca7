"""C27: no personal data in the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from reconciler.audit.event import FREE
from reconciler.audit.personal import flattened, may_be_personal, personal

from ..evidence import Evidence
from ..judging import flaw, judged
from ..result import Assessment, Check, Finding, Severity


def _assess(evidence: Evidence) -> Assessment:
    rows = evidence.rows.found
    return judged(
        [[rows[0].ts, rows[-1].ts, len(rows)]] if rows else [],
        _flaws(evidence),
        evidence.rows,
        population=len(rows),
        nothing="the audit log is empty",
    )


def _flaws(evidence: Evidence) -> Iterator[Finding]:
    for row in evidence.rows.found:
        for name in FREE & row.about.keys():
            for sort in _sorts(str(row.about[name])):
                place = f"audit/{row.entry}" if row.entry >= 0 else "audit/open"
                yield flaw(place, f"`{name}` holds what looks like personal data ({sort})")


@lru_cache(maxsize=4096)  # a few actors and paths stand in thousands of lines
def _sorts(text: str) -> tuple[str, ...]:
    plain = flattened(text)
    return tuple(sorted({span.sort for span in personal(plain)})) if may_be_personal(plain) else ()


C27 = Check("C27", "No personal data in logs", Severity.HIGH, "report what was not redacted, and rename it", offline=False, assess=_assess)
