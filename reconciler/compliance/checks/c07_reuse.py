"""C07: no value is used twice, by the keyed fingerprints that the audit log holds of what was promoted."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.audit.search import Row

from ..evidence import Evidence
from ..judging import flaw, judged
from ..record import PROMOTED, acts
from ..result import Assessment, Check, Finding, Severity


def _assess(evidence: Evidence) -> Assessment:
    promoted = [row for row in acts(evidence.rows.found, PROMOTED) if row.outcome == "applied" and row.about.get("fp")]
    return judged(
        [(row.entry, row.resource, row.about["fp"]) for row in promoted],
        _flaws(evidence, promoted),
        evidence.rows,
        nothing="no rotation is on record",
    )


def _flaws(evidence: Evidence, promoted: list[Row]) -> Iterator[Finding]:
    origins = {one.path: one.origin for one in evidence.secrets}
    first: dict[str, Row] = {}
    for row in promoted:
        before = first.setdefault(str(row.about["fp"]), row)
        # One rotation may promote its value again after a crash.
        if (before.resource, before.rid) != (row.resource, row.rid):
            what = f"has a value that {before.resource} was given before (audit entries {before.entry} and {row.entry})"
            yield flaw(f"secret/{row.resource}", what, origins.get(row.resource))


C07 = Check("C07", "No value is used again", Severity.MEDIUM, "rotate it, with a value of its own", offline=False, assess=_assess)
