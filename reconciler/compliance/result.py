"""A check, and what it comes to. The words of reports are core's: `reconciler.core.findings`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.core.findings import Control, Excepted, Finding, Report, Result, Severity, Status

from .evidence import Evidence

__all__ = ["Assessment", "Check", "Control", "Excepted", "Finding", "Report", "Result", "Severity", "Status"]


@dataclass(frozen=True, slots=True)
class Assessment:
    """What a check saw."""

    population: int
    findings: tuple[Finding, ...] = ()
    reason: str = ""
    """Why it could not look at all that it must. Findings of the rest count all the same."""
    seen: Sequence[Any] = ()
    """What was looked at, one by one, without secrets: the evidence's hash is made of it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One rule. It is pure: the same evidence always gives the same assessment."""

    id: str  # "C02"
    title: str
    severity: Severity
    remedy: str
    offline: bool
    """Whether the desired state alone can show it broken."""
    assess: Callable[[Evidence], Assessment]
