"""Compliance reports: what fails stands first, what is not known is no pass, and no report gives a verdict."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.core.findings import Control, Excepted, Report, Severity, Status
from reconciler.core.resource import Origin
from reconciler.report.compliance import Backing, Frameworks, backed, counted, covering, ordered
from reconciler.report.compliance_html import compliance_html
from reconciler.report.compliance_json import compliance_json
from reconciler.report.compliance_markdown import compliance_markdown
from reconciler.report.compliance_text import compliance_text
from reconciler.report.oscal import compliance_oscal

from .reports import FRAMEWORKS, LIFTED, OLD, PARTNER, report, result, whole

SOC2 = {"soc2": FRAMEWORKS["soc2"]}
PASS, FAIL, UNKNOWN = Status.PASS, Status.FAIL, Status.NOT_ASSESSED
FORMS: dict[str, Callable[[Report, Frameworks], str]] = {
    "text": compliance_text,
    "markdown": compliance_markdown,
    "html": compliance_html,
    "json": lambda found, frameworks: json.dumps(compliance_json(found, frameworks), ensure_ascii=False),
    "oscal": lambda found, frameworks: json.dumps(compliance_oscal(found, frameworks), ensure_ascii=False),
}
form = pytest.mark.parametrize("shown", FORMS.values(), ids=FORMS)


def test_what_fails_comes_first_and_the_worst_of_it_at_the_top() -> None:
    order = ["C09", "C02", "C23", "C13", "C11"]
    assert [one.check for one in ordered(whole().results)] == order
    assert [one["check"] for one in compliance_json(whole(), SOC2)["checks"]] == order
    assert re.findall(r"^  (C\d\d) ", compliance_text(whole(), {}), re.M) == order
    assert re.findall(r"^\| (C\d\d) ", compliance_markdown(whole(), {}), re.M) == order
    assert re.findall(r'<article id="(C\d\d)">', compliance_html(whole(), {})) == order


@pytest.mark.parametrize(
    ("statuses", "backing"),
    [
        ((PASS, PASS), Backing.FOR),
        ((PASS, UNKNOWN), Backing.INCOMPLETE),
        ((PASS,), Backing.INCOMPLETE),
        ((), Backing.INCOMPLETE),
        ((UNKNOWN, FAIL), Backing.AGAINST),
        ((PASS, FAIL), Backing.AGAINST),
    ],
    ids=["both pass", "one is not assessed", "one was not made", "none was made", "one fails, one is not assessed", "one fails"],
)
def test_a_control_has_evidence_only_where_each_of_its_checks_passes(statuses: tuple[Status, ...], backing: Backing) -> None:
    results = [result(check, status) for check, status in zip(("C01", "C02"), statuses, strict=False)]
    (row,) = backed([Control("CC1", "One", ("C01", "C02"))], report(*results))
    assert row.backing is backing


@form
def test_every_form_says_what_was_found_where_who_excepted_it_and_what_is_not_known(shown: Callable[[Report, Frameworks], str]) -> None:
    page = shown(whole(), {"soc2": (*FRAMEWORKS["soc2"], *FRAMEWORKS["pci"])})
    page = page.replace("&#64;&#8203;", "@").replace("@&#8203;", "@")
    for words in (
        "97 days old",
        "secret/api",
        "keys.yaml:3",
        "partner cannot rotate",
        "platform@example.com",
        "2027-03-31",
        "the audit log names no backup",
        "vault primary is asked at http:",
        "CC7.5",
        "ab12ab12ab12",
    ):
        assert words in page, words


@form
def test_no_form_says_compliant(shown: Callable[[Report, Frameworks], str]) -> None:
    assert "compliant" not in shown(whole(), FRAMEWORKS).lower() + shown(whole(), SOC2).lower()
    assert "evidence for" in shown(whole(), SOC2).lower()


def test_a_framework_is_reported_with_the_checks_of_its_controls_alone() -> None:
    pci = {"pci": FRAMEWORKS["pci"]}
    assert [one.check for one in covering(whole(), pci).results] == ["C02"]
    assert "8.3.9" in compliance_text(covering(whole(), pci), pci)


def test_counts_say_how_many_findings_are_excepted() -> None:
    assert counted(whole()) == "2 checks fail, 1 not assessed, 2 pass; 1 finding is excepted."
    assert counted(report(result("C01", FAIL))) == "1 check fails, 0 not assessed, 0 pass."


def test_a_check_that_passes_by_an_exception_shows_it() -> None:
    text = compliance_text(report(result("C02", PASS, LIFTED)), {})
    assert "excepted: desired-state/keys.yaml:9: secret/api_keys/partner" in text
    assert "[exception old-key, approved by platform@example.com: partner cannot rotate; until 2027-03-31]" in text


@pytest.mark.parametrize("shown", [compliance_text, compliance_markdown, compliance_html])
def test_a_control_whose_evidence_is_an_exception_shows_that_beside_it(shown: Callable[[Report, Frameworks], str]) -> None:
    pci = {"pci": FRAMEWORKS["pci"]}
    lines = {
        "some": next(line for line in shown(report(result("C02", PASS, LIFTED, LIFTED)), pci).splitlines() if "2 excepted" in line),
        "none": [line for line in shown(report(result("C02", PASS)), pci).splitlines() if "excepted)" in line],
    }
    assert "C02" in lines["some"]
    assert lines["none"] == []


def test_a_terminal_is_not_flooded_by_one_check() -> None:
    many = [replace(OLD, address=f"secret/{number}") for number in range(500)]
    text = compliance_text(report(result("C02", FAIL, *many)), {})
    assert "and 480 more" in text
    assert len(compliance_json(report(result("C02", FAIL, *many)), {})["checks"][0]["findings"]) == 500


EVIL = '"><script>alert(1)</script><img src=x> @someone [x](http://evil.example) \x1b[31m\u202e'


def test_names_from_others_are_text_in_a_page_in_markdown_and_on_a_terminal() -> None:
    finding = replace(OLD, address=EVIL, message=EVIL, remedy=EVIL, origin=Origin(EVIL, 1, EVIL))
    lifted = replace(finding, excepted=Excepted(EVIL, EVIL, EVIL, PARTNER.expires))
    broken = result("C02", Status.FAIL, finding, lifted, title=EVIL, severity=Severity.LOW)
    found = report(broken, result("C23", UNKNOWN, reason=EVIL), environment=EVIL)
    page = compliance_html(found, FRAMEWORKS)
    assert not re.search(r"<(script|img)", page)
    markdown = compliance_markdown(found, FRAMEWORKS)
    assert not re.search(r"<(script|img)|\[x\]|@someone", markdown)
    for shown in (page, markdown, compliance_text(found, FRAMEWORKS)):
        assert "\x1b" not in shown
        assert "\u202e" not in shown
