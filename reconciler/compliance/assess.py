"""Runs the checks over the evidence: fills in who said what, honours exceptions, and decides how each check ended."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import replace

from reconciler.core.findings import Finding, Report, Result, Status
from reconciler.core.resource import plain
from reconciler.core.values import canonical_json, hash_of

from .checks import ALL
from .evidence import Evidence
from .result import Assessment, Check

NOTHING = "there is nothing that it could be seen by"


def assess(evidence: Evidence, checks: Iterable[Check] = ALL, at: datetime.datetime | None = None) -> Report:
    """Run checks over one evidence. The same evidence and moment give the same report."""
    moment = at or evidence.at
    results = tuple(_result(check, evidence, moment) for check in checks)
    return Report(evidence.project, evidence.environment, evidence.commit, moment, results)


def _result(check: Check, evidence: Evidence, at: datetime.datetime) -> Result:
    found = check.assess(evidence)
    findings = tuple(sorted((_said(one, check, evidence, at.date()) for one in found.findings), key=_position))
    status = _status(found, findings)
    reason = found.reason or (NOTHING if status is Status.NOT_ASSESSED else "")
    # In what order servers answer says nothing.
    seen = hash_of([check.id, found.population, sorted(canonical_json(plain(one)) for one in found.seen)])
    return Result(check.id, check.title, check.severity, status, found.population, findings, reason, at, seen)


def _status(found: Assessment, findings: tuple[Finding, ...]) -> Status:
    """What is seen broken fails, whatever else could not be seen; what was seen in part does not pass."""
    if any(one.excepted is None for one in findings):
        return Status.FAIL
    return Status.NOT_ASSESSED if found.reason or not found.population else Status.PASS


def _said(one: Finding, check: Check, evidence: Evidence, today: datetime.date) -> Finding:
    mine = [lift for lift in evidence.exceptions if lift.covers(check.id, one.address)]
    open_ones = [lift.excepted for lift in mine if today <= lift.excepted.expires]
    message = one.message
    if mine and not open_ones:
        last = max((lift.excepted for lift in mine), key=lambda lift: lift.expires)
        message = f"{message} (exception {last.name} expired on {last.expires})"
    excepted = max(open_ones, key=lambda lift: lift.expires) if open_ones else None
    return replace(one, check=check.id, message=message, remedy=one.remedy or check.remedy, excepted=excepted)


def _position(one: Finding) -> tuple[bool, str, str]:
    """What nobody lifted comes first."""
    return (one.excepted is not None, one.address, one.message)
