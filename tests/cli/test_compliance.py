"""Compliance on a real server: the report, and what validate and plan say of what they can know."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft4Validator
from trestle.oscal.assessment_results import Model

from tests.cli.site import Ran, Site
from tests.compliance.test_sarif import SCHEMA

MOUNT = "kind: vault.secrets_engine\nname: genesis\nspec: {type: kv-v2}\n"
WIDE = "kind: vault.policy\nname: wide\nspec: {rules: [{path: '*', capabilities: [read]}]}\n"
SECRET = (
    "kind: secret\nname: api/key\nspec: {type: api_key, rotation: %s}\n---\nkind: rotation_policy\nname: slow\nspec: {interval_days: 900}\n"
)
EXCEPTION = """\
kind: exception
name: slow-key
spec: {check: C02, address: secret/api/key, reason: "partner cannot rotate", approver: platform@example.com, expires: 2999-01-01}
"""
"""A policy of the whole server, and a secret that becomes too old by its declaration."""


def declare(site: Site, *more: str, guards: str = "") -> None:
    stores = "stores: {vault: {mount: genesis}}\n"
    site.write("desired-state/environments/dev.yaml", f"project: genesis\nvault: {{primary: {{}}}}\n{stores}{guards}")
    site.write("desired-state/all.yaml", "---\n".join([MOUNT, WIDE, *more]))
    site.commit()


def report(site: Site, *arguments: str) -> Ran:
    return site.run("report", "compliance", *arguments)


def test_a_report_exits_0_whatever_it_finds_and_3_for_scripts(site: Site) -> None:
    declare(site)
    site.apply()
    ran = report(site)
    assert (ran.code, ran.err) == (0, "")
    assert "vault.policy/wide: grants read on every path" in ran.out
    assert report(site, "--exit-code").code == 3
    assert report(site, "--framework", "gdpr", "--exit-code").code == 3


def test_a_framework_that_was_not_declared_gets_no_evidence_for_what_it_forbids(site: Site) -> None:
    declare(site, "kind: retention\nname: r\nspec: {audit_log: 2y}\n")

    def retention(*arguments: str) -> dict[str, str]:
        found = report(site, *arguments, "-o", "json").json
        rows = [row for framework in found["frameworks"] for row in framework["controls"] if row["checks"] == ["C16"]]
        return {row["control"]: row["evidence"] for row in rows}

    assert retention("--framework", "hipaa") == {"164.316(b)(2)": "evidence against"}
    assert retention("--framework", "pci") == {"10.5.1": "evidence for"}
    assert retention()["164.316(b)(2)"] == "evidence against"


def test_a_report_of_a_framework_holds_its_checks_alone_in_every_form(site: Site, tmp_path: Path) -> None:
    declare(site)
    site.apply()
    found = report(site, "--framework", "pci", "-o", "json").json
    assert {one["check"] for one in found["checks"]} == {check for row in found["frameworks"][0]["controls"] for check in row["checks"]}
    assert [one["framework"] for one in found["frameworks"]] == ["pci"]
    Model.model_validate(report(site, "--framework", "pci", "-o", "oscal").json)
    SCHEMA.validate(report(site, "--framework", "pci", "-o", "sarif").json)
    page = tmp_path / "pci.html"
    said = report(site, "--framework", "pci", "-o", "html", "--out", str(page))
    assert said.out.startswith(f"{page}: ")
    assert "Controls of PCI DSS 4.0.1" in page.read_text()
    missing = report(site, "--out", str(tmp_path / "nowhere" / "x"))
    assert (missing.code, "could not be saved" in missing.err) == (1, True)


def test_one_byte_that_is_changed_in_the_audit_log_is_said_by_the_report_and_by_its_controls(site: Site) -> None:
    declare(site)
    site.apply()
    before = {one["check"]: one for one in report(site, "-o", "json").json["checks"]}
    assert before["C13"]["status"] == "pass"
    segment = next((site.repo / ".reconcile/audit").rglob("*.jsonl"))
    content = bytearray(segment.read_bytes())
    content[content.index(b"vault.policy/wide")] ^= 1
    segment.chmod(0o600)
    segment.write_bytes(content)
    after = report(site, "--framework", "gdpr", "-o", "json").json
    (check,) = [one for one in after["checks"] if one["check"] == "C13"]
    assert check["status"] == "fail"
    assert check["evidence"] != before["C13"]["evidence"]
    assert [one["evidence"] for one in after["frameworks"][0]["controls"] if one["control"] == "5(2)"] == ["evidence against"]
    assert site.run("audit", "verify").code == 1


def test_declared_frameworks_are_those_that_are_reported(site: Site) -> None:
    declare(site, guards="compliance: {frameworks: [hipaa]}\n")
    assert [one["framework"] for one in report(site, "-o", "json").json["frameworks"]] == ["hipaa"]


def test_a_server_that_is_gone_leaves_checks_unmade_and_the_report_is_still_written(site: Site) -> None:
    declare(site)
    found = site.run("report", "compliance", "-o", "json", VAULT_ADDR="http://127.0.0.1:9")
    assert found.code == 0, found.err
    states = {one["check"]: one["status"] for one in found.json["checks"]}
    assert states["C21"] == "not-assessed"
    assert states["C09"] == "fail", "what is known without it is said"


def test_validate_and_plan_name_findings_in_notes_that_change_no_exit_code(site: Site) -> None:
    declare(site, SECRET % "slow")
    checked = site.run("validate")
    assert checked.code == 0
    assert "note: dev: C02 " in checked.out
    assert "note: dev: C10 " in checked.out
    assert "secret/api/key" in checked.out
    planned = site.run("plan", "-o", "json")
    assert planned.code == 0, planned.err
    assert any(note.startswith("C02 ") and "secret/api/key" in note for note in planned.json["notes"])


def test_a_plan_names_what_is_found_in_what_it_changes_alone(site: Site) -> None:
    declare(site, SECRET % "slow")
    site.apply()
    site.write("desired-state/more.yaml", WIDE.replace("wide", "other"))
    assert not any("C02" in note for note in site.plan()["notes"])
    site.write("desired-state/all.yaml", "---\n".join([MOUNT, WIDE, (SECRET % "slow").replace("api_key", "password")]))
    assert any(note.startswith("C02 ") and "secret/api/key" in note for note in site.plan()["notes"])


@pytest.mark.parametrize("command", ["validate", "plan"])
def test_findings_are_shown_at_their_lines_for_code_hosts(site: Site, command: str) -> None:
    declare(site, SECRET % "slow")
    ran = site.run(command, "-o", "sarif")
    assert ran.code == 0, ran.err
    assert isinstance(SCHEMA, Draft4Validator)
    SCHEMA.validate(ran.json)
    places = {one["ruleId"]: one["locations"][0]["physicalLocation"] for one in ran.json["runs"][0]["results"]}
    assert places["C02"]["artifactLocation"]["uri"] == "desired-state/all.yaml"
    lines = (site.repo / "desired-state/all.yaml").read_text().splitlines()
    assert lines[places["C02"]["region"]["startLine"] - 1] == "kind: secret"


def test_what_is_wrong_is_in_the_findings_too_and_validate_fails(site: Site) -> None:
    declare(site, "kind: vault.policy\nname: typo\nspec: {rulez: []}\n")
    ran = site.run("validate", "-o", "sarif")
    assert ran.code == 1
    SCHEMA.validate(ran.json)
    assert "rulez" in json.dumps(ran.json)
    assert "rulez" in ran.err


def test_guards_make_findings_errors_from_a_severity_on_until_an_exception_lifts_them(site: Site) -> None:
    declare(site, SECRET % "slow", guards="guards: {findings: high}\n")
    for command in (("validate",), ("plan",), ("apply", "--yes")):
        ran = site.run(*command)
        assert ran.code == 1, ran.out
        assert "secret/api/key: C02 " in ran.err
    assert site.run("validate", "-o", "sarif").code == 1
    lifted = WIDE.replace("'*'", "genesis/data/x")
    site.write("desired-state/all.yaml", "---\n".join([MOUNT, lifted, SECRET % "slow", EXCEPTION]))
    site.commit()
    assert site.run("validate").code == 0
    declare(site, SECRET % "slow", guards="guards: {findings: critical}\n")
    assert site.run("validate").code == 0


def test_a_rollback_is_not_held_up_by_findings(site: Site) -> None:
    declare(site)
    site.apply()
    first = site.git("rev-parse", "HEAD").strip()
    site.write("desired-state/more.yaml", WIDE.replace("wide", "other"))
    site.commit()
    site.apply()
    declare(site, guards="guards: {findings: low}\n")
    assert site.run("plan").code == 1
    assert site.run("rollback", "--to", first, "--yes").code == 0
