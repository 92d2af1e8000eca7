"""C12: each server writes two audit logs: where the only one cannot be written, the server stops or nothing is recorded."""

from __future__ import annotations

from collections.abc import Iterator

from ..evidence import Evidence
from ..judging import flaw, judged
from ..result import Assessment, Check, Finding, Severity

LEAST = 2


def _assess(evidence: Evidence) -> Assessment:
    return judged(evidence.sinks.found, _flaws(evidence), evidence.sinks)


def _flaws(evidence: Evidence) -> Iterator[Finding]:
    for one in evidence.sinks.found:
        if len(one.devices) < LEAST:
            named = f" ({', '.join(one.devices)})" if one.devices else ""
            yield flaw(f"vault/{one.instance}", f"has {len(one.devices)} of {LEAST} audit devices{named}")


C12 = Check("C12", "Two audit sinks", Severity.HIGH, "enable a second audit device, of another type", offline=False, assess=_assess)
