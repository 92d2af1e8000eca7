"""OSCAL assessment results: a document that the tool of its makers reads, and in which every id leads somewhere."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest

from reconciler.core.findings import Report, Status
from reconciler.report.oscal import VERSION, compliance_oscal

from .reports import FRAMEWORKS, LIFTED, OLD, report, result, whole


def read(document: dict[str, Any]) -> Any:
    """As compliance-trestle reads it. Imported here: it takes a second."""
    from trestle.oscal.assessment_results import Model

    return Model.model_validate_json(json.dumps(document)).assessment_results


REPORTS = {
    "one of everything": whole(),
    "nothing was checked": report(),
    "an empty commit and odd names": replace(report(result("C02", Status.FAIL, replace(OLD, message="a\nb\x1b", address="\t"))), commit=""),
    "a hundred findings on one object": report(result("C02", Status.FAIL, *[OLD] * 100)),
}


@pytest.mark.parametrize("found", REPORTS.values(), ids=REPORTS)
def test_trestle_reads_the_document(found: Report) -> None:
    document = read(compliance_oscal(found, FRAMEWORKS))
    assert document.metadata.oscal_version.root.root == VERSION
    assert [one.title for one in document.results] == ["SOC 2", "PCI DSS 4.0.1"]


def test_trestle_refuses_what_is_no_such_document() -> None:
    broken = compliance_oscal(whole(), FRAMEWORKS)
    broken["assessment-results"]["results"][0]["title"] = ""
    with pytest.raises(ValueError, match="title"):
        read(broken)


def test_every_id_is_unique_and_every_reference_leads_to_one() -> None:
    many = report(result("C02", Status.FAIL, OLD, OLD, LIFTED), result("C09", Status.PASS))
    text = json.dumps(compliance_oscal(many, {**FRAMEWORKS, "gdpr": FRAMEWORKS["pci"]}))
    made = re.findall(r'"uuid": "([^"]+)"', text)
    assert len(made) == len(set(made))
    assert set(re.findall(r'"(?:observation|risk)-uuid": "([^"]+)"', text)) <= set(made)


def test_only_evidence_for_a_control_satisfies_it() -> None:
    (soc2, _) = compliance_oscal(whole(), FRAMEWORKS)["assessment-results"]["results"]
    states = {one["target"]["target-id"]: one["target"]["status"] for one in soc2["findings"]}
    assert {name: (one["state"], one["reason"]) for name, one in states.items()} == {
        "soc2-CC6.6": ("not-satisfied", "fail"),
        "soc2-CC7.5": ("not-satisfied", "other"),
        "soc2-CC7.2": ("satisfied", "pass"),
        "soc2-A1.2": ("not-satisfied", "other"),
    }


def test_a_finding_that_an_exception_lifts_is_an_approved_deviation_until_its_day() -> None:
    (_, pci) = compliance_oscal(whole(), FRAMEWORKS)["assessment-results"]["results"]
    assert [(one["status"], one.get("deadline")) for one in pci["risks"]] == [
        ("open", None),
        ("deviation-approved", "2027-03-31T23:59:59Z"),
    ]


def test_one_report_is_one_file() -> None:
    assert compliance_oscal(whole(), FRAMEWORKS) == compliance_oscal(whole(), FRAMEWORKS)
    other = replace(whole(), commit="another")
    assert (
        compliance_oscal(other, FRAMEWORKS)["assessment-results"]["uuid"]
        != compliance_oscal(whole(), FRAMEWORKS)["assessment-results"]["uuid"]
    )
