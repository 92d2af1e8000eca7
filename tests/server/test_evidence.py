"""What the server notes of the evidence: what commands say, what they cannot say, and how often old lines are read again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from reconciler.server.database import SqliteDatabase
from reconciler.server.events import Claim, Event
from reconciler.server.evidence import EvidenceLook
from reconciler.server.notes import Notes
from reconciler.server.ports import Done
from reconciler.server.worker import Later
from tests.server.deployment import Deployment, Running, policy, until
from tests.server.test_monitoring import told
from tests.server.test_serving import token

GOOD: dict[str, Any] = {"ok": True, "entries": 7, "anchored": 5, "newest": "1970-01-01T00:01:30.250Z", "findings": []}
BAD = {**GOOD, "ok": False, "findings": [{"what": "line 3 was edited"}]}
NONE = {**GOOD, "ok": False, "entries": 0, "newest": None, "findings": [{"what": "there is no log"}]}
CHECKS = [{"check": "C02", "severity": "high", "status": "fail", "title": "Age", "findings": [{"address": "secret/x"}]}]
DENIED = Done(1, None, "error: permission denied")
CLAIM = Claim("evidence", "token", ())


@dataclass
class FakeAsked:
    """Answers as it is told to; `read` is whether verifications were in full."""

    verdict: Done = field(default_factory=lambda: Done(0, GOOD, ""))
    rows: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    checks: Done = field(default_factory=lambda: Done(0, {"checks": CHECKS, "summary": {"excepted": 1}}, ""))
    read: list[bool] = field(default_factory=list)
    begun: list[tuple[str, float]] = field(default_factory=list)

    def verify(self, *, full: bool) -> Done:
        self.read.append(full)
        return self.verdict

    def last(self, action: str, since: float) -> Done:
        self.begun.append((action, since))
        return Done(0, {"rows": self.rows.get(action, [])}, "")

    def compliance(self) -> Done:
        return self.checks


@dataclass
class Desk:
    asked: FakeAsked
    notes: Notes
    now: float = 100_000.0

    def look(self) -> str:
        return EvidenceLook(self.asked, self.notes, lambda: self.now)(CLAIM)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with closing(SqliteDatabase(tmp_path / "notes.sqlite")) as database:
        notes = Notes(database)
        notes.prepare()
        notes.write("tip", {"state": "applied"})
        yield Desk(FakeAsked(), notes)


def test_what_the_commands_say_is_noted_without_what_names_objects(desk: Desk) -> None:
    desk.asked.rows["backup"] = [{"time": "1970-01-02T00:00:00.000Z"}]
    said = desk.look()
    assert said == "the audit log is what was recorded; last backup: 4 h ago, last drill: never; C02 fail"
    assert desk.notes.read("audit") == {
        "at": 100_000.0, "known": True, "full_at": 100_000.0, "newest": 90, "ok": True, "entries": 7, "anchored": 5
    }  # fmt: skip
    assert desk.notes.read("backups") == {"at": 100_000.0, "known": True, "backup": 86_400, "drill": None}
    assert desk.notes.read("compliance")["checks"] == [{"check": "C02", "severity": "high", "status": "fail"}]
    assert "secret/x" not in str(desk.notes.below(""))


def test_the_branch_is_looked_at_first_but_not_waited_for_for_ever(desk: Desk) -> None:
    desk.notes.strike("tip")
    with pytest.raises(Later):
        desk.look()
    waited = Event(1, "k", "timer", "look", "evidence", "", 0.0, 6, None, "")
    assert "what was recorded" in EvidenceLook(desk.asked, desk.notes, lambda: desk.now)(CLAIM._replace(events=(waited,)))


def test_old_lines_are_read_again_once_a_day_and_for_as_long_as_something_is_wrong(desk: Desk) -> None:
    for _ in range(3):
        desk.look()
        desk.now += 3600
    assert desk.asked.read == [True, False, False]
    desk.now += 86_400
    desk.asked.verdict = Done(1, BAD, "")
    assert "does not verify: line 3 was edited" in desk.look()
    desk.look()
    assert desk.asked.read[3:] == [True, True]


def test_a_long_log_is_searched_from_where_the_last_look_found_something(desk: Desk) -> None:
    desk.asked.rows["backup"] = [{"time": "1970-01-02T00:00:00.000Z"}]
    desk.look()
    desk.asked.rows.clear()
    desk.now += 3600
    desk.look()
    assert desk.asked.begun == [("backup", 0.0), ("drill", 0.0), ("backup", 86_400.0), ("drill", 100_000.0 - 86_400.0)]
    assert desk.notes.read("backups")["backup"] == 86_400, "one that was archived since is no less of a backup"


def test_a_command_that_cannot_tell_leaves_no_older_answer_in_place(desk: Desk) -> None:
    desk.look()
    desk.asked.verdict = desk.asked.checks = DENIED
    desk.now += 1
    assert "permission denied" in desk.look()
    assert desk.notes.read("audit") == {"at": 100_001.0, "known": False, "entries": 7}
    assert desk.notes.read("compliance") == {"at": 100_001.0, "known": False}
    desk.asked.verdict = Done(0, GOOD, "")
    desk.look()
    assert desk.asked.read == [True, False, True], "what could not be told begins anew"


def test_a_log_that_is_gone_is_an_alarm_and_one_that_never_was_here_is_not_known(desk: Desk) -> None:
    desk.asked.verdict = Done(1, NONE, "")
    desk.look()
    assert desk.notes.read("audit")["known"] is False
    desk.asked.verdict = Done(0, GOOD, "")
    desk.look()
    for verdict in (Done(1, NONE, ""), DENIED, Done(1, NONE, "")):
        desk.asked.verdict = verdict
        desk.look()
    assert desk.notes.read("audit")["ok"] is False


def test_a_server_tells_prometheus_what_it_found(deployed: Deployment) -> None:
    """Of a real log and real checks: verified, no anchor, no backup, and what fails for want of them."""
    deployed.declare_environment("audit: {ship: ledger, trusted: [{public_key: '" + deployed.site.run("audit", "key").out.strip() + "'}]}")
    deployed.site.write("desired-state/p.yaml", policy("second/*"))
    deployed.push("keep the audit log where this server sees it")
    deployed.site.apply()
    with deployed.serving("--evidence-every", "1d") as server:
        until(lambda: "reconciler_compliance_failing" in metrics(server, deployed), "the evidence is looked at")
        found = told(metrics(server, deployed))
    assert {labels["sort"]: known for labels, known in found["reconciler_evidence_known"]} == {
        "audit": 1.0,
        "backups": 1.0,
        "compliance": 1.0,
    }
    assert [value for _, value in found["reconciler_audit_verified"]] == [1.0]
    assert [value for _, value in found["reconciler_audit_anchored_entries"]] == [0.0]
    assert found["reconciler_audit_entries"][0][1] > 0
    assert "reconciler_backup_last_timestamp_seconds" not in found
    failing = {labels["check"]: value for labels, value in found["reconciler_compliance_failing"]}
    assert len(failing) == 30
    assert (failing["C13"], failing["C23"]) == (0.0, 1.0), "the log verifies, and no backup is on record"


def metrics(server: Running, deployed: Deployment) -> str:
    status, text = server.ask("GET", "/metrics", token(deployed))
    assert status == 200
    return str(text)
