from __future__ import annotations

import datetime

from reconciler.core.findings import Excepted, Finding, Report, Result, Severity, Status

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.UTC)


def result(check: str, status: Status, *findings: Finding) -> Result:
    return Result(check, "a title", Severity.HIGH, status, len(findings), findings, "", NOW, "")


def test_a_report_counts_how_its_checks_ended_and_what_exceptions_lift() -> None:
    lift = Excepted("old-key", "platform@example.com", "partner cannot rotate", datetime.date(2027, 3, 31))
    open_one = Finding("C02", "secret/a", None, "is old", "rotate it")
    lifted = Finding("C02", "secret/b", None, "is old", "rotate it", lift)
    report = Report("p", "e", "c", NOW, (result("C01", Status.PASS), result("C02", Status.FAIL, open_one, lifted)))
    assert report.counts == {Status.PASS: 1, Status.FAIL: 1}
    assert report.excepted == (lifted,)
