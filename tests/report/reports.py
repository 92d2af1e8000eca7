"""Compliance reports to render, made by hand."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

from reconciler.core.findings import Control, Excepted, Finding, Report, Result, Severity, Status
from reconciler.core.resource import Origin

AT = datetime.datetime(2026, 11, 24, 14, 0, tzinfo=datetime.UTC)
PARTNER = Excepted("old-key", "platform@example.com", "partner cannot rotate", datetime.date(2027, 3, 31))
OLD = Finding("C02", "secret/api_keys/old", Origin("desired-state/keys.yaml", 3), "is 97 days old, 90 are allowed", "rotate it")
LIFTED = Finding("C02", "secret/api_keys/partner", Origin("desired-state/keys.yaml", 9), "is 400 days old", "rotate it", PARTNER)
PLAIN = Finding("C09", "", None, "vault primary is asked at http://", "use https://")
FRAMEWORKS: dict[str, Sequence[Control]] = {
    "soc2": (
        Control("CC6.6", "Protection from outside", ("C09", "C11")),
        Control("CC7.5", "Recovery", ("C23",)),
        Control("CC7.2", "Anomalies", ("C13",)),
        Control("A1.2", "Environmental protection", ("C13", "C30")),
    ),
    "pci": (Control("8.3.9", "Change of passwords", ("C02",)),),
}


def result(check: str, status: Status, *findings: Finding, severity: Severity = Severity.HIGH, title: str = "", reason: str = "") -> Result:
    return Result(check, title or f"Title of {check}", severity, status, 1204, findings, reason, AT, "ab12" * 16)


def report(*results: Result, environment: str = "prod") -> Report:
    return Report("genesis", environment, "4f2c1ab99", AT, results)


def whole() -> Report:
    """One of everything."""
    return report(
        result("C13", Status.PASS, title="The audit log verifies"),
        result("C23", Status.NOT_ASSESSED, title="Backups and drills", reason="the audit log names no backup"),
        result("C02", Status.FAIL, OLD, LIFTED, severity=Severity.MEDIUM, title="Age is within the interval"),
        result("C09", Status.FAIL, PLAIN, severity=Severity.CRITICAL, title="TLS on every endpoint"),
        result("C11", Status.PASS, severity=Severity.LOW, title="Identities are unique"),
    )
