"""A compliance report as OSCAL assessment results, for the tools of auditors.

OSCAL has but two states of a control: `satisfied` stands for evidence for it, anything else is `not-satisfied`, with the
reason `other` and a remark where a check was not assessed. All ids are made of what is reported, so that one report is one file.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.core.findings import Control, Finding, Report, Result, Severity
from reconciler.core.values import visible

from .compliance import WORDS, Backed, Backing, Frameworks, backed, exception_sentence, framework_name, ordered, title

VERSION = "1.2.0"  # what compliance-trestle takes; what is used of it here is in 1.1 too
SPACE = uuid.UUID("6a2f6f3e-5d0c-5c3f-9a53-0b6f4b2f7a11")
NAMESPACE = "urn:reconciler:compliance"
_REASONS = {Backing.FOR: "pass", Backing.AGAINST: "fail", Backing.INCOMPLETE: "other"}


def compliance_oscal(report: Report, frameworks: Frameworks) -> dict[str, Any]:
    """The document, with a result of its own for each framework."""
    stamp = _stamp(report)
    metadata = {
        "title": visible(title(report, frameworks)),
        "last-modified": stamp,
        "version": report.commit[:12] or "none",
        "oscal-version": VERSION,
        "remarks": "Evidence for the controls that are named. It is no statement of compliance.",
    }
    return {
        "assessment-results": {
            "uuid": _id(report, "document", *frameworks),
            "metadata": metadata,
            "import-ap": {"href": "#", "remarks": "The checks are those of the reconciler; no assessment plan was written."},
            "results": [_result(report, name, controls) for name, controls in frameworks.items()],
        }
    }


def _result(report: Report, framework: str, controls: Sequence[Control]) -> dict[str, Any]:
    wanted = {check for control in controls for check in control.checks}
    results = [result for result in ordered(report.results) if result.check in wanted]
    rows = backed(controls, report)
    named = [{"control-id": _token(framework, one.id)} for one in controls]
    shown: dict[str, Any] = {
        "uuid": _id(report, framework),
        "title": framework_name(framework),
        "description": visible(f"Evidence for {framework_name(framework)} of {report.project}, environment {report.environment}."),
        "start": _stamp(report),
        "end": _stamp(report),
        "props": [_prop("environment", report.environment), _prop("commit", report.commit or "none")],
        "reviewed-controls": {"control-selections": [{"include-controls": named}]},
        "findings": [_finding(report, framework, row) for row in rows],
    }
    risks = [risk for result in results for risk in _risks(report, framework, result)]
    lists = {"observations": [_observation(report, framework, result) for result in results], "risks": risks}
    return shown | {name: entries for name, entries in lists.items() if entries}  # an empty list is against the schema


def _observation(report: Report, framework: str, result: Result) -> dict[str, Any]:
    remarks = "\n".join([*([f"Not looked at: {visible(result.reason)}"] if result.reason else []), f"{len(result.findings):,} findings."])
    return {
        "uuid": _id(report, framework, "observation", result.check),
        "title": visible(f"{result.check} {result.title}"),
        "description": f"{WORDS[result.status]}: {result.population:,} looked at.",
        "props": [
            _prop("check", result.check),
            _prop("status", result.status.value),
            _prop("severity", result.severity.value),
            _prop("population", str(result.population)),
            _prop("evidence-sha256", result.evidence or "none"),
        ],
        "methods": ["TEST"],
        "types": ["control-objective"],
        "collected": f"{result.at:%Y-%m-%dT%H:%M:%SZ}",
        "remarks": remarks,
    }


def _finding(report: Report, framework: str, row: Backed) -> dict[str, Any]:
    state = "satisfied" if row.backing is Backing.FOR else "not-satisfied"
    said = ", ".join(f"{result.check} {WORDS[result.status]}" for result in row.results) or "no check was made"
    found: dict[str, Any] = {
        "uuid": _id(report, framework, "finding", row.control.id),
        "title": f"{row.control.id} {row.control.title}",
        "description": f"{row.backing.value.capitalize()}: {said}.",
        "target": {
            "type": "objective-id",
            "target-id": _token(framework, row.control.id),
            "status": {"state": state, "reason": _REASONS[row.backing], "remarks": row.backing.value},
        },
    }
    observed = [{"observation-uuid": _id(report, framework, "observation", result.check)} for result in row.results]
    risks = [{"risk-uuid": _risk_id(report, framework, result, place)} for result in row.results for place, _ in enumerate(result.findings)]
    return found | {name: ids for name, ids in (("related-observations", observed), ("related-risks", risks)) if ids}


def _risks(report: Report, framework: str, result: Result) -> Iterator[dict[str, Any]]:
    for place, finding in enumerate(result.findings):
        yield _risk(finding, result.severity, result.title, _risk_id(report, framework, result, place)) | {
            "related-observations": [{"observation-uuid": _id(report, framework, "observation", result.check)}]
        }


def _risk(finding: Finding, severity: Severity, about: str, identity: str) -> dict[str, Any]:
    """A finding; one that an exception lifts is a deviation that somebody approved, until its day."""
    props = [_prop("severity", severity.value)]
    props += [_prop("address", finding.address)] if finding.address else []
    props += [_prop("origin", str(finding.origin))] if finding.origin else []
    risk: dict[str, Any] = {
        "uuid": identity,
        "title": visible(f"{finding.check} {about}"),
        "description": visible(finding.message),
        "statement": visible(finding.remedy or finding.message),
        "props": props,
        "status": "open",
    }
    if finding.excepted:
        risk |= {"status": "deviation-approved", "deadline": f"{finding.excepted.expires}T23:59:59Z"}
        props.append(_prop("exception", exception_sentence(finding.excepted)))
    return risk


def _prop(name: str, value: str) -> dict[str, str]:
    """Values are of one line and have a letter, or they are against the schema."""
    return {"name": name, "ns": NAMESPACE, "value": visible(value).strip() or "none"}


def _token(framework: str, control: str) -> str:
    """OSCAL's ids take no brackets: `164.312(a)(1)` is `hipaa-164.312.a.1`."""
    return f"{framework}-{re.sub(r'[^A-Za-z0-9]+', '.', control).strip('.')}"


def _stamp(report: Report) -> str:
    return f"{report.at:%Y-%m-%dT%H:%M:%SZ}"


def _risk_id(report: Report, framework: str, result: Result, place: int) -> str:
    return _id(report, framework, "risk", result.check, str(place))


def _id(report: Report, *parts: str) -> str:
    return str(uuid.uuid5(SPACE, "\0".join((report.project, report.environment, report.commit, _stamp(report), *parts))))
