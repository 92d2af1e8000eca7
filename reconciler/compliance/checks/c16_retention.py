"""C16: the audit log is kept long enough."""

from __future__ import annotations

from reconciler.core.values import show_duration

from ..evidence import Evidence
from ..judging import flaw, judged
from ..result import Assessment, Check, Severity


def _assess(evidence: Evidence) -> Assessment:
    one, least = evidence.retained, evidence.thresholds.audit_log
    short = one.audit_log < least
    words = f"keeps the audit log for {show_duration(one.audit_log)}, and {show_duration(least)} is asked for"
    return judged([(one.address, one.audit_log)], [flaw(one.address, words, one.origin)] if short else [])


C16 = Check(
    "C16", "Retention of the audit log", Severity.MEDIUM, "raise `audit_log` of the retention document", offline=True, assess=_assess
)
