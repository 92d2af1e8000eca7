"""C29: every secret is read by somebody, as the server's own audit log tells it."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

from reconciler.core.values import show_duration

from ..evidence import Declared, Evidence, Part
from ..judging import flaw, judged
from ..result import Assessment, Check, Finding, Severity
from ..seen import Reads


def _assess(evidence: Evidence) -> Assessment:
    reads = next(iter(evidence.reads.found), None)
    if reads is None:
        return judged([], [], evidence.reads)
    begin = evidence.at - datetime.timedelta(seconds=evidence.thresholds.unused)
    mine = [one for one in evidence.secrets if one.store == reads.store]
    seen = [(one.path, reads.last.get(one.path)) for one in mine]
    flaws = [] if reads.since > begin else _flaws(evidence, reads, mine, begin)
    return judged(seen, flaws, evidence.reads, Part((), tuple(_unsaid(evidence, reads, begin))), nothing="no secret is declared")


def _unsaid(evidence: Evidence, reads: Reads, begin: datetime.datetime) -> Iterator[str]:
    if reads.since > begin:
        yield f"the server's audit log was read from {reads.since:%Y-%m-%d} on only"
    for store in sorted({one.store for one in evidence.secrets} - {reads.store}):
        yield f"who reads the store {store} is recorded nowhere that was looked at"


def _flaws(evidence: Evidence, reads: Reads, secrets: list[Declared], begin: datetime.datetime) -> Iterator[Finding]:
    for one in secrets:
        last = reads.last.get(one.path)
        if last is None or last < begin:
            when = f"since {last:%Y-%m-%d}" if last else f"for {show_duration(evidence.thresholds.unused)}"
            yield flaw(one.address, f"was read by nobody {when}", one.origin)


C29 = Check("C29", "No unused secrets", Severity.LOW, "ask its owner, and remove it", offline=False, assess=_assess)
