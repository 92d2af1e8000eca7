"""C23: there is a recent backup, and a restore was tried."""

from __future__ import annotations

import datetime

from reconciler.audit.search import Row
from reconciler.core.values import show_duration

from ..evidence import Evidence
from ..judging import flaw, judged
from ..record import BACKUP, DRILL, acts
from ..result import Assessment, Check, Finding, Severity


def _assess(evidence: Evidence) -> Assessment:
    # What is missing in a log that was not read whole may be in the rest of it.
    if evidence.rows.unread or not evidence.entries.number:
        return judged([], [], evidence.rows, nothing="the audit log is empty")
    bounds = evidence.thresholds
    found = {action: acts(evidence.rows.found, action) for action in (BACKUP, DRILL)}
    flaws = [
        *_late(evidence, found[BACKUP], "backup", bounds.backup_age, "reconcile backup"),
        *_late(evidence, found[DRILL], "restore that was tried", bounds.drill_age, "reconcile restore --drill FILE"),
    ]
    seen = [(row.entry, row.ts, row.action, row.resource, row.outcome) for rows in found.values() for row in rows]
    return judged(seen, flaws, evidence.rows, population=len(seen) or 1)


def _late(evidence: Evidence, rows: list[Row], what: str, most: int, remedy: str) -> list[Finding]:
    name = f"environment/{evidence.environment}"
    good = [row for row in rows if row.outcome == "applied"]
    if rows and rows[-1].outcome != "applied":
        return [flaw(name, f"the last {what} failed (audit entry {rows[-1].entry})", remedy=remedy)]
    if not good:
        return [flaw(name, f"no {what} is on record", remedy=remedy)]
    age = evidence.at - datetime.datetime.fromisoformat(good[-1].ts)
    if age.total_seconds() > most:
        old = show_duration(int(age.total_seconds()) // 3600 * 3600)
        return [flaw(name, f"the last {what} is {old} old, and {show_duration(most)} is allowed", remedy=remedy)]
    return []


C23 = Check("C23", "Backups, and restores that were tried", Severity.HIGH, "make backups, and try them", offline=False, assess=_assess)
