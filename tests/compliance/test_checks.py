"""The contract of all checks: each passes where nothing is wrong, fails where it is, and says so where it could not look."""

from __future__ import annotations

import datetime
import re
from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.compliance.assess import assess
from reconciler.compliance.checks import ALL, OFFLINE
from reconciler.compliance.evidence import Endpoint, Evidence, Lift, Part
from reconciler.compliance.frameworks import FRAMEWORKS
from reconciler.compliance.record import matters
from reconciler.compliance.result import Check, Excepted, Result, Severity, Status
from reconciler.compliance.seen import Kept, Known, Read, Sinks, Stock

from .stand import BY_HAND, CASES, GOOD, MISSING, NEEDS, NOW, ROWS, SECRET, Case, altered, row, with_resource, with_secret

BY_ID = {check.id: check for check in ALL}
PARTS = tuple(field.name for field in fields(Evidence) if isinstance(getattr(GOOD, field.name), Part))


def result(check: str, evidence: Evidence) -> Result:
    return assess(evidence, [BY_ID[check]]).results[0]


def test_all_thirty_are_there_in_order() -> None:
    assert [check.id for check in ALL] == [f"C{number:02}" for number in range(1, 31)]


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
def test_it_passes_where_nothing_is_wrong(check: Check) -> None:
    found = result(check.id, GOOD)
    assert (found.status, found.findings, found.reason) == (Status.PASS, (), "")
    assert found.population > 0
    assert re.fullmatch("[0-9a-f]{64}", found.evidence)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.check} {case.what}")
def test_it_fails_and_names_what_is_wrong_where_it_is_declared_and_what_to_do(case: Case) -> None:
    found = result(case.check, case.broken)
    assert found.status is Status.FAIL
    assert [(one.check, one.address, one.origin) for one in found.findings] == [(case.check, case.address, case.origin)]
    assert all(one.message and one.remedy and one.excepted is None for one in found.findings)
    assert found.evidence != result(case.check, GOOD).evidence, "what was looked at is another thing"


def test_every_check_has_a_case_in_which_it_fails() -> None:
    # C22 cannot fail: such a desired state does not load.
    assert {case.check for case in CASES} == BY_ID.keys() - {"C22"}


@pytest.mark.parametrize(("check", "part"), [(check, part) for check, parts in NEEDS.items() for part in parts])
def test_it_is_not_assessed_where_a_part_is_missing(check: str, part: str) -> None:
    found = result(check, altered(GOOD, {part: MISSING}))
    assert (found.status, found.reason) == (Status.NOT_ASSESSED, "it could not be read")


@pytest.mark.parametrize(("check", "part"), [(check, part) for check, parts in NEEDS.items() for part in parts])
def test_it_is_not_assessed_where_a_part_was_read_but_not_all_of_it(check: str, part: str) -> None:
    whole: Part[object] = getattr(GOOD, part)
    found = result(check, altered(GOOD, {part: replace(whole, unread=("instance eu did not answer",))}))
    assert (found.status, found.reason) == (Status.NOT_ASSESSED, "instance eu did not answer")


# C23 misses something: what was not read may have it.
SEEN = [case for case in CASES if case.check in NEEDS.keys() - {"C23"}]


@pytest.mark.parametrize("case", SEEN, ids=lambda case: f"{case.check} {case.what}")
def test_what_is_seen_broken_fails_whatever_else_could_not_be_read(case: Case) -> None:
    parts = {part: replace(getattr(case.broken, part), unread=("instance eu did not answer",)) for part in NEEDS[case.check]}
    assert result(case.check, altered(case.broken, parts)).status is Status.FAIL


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
def test_it_is_not_assessed_where_there_is_nothing_to_look_at(check: Check) -> None:
    empty = altered(replace(GOOD, resources={}, secrets=(), endpoints=(), sealed=(), entries=Read()), dict.fromkeys(PARTS, Part()))
    found = result(check.id, empty)
    # What is always there: the retention that holds without a document, and the environment's own file.
    assert found.status is (Status.PASS if check.id in ("C16", "C22") else Status.NOT_ASSESSED)


@pytest.mark.parametrize("check", ALL, ids=lambda check: check.id)
def test_parts_that_it_does_not_need_change_nothing(check: Check) -> None:
    others = {part: MISSING for part in PARTS if part not in NEEDS.get(check.id, ())}
    mine = result(check.id, GOOD)
    assert result(check.id, altered(GOOD, others)) == mine


@given(st.sampled_from(CASES), st.sets(st.sampled_from(PARTS)))
def test_seeing_less_never_makes_a_check_pass(case: Case, missing: set[str]) -> None:
    whole = {one.check for one in assess(case.broken).results if one.status is Status.PASS}
    less = assess(altered(case.broken, dict.fromkeys(missing, MISSING)))
    assert {one.check for one in less.results if one.status is Status.PASS} <= whole


