"""C19: an alert of a failure arrived, seen by whoever recorded it."""

from __future__ import annotations

from ..evidence import Evidence
from ..judging import flaw, judged, since
from ..record import ALERT, acts
from ..result import Assessment, Check, Severity


def _assess(evidence: Evidence) -> Assessment:
    begin = since(evidence, evidence.thresholds.alert_age)
    latest = {row.resource: row for row in acts(evidence.rows.found, ALERT, begin=begin)}
    flaws = [flaw(f"alert/{name}", f"did not arrive (audit entry {row.entry})") for name, row in latest.items() if row.outcome != "applied"]
    return judged(
        [(row.entry, row.resource, row.outcome) for row in latest.values()],
        flaws,
        evidence.rows,
        nothing="no alert that arrived is on record",
    )


C19 = Check(
    "C19", "Failure alerts are delivered", Severity.MEDIUM, "mend the way of alerts, and try it again", offline=False, assess=_assess
)
