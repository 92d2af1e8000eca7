"""What all forms of a compliance report share: its words, its order, and what the checks of a control come to.

What fails comes first, then what was not assessed. A report says what there is evidence for, and never gives a verdict:
that is an auditor's to give.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from reconciler.core.findings import Control, Excepted, Finding, Report, Result, Severity, Status
from reconciler.core.values import visible

Frameworks = Mapping[str, Sequence[Control]]
"""The frameworks that a report speaks of, by the name that `--framework` takes."""

NAMES = {"soc2": "SOC 2", "pci": "PCI DSS 4.0.1", "hipaa": "HIPAA", "gdpr": "GDPR"}
ORDER = (Status.FAIL, Status.NOT_ASSESSED, Status.PASS)
WORDS = {Status.FAIL: "fail", Status.NOT_ASSESSED: "not assessed", Status.PASS: "pass"}
TITLES = {Status.FAIL: "Fail", Status.NOT_ASSESSED: "Not assessed", Status.PASS: "Pass"}
HASH_SHOWN = 12  # digits, enough to tell two reports apart; the JSON has all
_WORST_FIRST = tuple(reversed(Severity))


class Backing(StrEnum):
    """What the checks of a control come to."""

    AGAINST = "evidence against"
    INCOMPLETE = "evidence incomplete"
    FOR = "evidence for"


_SUMS = {Backing.AGAINST: "against", Backing.INCOMPLETE: "incomplete for", Backing.FOR: "for"}


class Backed(NamedTuple):
    """A control with its checks, in the order of the control."""

    control: Control
    backing: Backing
    results: tuple[Result, ...]

    @property
    def unmade(self) -> tuple[str, ...]:
        """The checks of the control that the report does not hold."""
        made = {result.check for result in self.results}
        return tuple(check for check in self.control.checks if check not in made)


def framework_name(framework: str) -> str:
    return NAMES.get(framework, framework)


def title(report: Report, frameworks: Frameworks) -> str:
    """What the report is about: one framework by name, or the checks themselves."""
    about = f"Evidence for {framework_name(next(iter(frameworks)))}" if len(frameworks) == 1 else "Evidence by checks"
    return f"{about}: {report.project}, {report.environment}"


def covering(report: Report, frameworks: Frameworks) -> Report:
    """The report with the checks of these frameworks alone."""
    wanted = {check for controls in frameworks.values() for control in controls for check in control.checks}
    kept = tuple(result for result in report.results if result.check in wanted)
    return Report(report.project, report.environment, report.commit, report.at, kept)


def ordered(results: Iterable[Result]) -> list[Result]:
    """What fails first, the worst of it at the top; then what was not assessed; then what passes."""
    return sorted(results, key=lambda one: (ORDER.index(one.status), _WORST_FIRST.index(one.severity), one.check))


def backed(controls: Iterable[Control], report: Report) -> list[Backed]:
    """Each control with what its checks come to. One check that is missing leaves the evidence incomplete."""
    known = {result.check: result for result in report.results}
    rows = []
    for control in controls:
        results = tuple(known[check] for check in control.checks if check in known)
        rows.append(Backed(control, _backing(results, len(control.checks)), results))
    return rows


def _backing(results: Sequence[Result], wanted: int) -> Backing:
    statuses = {result.status for result in results}
    if Status.FAIL in statuses:
        return Backing.AGAINST
    return Backing.FOR if statuses == {Status.PASS} and len(results) == wanted else Backing.INCOMPLETE


def failing(result: Result) -> list[Finding]:
    """The findings that no exception lifts."""
    return [finding for finding in result.findings if finding.excepted is None]


def lifted(result: Result) -> list[Finding]:
    return [finding for finding in result.findings if finding.excepted is not None]


def moment(report: Report) -> str:
    return f"{report.at:%Y-%m-%d %H:%M} UTC"


def counted(report: Report) -> str:
    """`3 checks fail, 2 not assessed, 25 pass; 1 finding is excepted.`"""
    fail, unknown, passed = (report.counts[status] for status in ORDER)
    excepted = len(report.excepted)
    said = f"{fail:,} check{'s' * (fail != 1)} fail{'s' * (fail == 1)}, {unknown:,} not assessed, {passed:,} pass"
    return said + (f"; {excepted:,} finding{'s are' if excepted != 1 else ' is'} excepted." if excepted else ".")


def backing_sentence(framework: str, rows: Sequence[Backed]) -> str:
    """`SOC 2, 15 controls: evidence against 4, incomplete for 2, for 9`."""
    counts = Counter(row.backing for row in rows)
    said = ", ".join(f"{_SUMS[backing]} {counts[backing]:,}" for backing in Backing if counts[backing])
    return f"{framework_name(framework)}, {len(rows):,} control{'s' * (len(rows) != 1)}: evidence {said}"


def check_words(row: Backed) -> str:
    """The checks, with what is wrong in words; those that pass need none, unless an exception made them."""
    made = [f"{one.check}{'' if one.status is Status.PASS else f' {WORDS[one.status]}'}{lifted_words(one)}" for one in row.results]
    return ", ".join([*made, *(f"{check} not made" for check in row.unmade)])


def lifted_words(result: Result) -> str:
    """A control that has evidence for it by an exception must show that it is so."""
    return f" ({len(lifted(result)):,} excepted)" if lifted(result) else ""


def exception_sentence(excepted: Excepted) -> str:
    return f"exception {excepted.name}, approved by {excepted.approver}: {excepted.reason}; until {excepted.expires}"


def finding_sentence(finding: Finding) -> str:
    """`desired-state/a.yaml:3: secret/x: what (what to do) [exception ...]`, as errors are written."""
    place = ": ".join(str(part) for part in (finding.origin, finding.address) if part)
    said = f"{place}: {finding.message}" if place else finding.message
    remedy = f" ({finding.remedy})" if finding.remedy else ""
    return visible(said + (f" [{exception_sentence(finding.excepted)}]" if finding.excepted else remedy))
