"""A compliance report for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler.core.findings import Report, Result, Status
from reconciler.core.values import visible

from .compliance import (
    HASH_SHOWN,
    ORDER,
    TITLES,
    Frameworks,
    backed,
    backing_sentence,
    check_words,
    counted,
    failing,
    finding_sentence,
    lifted,
    moment,
    ordered,
    title,
)
from .runs import table
from .text import Paint, first_few, plain

_STYLES = {Status.FAIL: "danger", Status.NOT_ASSESSED: "update", Status.PASS: "create"}


def compliance_text(report: Report, frameworks: Frameworks, paint: Paint = plain) -> str:
    """For a terminal. One framework is shown control by control, several with a line each."""
    commit = f" at {report.commit[:7]}" if report.commit else ""
    lines = [paint(visible(title(report, frameworks) + commit), "strong") + f"  {moment(report)}", counted(report)]
    for status in ORDER:
        results = [one for one in ordered(report.results) if one.status is status]
        if results:
            lines += ["", paint(TITLES[status], _STYLES[status])]
            lines += [line for one in results for line in _result(one, paint)]
    lines += ["", *_controls(report, frameworks)]
    return "\n".join(lines)


def _result(result: Result, paint: Paint) -> Iterator[str]:
    looked = f"{result.population:,} looked at, evidence {result.evidence[:HASH_SHOWN]}"
    yield f"  {result.check}  {result.severity.value:<8}  {paint(visible(result.title), 'strong')}  {paint(looked, 'quiet')}"
    if result.reason:
        yield f"      {'' if result.status is Status.NOT_ASSESSED else 'not looked at: '}{visible(result.reason)}"
    yield from (f"      {line}" for line in first_few(finding_sentence(one) for one in failing(result)))
    yield from (f"      excepted: {line}" for line in first_few(finding_sentence(one) for one in lifted(result)))


def _controls(report: Report, frameworks: Frameworks) -> Iterator[str]:
    if len(frameworks) != 1:
        for name, controls in frameworks.items():
            yield f"{backing_sentence(name, backed(controls, report))} (--framework {name})"
        return
    ((name, controls),) = frameworks.items()
    rows = backed(controls, report)
    cells = [("control", "evidence", "checks", "about")]
    cells += [(row.control.id, row.backing.value.removeprefix("evidence "), check_words(row), row.control.title) for row in rows]
    yield f"{backing_sentence(name, rows)}."
    yield table(cells)
