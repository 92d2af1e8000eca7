"""A compliance report for a page of a wiki or a comment: tables, and every finding that is not lifted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from reconciler.core.findings import Report, Result, Status

from .compliance import (
    HASH_SHOWN,
    ORDER,
    TITLES,
    Backed,
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
from .markdown import escape
from .tables import markdown_table


def compliance_markdown(report: Report, frameworks: Frameworks) -> str:
    """What fails first; then the controls of each framework."""
    commit = f" at `{report.commit[:7]}`" if report.commit else ""
    blocks = [f"## {escape(title(report, frameworks))}{commit}", f"{moment(report)}. **{escape(counted(report))}**"]
    for status in ORDER:
        results = [one for one in ordered(report.results) if one.status is status]
        if results:
            blocks += [f"### {TITLES[status]} ({len(results):,})", _table(results, status), *_findings(results)]
    for name, controls in frameworks.items():
        rows = backed(controls, report)
        blocks += [f"### {escape(backing_sentence(name, rows))}", _controls(rows)]
    blocks.append("_Evidence for the controls that are named; whether they are met is for an auditor to say._")
    return "\n\n".join(blocks) + "\n"


def _table(results: Iterable[Result], status: Status) -> str:
    unknown = status is Status.NOT_ASSESSED
    cells = [("check", "about", "severity", "why" if unknown else "looked at", "evidence")]
    for one in results:
        seen = one.reason if unknown else f"{one.population:,}"
        cells.append((one.check, one.title, one.severity.value, seen, one.evidence[:HASH_SHOWN]))
    return markdown_table(cells)


def _findings(results: Iterable[Result]) -> Iterator[str]:
    """The findings of each check, those that an exception lifts in a table with who approved it."""
    for result in results:
        if found := failing(result):
            yield "\n".join([f"**{result.check}**", "", *(f"- {escape(finding_sentence(one))}" for one in found)])
        excepted = [
            (one.address, one.message, one.excepted.name, one.excepted.approver, one.excepted.reason, one.excepted.expires.isoformat())
            for one in lifted(result)
            if one.excepted
        ]
        if excepted:
            heading = ("object", "finding", "exception", "approved by", "because", "until")
            yield f"**{result.check}**, lifted by exceptions:\n\n{markdown_table([heading, *excepted])}"


def _controls(rows: Iterable[Backed]) -> str:
    cells = [("control", "about", "comes to", "checks")]
    cells += [(row.control.id, row.control.title, row.backing.value, check_words(row)) for row in rows]
    return markdown_table(cells)
