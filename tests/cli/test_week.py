"""A week of GENESIS, told by the reports: two rotations, an emergency, a burst of logins, a rollback, and changes by hand.

Only our clock and what is told of the server's moves through the week (tests/cli/days.py). What the server counts by itself,
as the lives of tokens and leases, passes in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from reconciler.dev.servers import start_bao_raft, start_moto
from tests.cli.week import BY_HAND, GUESSES, PROVIDED, STRANGER, Week, week_lived

FAIL = {"C01", "C09", "C12", "C14", "C17", "C20", "C21", "C23", "C26"}
"""By hand: C01, C14, C21. Unreviewed: C20. The rest is what a laptop's server is: no TLS, one audit device, one share, no backup."""
NOT_ASSESSED = {"C05", "C19", "C24", "C29"}
"""Nobody can be asked about what leaked; no alert, no certificate; and a week is too short to call a secret unused."""


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Week]:
    # Servers of its own: the example has limits of the root namespace, and a week must not hold what others did.
    folder = tmp_path_factory.mktemp("week")
    with start_bao_raft(folder / "bao") as bao, start_moto(folder / "moto") as moto, week_lived(folder, bao, moto) as lived:
        yield lived


@pytest.fixture(scope="module")
def evidence(week: Week) -> Any:
    return week.json("report", "compliance", "--device", str(week.device))


def by_check(report: Any) -> dict[str, Any]:
    return {one["check"]: one for one in report["checks"]}


def found(report: Any, check: str) -> dict[str, str]:
    return {one["address"]: one["message"] for one in by_check(report)[check]["findings"]}


def backing(report: Any) -> dict[tuple[str, str], str]:
    """Control to what there is for it."""
    return {(of["framework"], one["control"]): one["evidence"] for of in report["frameworks"] for one in of["controls"]}


def test_the_runs_are_told_in_their_order_with_their_commits_a_day_apart(week: Week) -> None:
    runs = week.json("report", "runs")
    told = [(one["sort"], one["commit"], one["outcome"]) for one in reversed(runs)]
    begin, often, wide, narrow = (week.commits[name] for name in ("begin", "often", "wide", "narrow"))
    assert told == [
        ("apply", begin, "applied"),
        ("rotate", begin, "applied"),
        ("apply", often, "applied"),
        ("secret", "", "applied"),  # a value is of no commit
        ("rotate", often, "applied"),
        ("rotate", often, "applied"),
        ("rotate", often, "applied"),
        ("apply", wide, "applied"),
        ("rollback", often, "applied"),
        ("apply", narrow, "applied"),
        ("rotate", narrow, "applied"),
    ]
    assert len({one["started"][:10] for one in runs}) >= 6
    assert len(week.json("report", "runs", "--since", "36h")) == 4


def test_the_rotations_of_the_week_are_counted_and_none_is_late(week: Week) -> None:
    told = week.json("report", "rotation", "--since", "7d")
    assert (told["summary"]["overdue"], told["summary"]["in_trouble"], told["summary"]["failed"]) == (0, 0, 0)
    # A first value each, the key on Thursday and on Sunday, the webhooks' secret in an emergency.
    secrets = {one["path"]: one for one in told["secrets"]}
    assert {path: (one["succeeded"], one["phase"]) for path, one in secrets.items()} == {
        "api_keys/internal": (3, "OVERLAP"),
        "webhooks/github": (2, "IDLE"),
    }
    assert {one["path"]: one["succeeded"] for one in week.json("report", "rotation", "--since", "1h")["secrets"]} == {
        "api_keys/internal": 1,
        "webhooks/github": 0,
    }
    text = week.ok("report", "rotation", "--since", "7d")
    assert "3d ago" in text
    assert "old and new value are both good" in text


def test_the_emergency_stands_in_the_log_on_its_day_and_says_what_nobody_can_know(week: Week) -> None:
    (one,) = week.json("audit", "search", "--action", "rotation.emergency")
    (alarm,) = [run for run in week.json("report", "runs") if "rotation.emergency" in run["summary"]]
    assert (one["resource"], one["outcome"], one["commit"]) == ("webhooks/github", "unknown", alarm["commit"])
    assert one["time"][:10] == alarm["started"][:10]
    assert week.json("audit", "search", "--action", "rotation.emergency", "--since", "2d") == []


def test_the_guesses_are_told_by_where_they_came_from_and_nothing_followed(week: Week) -> None:
    (one,) = week.json("audit", "search", "--failed-logins", "--device", str(week.device))
    assert (one["address"], one["count"], one["login_after"]) == (STRANGER, GUESSES, None)
    assert one["paths"] == {"auth/approle/login": GUESSES}
    (wednesday,) = {one["first"][:10], one["last"][:10]}
    assert week.json("audit", "search", "--failed-logins", "--device", str(week.device), "--since", "3d") == []
    assert wednesday < week.json("audit", "search", "--action", "rotation.emergency")[0]["time"][:10]


