"""Findings as SARIF 2.1.0, for the lines of pull requests.

A finding keeps its fingerprint while its object is declared elsewhere and while its age goes up, so that a code host shows
it once and knows when it is gone. A finding that an exception lifts is there, suppressed, with who approved it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import quote

from reconciler.core.errors import Problem
from reconciler.core.findings import Finding, Report, Result, Severity, Status
from reconciler.core.resource import Origin
from reconciler.core.values import hash_of, visible

from .compliance import exception_sentence, ordered

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
INVALID = "invalid"
"""The rule of what is wrong with the desired state itself."""
_LEVELS = {Severity.CRITICAL: "error", Severity.HIGH: "error", Severity.MEDIUM: "warning", Severity.LOW: "note"}
_SCORES = {Severity.CRITICAL: "9.5", Severity.HIGH: "8.0", Severity.MEDIUM: "5.5", Severity.LOW: "2.0"}  # what GitHub sorts by
_MOST = 5_000  # results; GitHub shows no more of an upload, and takes 25,000


def compliance_sarif(reports: Sequence[Report], problems: Iterable[Problem] = ()) -> dict[str, Any]:
    """One run of findings. What every environment shares is said once, anything else with its environment."""
    results = [result for report in reports for result in ordered(report.results)]
    rules = {result.check: result for result in results}
    invalid = [_problem(one) for one in problems]
    found = [*invalid, *_numbered(_findings(reports))][:_MOST]
    driver = {
        "name": "reconciler",
        "rules": [*([_INVALID_RULE] if invalid else []), *(_rule(rules[check]) for check in sorted(rules))],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "originalUriBaseIds": {"%SRCROOT%": {"description": {"text": "The desired-state repository."}}},
        "invocations": [{"executionSuccessful": not invalid, "toolExecutionNotifications": list(_unassessed(reports))}],
        "results": found,
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


_INVALID_RULE = {
    "id": INVALID,
    "shortDescription": {"text": "The desired state is wrong"},
    "defaultConfiguration": {"level": "error"},
}


def _rule(result: Result) -> dict[str, Any]:
    return {
        "id": result.check,
        "shortDescription": {"text": visible(result.title)},
        "defaultConfiguration": {"level": _LEVELS[result.severity]},
        "properties": {"security-severity": _SCORES[result.severity], "tags": ["security", "compliance"]},
    }


def _findings(reports: Sequence[Report]) -> Iterator[tuple[Finding, Severity, str, str]]:
    """Each finding once, with the name of an environment to show it in and a remark where not all share it."""
    severities = {result.check: result.severity for report in reports for result in report.results}
    shared: dict[Finding, list[str]] = {}
    for report in reports:
        for result in ordered(report.results):
            for finding in dict.fromkeys(result.findings):
                shared.setdefault(finding, []).append(report.environment)
    for finding, environments in shared.items():
        remark = f" [{', '.join(environments)}]" if len(environments) < len(reports) else ""
        yield finding, severities[finding.check], environments[0], remark


def _numbered(found: Iterable[tuple[Finding, Severity, str, str]]) -> Iterator[dict[str, Any]]:
    seen: Counter[tuple[str, str]] = Counter()
    for finding, severity, environment, remark in found:
        key = finding.check, finding.address or environment
        # Two findings on one object differ by their order alone: messages hold ages, lines move.
        mark = hash_of([*key, seen[key]])[:32]
        seen[key] += 1
        yield _result(finding, severity, environment, remark, mark)


def _result(finding: Finding, severity: Severity, environment: str, remark: str, mark: str) -> dict[str, Any]:
    about = f"{finding.address}: {finding.message}" if finding.address else finding.message
    text = _words(f"{about}{remark}" + (f" ({finding.remedy})" if finding.remedy else ""))
    shown: dict[str, Any] = {
        "ruleId": finding.check,
        "level": _LEVELS[severity],
        "message": {"text": text},
        "locations": [_location(finding.origin, environment, finding.address)],
        "partialFingerprints": {"primaryLocationLineHash": f"{mark}:1"},
    }
    if finding.excepted:
        said = visible(exception_sentence(finding.excepted))
        shown["suppressions"] = [{"kind": "external", "status": "accepted", "justification": said}]
    return shown


def _location(origin: Origin | None, environment: str, address: str) -> dict[str, Any]:
    """Code hosts want a place of every result: what no line declares is shown where its environment is."""
    file, line = (origin.file, origin.line) if origin else (f"desired-state/environments/{environment}.yaml", 1)
    found: dict[str, Any] = {"physicalLocation": _physical(file, line)}
    if address:
        found["logicalLocations"] = [{"fullyQualifiedName": visible(address), "kind": "resource"}]
    return found


def _physical(file: str, line: int) -> dict[str, Any]:
    return {"artifactLocation": {"uri": quote(file), "uriBaseId": "%SRCROOT%"}, "region": {"startLine": max(1, line)}}


def _problem(problem: Problem) -> dict[str, Any]:
    file, _, line = problem.where.rpartition(":")
    known = bool(file) and line.isdecimal()
    place = [{"physicalLocation": _physical(file, int(line))}] if known else []
    text = _words(str(problem._replace(where="")) if known else str(problem))
    mark = hash_of([INVALID, problem.address, problem.what])[:32]
    return {
        "ruleId": INVALID,
        "level": "error",
        "message": {"text": text},
        "locations": place,
        "partialFingerprints": {"primaryLocationLineHash": f"{mark}:1"},
    }


def _words(text: str) -> str:
    """A message: SARIF takes `[words](place)` in it for a link, and names come from others."""
    return visible(text).replace("](", "] (")


def _unassessed(reports: Iterable[Report]) -> Iterator[dict[str, Any]]:
    for report in reports:
        for result in report.results:
            if result.status is Status.NOT_ASSESSED:
                text = visible(f"{report.environment}: {result.check} {result.title} was not assessed: {result.reason}")
                yield {"descriptor": {"id": result.check}, "level": "note", "message": {"text": text}}