@pytest.mark.parametrize("case", [case for case in CASES if BY_ID[case.check].offline], ids=lambda case: f"{case.check} {case.what}")
def test_offline_checks_find_in_the_desired_state_alone_what_stands_there(case: Case) -> None:
    offline = altered(case.broken, dict.fromkeys(PARTS, MISSING))
    shown_by_servers = case.broken.resources == GOOD.resources and altered(offline, {part: getattr(GOOD, part) for part in PARTS}) == GOOD
    expected = Status.NOT_ASSESSED if shown_by_servers else Status.FAIL
    assert result(case.check, offline).status is expected


def test_the_offline_checks_are_those_that_read_the_desired_state() -> None:
    assert [check.id for check in OFFLINE] == ["C02", "C03", "C06", "C08", "C09", "C10", "C11", "C16", "C22", "C24", "C25"]


def lift(check: str, pattern: str, days: int) -> Lift:
    day = NOW.date() + datetime.timedelta(days=days)
    return Lift(check, pattern, Excepted("old-key", "platform@example.com", "partner cannot rotate", day))


def test_an_exception_lifts_a_finding_until_its_day_and_is_shown() -> None:
    broken = with_secret(owner="")
    assert result("C03", broken).status is Status.FAIL
    report = assess(replace(broken, exceptions=(lift("C03", "secret/api_keys/*", 0),)))
    found = next(one for one in report.results if one.check == "C03")
    assert found.status is Status.PASS
    assert [one.excepted and one.excepted.approver for one in found.findings] == ["platform@example.com"]
    assert report.excepted == found.findings


def test_an_expired_exception_lifts_nothing_and_is_named() -> None:
    found = result("C03", replace(with_secret(owner=""), exceptions=(lift("C03", "secret/*", -1),)))
    assert found.status is Status.FAIL
    assert "exception old-key expired on 2026-05-31" in found.findings[0].message


@pytest.mark.parametrize("other", [lift("C02", "*", 9), lift("C03", "secret/other", 9)], ids=["another check", "another address"])
def test_an_exception_lifts_nothing_else(other: Lift) -> None:
    assert result("C03", replace(with_secret(owner=""), exceptions=(other,))).status is Status.FAIL


def test_one_finding_that_nobody_lifted_fails_beside_those_that_are() -> None:
    two = replace(
        GOOD,
        secrets=(SECRET._replace(owner=""), SECRET._replace(address="secret/b", path="b", owner="")),
        exceptions=(lift("C03", "secret/b", 9),),
    )
    found = result("C03", two)
    assert found.status is Status.FAIL
    assert [(one.address, bool(one.excepted)) for one in found.findings] == [("secret/api_keys/claude", False), ("secret/b", True)]


def test_a_credential_that_an_exception_lets_pass_is_shown_with_the_exception() -> None:
    found = result("C22", replace(GOOD, exceptions=(lift("C22", "vault.policy/readers", 9),)))
    assert [(one.address, one.excepted is not None) for one in found.findings] == [("vault.policy/readers", True)]


def test_an_emergency_that_was_reviewed_passes() -> None:
    used = replace(GOOD, rows=Part((*ROWS, row(9, "lockdown.on", "genesis/prod"))))
    assert result("C30", used).status is Status.FAIL
    assert result("C30", replace(used, exceptions=(lift("C30", "audit/9", 30),))).status is Status.PASS


def test_a_secret_of_unknown_age_does_not_pass_among_others() -> None:
    found = result("C02", replace(GOOD, secrets=(SECRET, SECRET._replace(address="secret/b", path="b"))))
    assert (found.status, found.reason) == (Status.NOT_ASSESSED, "nobody knows when secret/b was last rotated")


def test_reads_that_were_seen_for_a_short_time_prove_nothing_about_unused_secrets() -> None:
    short = GOOD.reads.found[0]._replace(since=NOW - datetime.timedelta(days=1), last={})
    assert result("C29", replace(GOOD, reads=Part((short,)))).status is Status.NOT_ASSESSED


def test_an_emergency_in_which_no_target_could_be_asked_proves_nothing() -> None:
    asked = replace(GOOD, rows=Part((*ROWS, row(9, "rotation.emergency", "hook", "unknown", type="decision"))))
    found = result("C05", asked)
    assert (found.status, found.reason) == (Status.NOT_ASSESSED, "nobody can be asked whether what leaked of hook is refused")


def test_a_store_whose_reads_nobody_records_proves_nothing_about_unused_secrets() -> None:
    found = result("C29", replace(GOOD, secrets=(SECRET, SECRET._replace(address="secret/b", path="b", store="files"))))
    assert (found.status, found.reason) == (Status.NOT_ASSESSED, "who reads the store files is recorded nowhere that was looked at")


def test_a_signature_that_this_machine_cannot_check_is_no_pass_and_no_failure() -> None:
    unknown = replace(GOOD, commits=Part((GOOD.commits.found[0]._replace(signature="unknown"),)))
    assert result("C20", unknown).status is Status.NOT_ASSESSED