def test_the_servers_log_tells_who_came_and_knows_our_runs_from_others(week: Week) -> None:
    told = week.json("report", "access", "--device", str(week.device))
    by_name = {one["subject"]: one for one in told["subjects"]}
    reader = by_name["vault.approle_role/approle/genesis-orchestrator"]
    reads = [one for one in reader["paths"] if one["path"] == "genesis/data/api_keys/internal"]
    assert [(one["operation"], one["count"], one["denied"]) for one in reads] == [("read", 2, 0)]
    assert reads[0]["first"][:10] < reads[0]["last"][:10]
    assert "vault.approle_role/approle/genesis-planner" in told["absent"], "guesses are no visit"
    assert [one["address"] for one in told["failed_logins"]] == [STRANGER]
    runs = {one["run"]: one["known_by"] for one in told["runs"]}
    # An apply that found nothing to change leaves nothing in the audit log.
    recorded = {run["id"] for run in week.json("report", "runs") if run["commit"] != week.commits["narrow"] or run["sort"] != "apply"}
    assert recorded <= runs.keys()
    assert set(runs.values()) == {"header"}


def test_what_was_written_by_hand_is_the_only_thing_that_the_log_does_not_know(week: Week) -> None:
    told = week.json("audit", "complete", "--device", str(week.device), code=1)
    (one,) = told["findings"]
    assert (one["sort"], one["path"], one["version"]) == ("out of band", "shared/partner", "1")
    assert one["written_by"] == ["root from 127.0.0.1"]
    text = week.site.run("audit", "complete", "--device", str(week.device)).out
    assert text.startswith("dev: 1 thing does not fit")
    assert BY_HAND not in text
    (store,) = told["stores"]
    assert (store["unsure"], store["before"], store["versions"] - store["matched"]) == (0, 0, 1)


def test_each_check_tells_its_part_of_the_week(week: Week, evidence: Any) -> None:
    told = by_check(evidence)
    assert len(told) == 30
    assert all(len(one["evidence"]) == 64 for one in told.values())
    assert {name for name, one in told.items() if one["status"] == "fail"} == FAIL
    assert {name for name, one in told.items() if one["status"] == "not-assessed"} == NOT_ASSESSED
    assert {name for name, one in told.items() if not one["population"]} == {"C19", "C24"}
    assert (told["C02"]["population"], told["C04"]["population"]) == (2, 2)
    # Two first values, two rotations, one emergency, and no value twice.
    assert told["C07"]["population"] == 5
    assert "webhooks/github" in told["C05"]["reason"]
    assert told["C13"]["population"] == week.json("audit", "verify")["entries"]


def test_what_was_done_past_git_past_the_log_and_past_review_is_named_and_nothing_else(week: Week, evidence: Any) -> None:
    assert found(evidence, "C01").keys() == {"secret/shared/partner", "vault.kv_secret/genesis/shared/partner"}
    assert found(evidence, "C14").keys() == {"secret/shared/partner"}
    assert found(evidence, "C14")["secret/shared/partner"].startswith("out of band")
    assert found(evidence, "C21").keys() == {"vault.policy/genesis-monitoring"}
    assert found(evidence, "C20").keys() == {f"commit/{week.commits['wide'][:12]}"}


def test_the_log_of_the_week_verifies_and_holds_no_value(week: Week) -> None:
    told = week.json("audit", "verify")
    assert (told["ok"], told["findings"]) == (True, [])
    value = week.asked("GET", "genesis/data/api_keys/internal")["data"]["data"]["value"]
    said = week.ok("audit", "export") + week.ok("report", "compliance", "-o", "json", "--device", str(week.device))
    assert value not in said
    assert not any(known in said for known in (BY_HAND, PROVIDED, "guess-"))


def test_one_byte_that_is_changed_afterwards_is_told_by_both_and_counts_against_what_rests_on_the_log(week: Week, evidence: Any) -> None:
    folder = week.site.repo / ".reconcile/audit/dev/segments"
    segment = next(one for one in sorted(folder.glob("*.jsonl")) if b"rotation.emergency" in one.read_bytes())
    whole = segment.read_bytes()
    at = whole.index(b"rotation.emergency")
    line = whole[:at].count(b"\n") + 1
    segment.write_bytes(whole[:at] + b"R" + whole[at + 1 :])
    try:
        verdict = week.json("audit", "verify", code=1)
        after = week.json("report", "compliance", "--device", str(week.device))
    finally:
        segment.write_bytes(whole)
    entry = week.json("audit", "search", "--action", "rotation.emergency")[0]["entry"]
    (edited,) = verdict["findings"]
    assert (edited["sort"], edited["entry"], edited["where"]) == ("edited", entry, f"{segment.name} line {line}")
    assert by_check(after)["C13"]["status"] == "fail"
    assert found(after, "C13")["audit/dev"].startswith(f"entry {entry}, {segment.name} line {line}")
    lost = {control for control, before in backing(evidence).items() if before != "evidence against" == backing(after)[control]}
    assert lost >= {("pci", "10.3.2"), ("pci", "10.3.4"), ("gdpr", "5(2)")}
    assert by_check(week.json("report", "compliance"))["C13"]["status"] == "pass", "the byte was put back"
