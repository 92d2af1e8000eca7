from __future__ import annotations

import pytest

from reconciler.core.guard import Guard, Refusal
from reconciler.core.run import AppliedVersion, ObjectRecord, RunRecord
from reconciler.report.runs import applied_json, applied_text, lock_text, run_json, runs_text, version_json, versions_text

from .plans import plan

RUN = RunRecord(
    "a1b2c3", "apply", "4f2c1ab99", "0000000", "2026-11-24T08:00:00Z", "2026-11-24T08:00:09Z", "applied", "sha256:1", "ann", {"create": 2, "unchanged": 5}, "x"
)  # fmt: skip
DONE = ObjectRecord("vault.policy/a", "create", None, {"rules": []}, "applied")
FAILED = ObjectRecord("vault.policy/b", "update", {}, {}, "failed", "the login may not update here")
SKIPPED = ObjectRecord("vault.approle_role/approle/c", "create", None, {}, "skipped", "needs vault.policy/b, which was not done")


def test_outcomes_are_told_object_by_object() -> None:
    assert applied_text(plan(notes=("a note",)), "a1b2c3", [DONE, FAILED, SKIPPED], "Took 0.4 s.") == (
        "  applied  create   vault.policy/a\n"
        "  failed   update   vault.policy/b: the login may not update here\n"
        "  skipped  create   vault.approle_role/approle/c: needs vault.policy/b, which was not done\n"
        "note: a note\n"
        "prod at 4f2c1ab: 1 applied, 1 failed, 1 skipped. Run a1b2c3. Took 0.4 s."
    )


def test_of_many_outcomes_only_what_went_wrong_is_listed() -> None:
    text = applied_text(plan(), "a1b2c3", [DONE] * 1000 + [FAILED], "")
    assert (
        text == "  failed   update   vault.policy/b: the login may not update here\nprod at 4f2c1ab: 1,000 applied, 1 failed. Run a1b2c3."
    )


def test_nothing_to_do_is_said() -> None:
    assert applied_text(plan(), "a1b2c3", [], "") == "prod at 4f2c1ab: nothing to change. Run a1b2c3."


def test_outcomes_as_json_are_as_the_contract_says() -> None:
    made = plan()
    assert applied_json(made, "a1b2c3", [DONE, FAILED]) == {
        "run": "a1b2c3",
        "commit": "4f2c1ab99",
        "digest": made.digest,
        "outcomes": [
            {"address": "vault.policy/a", "action": "create", "outcome": "applied", "error": None},
            {"address": "vault.policy/b", "action": "update", "outcome": "failed", "error": "the login may not update here"},
        ],
    }
    refused = applied_json(plan(refusals=(Refusal(Guard.DIRTY, "", "commit first"),)))
    assert refused["run"] is None
    assert refused["refusals"] == [{"guard": "dirty", "address": "", "message": "commit first"}]


def test_runs_are_a_table() -> None:
    killed = RUN._replace(id="d4e5f6", sort="rollback", outcome="running", summary={})
    assert runs_text([killed, RUN]) == (
        "run     what      commit   started               outcome             changes   by\n"
        "d4e5f6  rollback  4f2c1ab  2026-11-24T08:00:00Z  running, or killed  none      ann\n"
        "a1b2c3  apply     4f2c1ab  2026-11-24T08:00:00Z  applied             2 create  ann"
    )
    assert runs_text([]) == "Nothing was applied yet."


def test_where_a_run_is_kept_is_nobodys_business() -> None:
    assert "chunk" not in run_json(RUN)
    assert run_json(RUN)["summary"] == {"create": 2, "unchanged": 5}


def test_the_history_of_an_object_says_what_each_run_did_to_it() -> None:
    first = {"token_ttl": 3600, "token_policies": ["a"], "local_secret_ids": False}
    second = {"token_ttl": 2700, "token_policies": ["a", "b"], "local_secret_ids": False}
    made = AppliedVersion(RUN, ObjectRecord("vault.approle_role/approle/ci", "create", None, first, "applied"))
    changed = AppliedVersion(RUN._replace(id="d4e5f6"), ObjectRecord("vault.approle_role/approle/ci", "update", first, second, "applied"))
    gone = AppliedVersion(RUN._replace(id="g7h8"), ObjectRecord("vault.approle_role/approle/ci", "delete", second, None, "applied"))
    assert versions_text("vault.approle_role/approle/ci", [gone, changed, made]) == (
        "vault.approle_role/approle/ci\n"
        "  2026-11-24T08:00:00Z  run g7h8  commit 4f2c1ab  apply: delete, applied\n"
        "  2026-11-24T08:00:00Z  run d4e5f6  commit 4f2c1ab  apply: update, applied\n"
        "      token_policies  a     ->  a, b\n"
        "      token_ttl       3600  ->  2700\n"
        "  2026-11-24T08:00:00Z  run a1b2c3  commit 4f2c1ab  apply: create, applied\n"
        "    + token_policies  a\n"
        "    + token_ttl       3600"
    )
    assert version_json(changed)["spec"] == second
    assert versions_text("vault.policy/p", []) == "No run changed vault.policy/p."


def test_the_lock_is_one_sentence() -> None:
    held = {"owner": "ann", "host": "ci-7", "run": "a1b2c3", "since": "08:00", "until": "08:01"}
    assert lock_text(held) == "Held by ann on ci-7 (run a1b2c3) since 08:00, until 08:01 unless renewed."
    assert lock_text(None) == "Nobody holds the lock."


@pytest.mark.parametrize("nasty", ["\x1b[2J", "a\nb"])
def test_errors_stay_on_their_line(nasty: str) -> None:
    text = applied_text(plan(notes=(nasty,)), "r", [FAILED._replace(error=nasty, address=nasty)], "")
    assert text.count("\n") == 2
    assert all(line.isprintable() for line in text.split("\n"))
