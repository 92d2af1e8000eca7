"""C29: every secret is read by somebody, as the server's own audit log tells it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from reconciler.core.values import show_duration

from ..evidence import Evidence, Part, Reads
from ..judging import flaw, judged
from ..result import Assessment, Check, Finding, Severity


def _assess(evidence: Evidence) -> Assessment:
    begin = evidence.at - datetime.timedelta(seconds=evidence.thresholds.unused)
    reads = next(iter(evidence.reads.found), None)
    if reads is None:
        return judged([], [], evidence.reads)
    late = f"the server's audit log was read from {reads.since:%Y-%m-%d} on only" if reads.since > begin else ""
    seen = [(one.path, reads.last.get(one.path)) for one in evidence.secrets]
    flaws = [] if late else _flaws(evidence, reads, begin)
    return judged(seen, flaws, evidence.reads, Part((), (late,) if late else ()))


def _flaws(evidence: Evidence, reads: Reads, begin: datetime.datetime) -> Iterator[Finding]:
    for one in evidence.secrets:
        last = reads.last.get(one.path)
        if last is None or last < begin:
            when = f"since {last:%Y-%m-%d}" if last else f"for {show_duration(evidence.thresholds.unused)}"
            yield flaw(one.address, f"was read by nobody {when}", one.origin)


C29 = Check("C29", "No unused secrets", Severity.LOW, "ask its owner, and remove it", offline=False, assess=_assess)