def test_a_server_of_unknown_address_is_no_server_that_is_reached_over_tls() -> None:
    found = result("C09", replace(GOOD, endpoints=(*GOOD.endpoints, Endpoint("vault/eu", ""))))
    assert (found.status, found.population) == (Status.NOT_ASSESSED, 1)
    assert found.reason == "where vault/eu is, this machine does not know"


def test_an_old_value_passes_only_where_a_store_says_when_it_was_replaced() -> None:
    def kept(newer: datetime.datetime | None, older: datetime.datetime | None) -> Result:
        return result("C28", replace(GOOD, stock=Part((Stock("vault", "a", (Kept("2", newer, False), Kept("1", older, True))),))))

    long_ago = NOW - datetime.timedelta(days=900)
    assert kept(None, long_ago).status is Status.NOT_ASSESSED
    assert kept(NOW, None).status is Status.PASS
    assert kept(long_ago, None).status is Status.FAIL


def _role(**spec: object) -> Evidence:
    whole = {"bound_service_account_names": ["ci"], "bound_service_account_namespaces": ["prod"], "token_max_ttl": 3600, **spec}
    return with_resource("vault.kubernetes_role/k8s/ci", **whole)


def _database(mode: str) -> Evidence:
    url = f"postgresql://{{{{username}}}}:{{{{password}}}}@db/orders?sslmode={mode}"
    return with_resource("vault.database_connection/db/orders", plugin_name="postgresql-database-plugin", connection_url=url)


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        ("C09", _database("verify-full"), _database("disable")),
        ("C11", _role(), _role(bound_service_account_names=["*"])),
        ("C22", GOOD, replace(GOOD, exceptions=(lift("C22", "vault.policy/readers", 9),))),
        (
            "C25",
            with_resource("vault.transit_key/transit/orders", auto_rotate_period="30d"),
            with_resource("vault.transit_key/transit/orders", auto_rotate_period="30d", deletion_allowed=True),
        ),
    ],
    ids=["C09", "C11", "C22", "C25"],
)
def test_reports_of_one_evidence_hash_saw_the_same_down_to_what_they_find(check: str, good: Evidence, bad: Evidence) -> None:
    before, after = result(check, good), result(check, bad)
    assert before.findings != after.findings
    assert before.evidence != after.evidence


def test_in_what_order_servers_answer_changes_nothing() -> None:
    two = replace(
        GOOD,
        secrets=(SECRET, SECRET._replace(address="secret/b", path="b", owner="")),
        inventory=Part((*GOOD.inventory.found, Known("secret/x", declared=False, there=True))),
        sinks=Part((*GOOD.sinks.found, Sinks("eu", ()))),
        access=Part((*GOOD.access.found, (BY_HAND[0], BY_HAND[1].spec))),
    )
    parts = {part: replace(getattr(two, part), found=getattr(two, part).found[::-1]) for part in PARTS if part != "rows"}
    assert assess(altered(replace(two, secrets=two.secrets[::-1]), parts)) == assess(two)


def test_the_same_evidence_gives_the_same_report() -> None:
    assert assess(GOOD) == assess(GOOD)
    assert {one.at for one in assess(GOOD).results} == {NOW}


def test_every_control_names_checks_that_exist_and_every_check_serves_a_control() -> None:
    named = {check for controls in FRAMEWORKS.values() for control in controls for check in control.checks}
    assert named == BY_ID.keys()
    for controls in FRAMEWORKS.values():
        assert len({control.id for control in controls}) == len(controls)


def test_every_check_has_a_severity_and_says_what_to_do() -> None:
    assert {check.severity for check in ALL} == set(Severity)
    assert all(check.remedy and check.title for check in ALL)


@pytest.mark.parametrize("case", [case for case in CASES if case.broken.rows != GOOD.rows], ids=lambda case: f"{case.check} {case.what}")
def test_what_a_check_finds_in_the_audit_log_is_kept_when_the_log_is_read(case: Case) -> None:
    kept = replace(case.broken, rows=Part(tuple(filter(matters, case.broken.rows.found))))
    assert result(case.check, kept) == result(case.check, case.broken)


@pytest.mark.parametrize("action", ["backup", "drill", "alert", "rotation.emergency", "lockdown.on"])
def test_the_line_that_begins_a_process_counts_as_nothing_that_it_did(action: str) -> None:
    begun = replace(GOOD, rows=Part((*ROWS, row(9, action, outcome="", type="segment", days=0))))
    assert {one.check: one.status for one in assess(begun).results} == {one.check: one.status for one in assess(GOOD).results}


def test_of_ordinary_entries_nothing_is_kept() -> None:
    assert not matters(row(9, "apply.update", "vault.policy/readers", rid="0123456789ab"))


def test_a_finding_shows_no_personal_data_that_it_found() -> None:
    found = result("C27", replace(GOOD, rows=Part((row(9, "secret.put", "people/ada@example.com"),))))
    assert "ada" not in repr(found)
