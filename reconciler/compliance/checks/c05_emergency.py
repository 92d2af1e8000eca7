"""C05: an emergency rotation, or a drill of one, ended with the leaked value being refused."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.audit.search import Row

from ..evidence import Evidence, Part
from ..judging import flaw, judged, since
from ..record import EMERGENCY, acts
from ..result import Assessment, Check, Finding, Severity


def _assess(evidence: Evidence) -> Assessment:
    begin = since(evidence, evidence.thresholds.emergency_age)
    latest = {row.resource: row for row in acts(evidence.rows.found, EMERGENCY, begin=begin)}
    alarmed = [one for one in evidence.standings.found if one.alarmed is not None]
    seen = [(row.entry, row.resource, row.outcome) for row in latest.values()] + [(one.path, one.alarmed) for one in alarmed]
    # The store alone knows a generated value: whether anybody refuses the old one, nobody can be asked.
    untold = [path for path, row in latest.items() if row.outcome == "unknown"]
    unsure: Part[object] = Part((), (f"nobody can be asked whether what leaked of {untold[0]} is refused",) if untold else ())
    nothing = "no emergency rotation, and no drill of one, is on record"
    return judged(seen, _flaws(evidence, latest), evidence.rows, evidence.standings, unsure, nothing=nothing)


def _flaws(evidence: Evidence, latest: dict[str, Row]) -> Iterator[Finding]:
    origins = {one.path: one.origin for one in evidence.secrets}
    alarmed = {one.path for one in evidence.standings.found if one.alarmed is not None}
    for path in sorted(alarmed):
        yield flaw(f"secret/{path}", "leaked, and what leaked is still good or not known to be refused", origins.get(path))
    for path, row in latest.items():
        if row.outcome not in ("refused", "unknown") and path not in alarmed:
            yield flaw(f"secret/{path}", f"what leaked was not seen to be refused (audit entry {row.entry})", origins.get(path))


C05 = Check(
    "C05",
    "Emergency rotation proven: the leaked value is refused",
    Severity.CRITICAL,
    "rotate it until its target refuses the old value: reconcile rotate --secret-path PATH --emergency --leaked all",
    offline=False,
    assess=_assess,
)
