"""Findings as notes of validate and plan: one for each check, so that a large repository has a few and not thousands."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator

from reconciler.core.errors import Problem
from reconciler.core.findings import Finding, Report, Result, Severity

from .compliance import failing, finding_sentence, ordered

NAMED = 3  # findings that a note names; the rest is counted


def finding_notes(report: Report, addresses: Collection[str] | None = None) -> Iterator[str]:
    """What the checks find; with `addresses`, about these alone: what a plan does not change is no news of it."""
    for result in ordered(report.results):
        if named := [one for one in failing(result) if addresses is None or one.address in addresses]:
            yield _note(result, named)


def _note(result: Result, found: list[Finding]) -> str:
    said = "; ".join(finding_sentence(one) for one in found[:NAMED])
    more = f"; and {len(found) - NAMED:,} more" if len(found) > NAMED else ""
    return f"{result.check} {result.title} ({result.severity.value}): {said}{more}"


def finding_problems(report: Report, least: Severity) -> Iterable[Problem]:
    """The findings that are errors, since the environment's guards say so."""
    worst = list(Severity)
    for result in ordered(report.results):
        if worst.index(result.severity) >= worst.index(least):
            for one in failing(result):
                what = f"{result.check} {result.title} ({result.severity.value}): {one.message}"
                yield Problem(str(one.origin or ""), one.address, what, one.remedy)
