"""A compliance report as JSON: every finding, every control."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reconciler.core.findings import Finding, Report, Result

from .compliance import ORDER, Backed, Frameworks, backed, framework_name, ordered


def compliance_json(report: Report, frameworks: Frameworks) -> dict[str, Any]:
    counts = report.counts
    summary = {**{status.value: counts[status] for status in ORDER}, "excepted": len(report.excepted)}
    return {
        "format_version": 1,
        "project": report.project,
        "environment": report.environment,
        "commit": report.commit or None,
        "at": f"{report.at:%Y-%m-%dT%H:%M:%SZ}",
        "summary": summary,
        "checks": [_result_json(one) for one in ordered(report.results)],
        "frameworks": [_framework_json(name, backed(controls, report)) for name, controls in frameworks.items()],
    }


def _result_json(result: Result) -> dict[str, Any]:
    return {
        "check": result.check,
        "title": result.title,
        "severity": result.severity.value,
        "status": result.status.value,
        "population": result.population,
        "reason": result.reason or None,
        "at": f"{result.at:%Y-%m-%dT%H:%M:%SZ}",
        "evidence": result.evidence,
        "findings": [_finding_json(one) for one in result.findings],
    }


def _finding_json(finding: Finding) -> dict[str, Any]:
    lift = finding.excepted
    return {
        "address": finding.address or None,
        "origin": str(finding.origin) if finding.origin else None,
        "message": finding.message,
        "remedy": finding.remedy,
        "exception": {"name": lift.name, "approver": lift.approver, "reason": lift.reason, "expires": lift.expires.isoformat()}
        if lift
        else None,
    }


def _framework_json(framework: str, rows: Sequence[Backed]) -> dict[str, Any]:
    shown = [
        {"control": row.control.id, "title": row.control.title, "evidence": row.backing.value, "checks": list(row.control.checks)}
        for row in rows
    ]
    return {"framework": framework, "name": framework_name(framework), "controls": shown}
