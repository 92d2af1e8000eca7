"""What checks found: the words in which evidence is reported. Reports say what there is evidence for, and never more."""

from __future__ import annotations

import datetime
from collections import Counter
from dataclasses import dataclass
from enum import StrEnum

from .resource import Origin


class Status(StrEnum):
    """How a check ended. What could not be looked at is never a pass."""

    PASS = "pass"
    FAIL = "fail"
    NOT_ASSESSED = "not-assessed"


class Severity(StrEnum):
    """How much harm a finding stands for."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


@dataclass(frozen=True, slots=True)
class Excepted:
    """The `exception` document that lifts a finding until its day."""

    name: str
    approver: str
    reason: str
    expires: datetime.date


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found wrong: which object, where it is declared, what, and what to do about it."""

    check: str
    address: str  # empty where it is about the environment as a whole
    origin: Origin | None
    message: str
    remedy: str
    excepted: Excepted | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """One check at one moment."""

    check: str
    title: str
    severity: Severity
    status: Status
    population: int  # how many things were looked at
    findings: tuple[Finding, ...]
    reason: str  # why it was not assessed
    at: datetime.datetime
    evidence: str  # the SHA-256 of the canonical JSON of what was looked at, which holds no secrets


@dataclass(frozen=True, slots=True)
class Control:
    """One requirement of a framework, and the checks that give evidence for it."""

    id: str
    title: str
    checks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """All checks of an environment at one moment."""

    project: str
    environment: str
    commit: str
    at: datetime.datetime
    results: tuple[Result, ...]

    @property
    def counts(self) -> Counter[Status]:
        """How many checks ended how."""
        return Counter(result.status for result in self.results)

    @property
    def excepted(self) -> tuple[Finding, ...]:
        """The findings that an exception lifts: never hidden, and counted."""
        return tuple(finding for result in self.results for finding in result.findings if finding.excepted)
