"""A server is lost, and comes back from its backup: the whole story, on servers that really end."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from tests.backup import partner
from tests.backup.lost import STATE, Lost, everything, phases, request, restore, restored, versions, write
from tests.backup.made import recorded
from tests.cli.site import Site


def test_a_lost_server_comes_back_and_what_no_longer_matches_is_rotated_anew(survivor: Site, lost: Lost) -> None:
    partner.forget(survivor, lost.values["partners/moved"][-1])
    plan = restore(survivor, lost, "--plan", "-o", "json")
    assert plan.code == 0, plan.err
    assert {row["action"] for row in plan.json["steps"] if row["part"] != "audit"} == {"create"}
    assert request(survivor, "GET", "sys/mounts/kv")[0] == 400, "a plan writes nothing"

    tried = restored(survivor, lost)
    assert {path: (row["verdict"], row["released"]) for path, row in tried.items()} == {
        "webhooks/github": ("untested", True),
        "partners/good": ("works", True),
        "partners/moved": ("refused", True),
        "partners/held": ("works", False),
    }
    assert phases(survivor) == {"webhooks/github": "IDLE", "partners/good": "IDLE", "partners/moved": "IDLE", "partners/held": "HELD"}
    assert "ticket 7" in tried["partners/held"]["why"], "what a person held before stays held"

    values = everything(survivor)
    fresh = values["partners/moved"][-1]
    assert fresh in partner.good(survivor)
    assert len(values["hand/made"]) == 12
    assert values == {**lost.values, "partners/moved": [*lost.values["partners/moved"], fresh]}
    assert fresh not in lost.values["partners/moved"]
    assert request(survivor, "GET", "kv/metadata/hand/made")[1]["data"]["custom_metadata"]["owner"] == "platform"

    assert survivor.run("history", "-o", "json").json == lost.runs, "the ledger knows what was done before"
    assert {change["action"] for change in survivor.plan()["changes"]} <= {"create", "update"}
    survivor.apply()
    assert survivor.plan()["changes"] == []
    assert survivor.run("rollback", "--yes").code == 0, "what was applied before the loss can be gone back to"
    assert survivor.run("audit", "verify").code == 0
    assert {outcome for _, outcome in recorded(survivor, "restore*")} == {"applied"}
    found = survivor.run("audit", "complete", "-o", "json").json["findings"]
    assert {one["path"] for one in found} <= {"hand/made"}, "each version that is there now has one outcome, and back"


def test_no_value_is_in_what_a_restore_says_or_records(survivor: Site, lost: Lost) -> None:
    partner.forget(survivor, lost.values["partners/moved"][-1])
    said = [restore(survivor, lost, "--plan"), restore(survivor, lost, "--yes"), restore(survivor, lost, "--plan", "-o", "json")]
    assert [one.code for one in said] == [0, 0, 0]
    text = "".join(one.out + one.err for one in said)
    text += "".join(file.read_text(errors="replace") for file in (survivor.repo / ".reconcile").rglob("*") if file.is_file())
    values = {value for all_ in [*lost.values.values(), *everything(survivor).values()] for value in all_}
    assert len(values) > 8
    assert not [value for value in values if value in text]


def test_rotations_are_held_while_their_targets_cannot_be_asked(survivor: Site, lost: Lost) -> None:
    (survivor.repo / "partner-key").rename(survivor.repo / "away")
    tried = restored(survivor, lost)
    assert [tried[path]["verdict"] for path in ("partners/good", "partners/moved")] == ["unsure", "unsure"]
    assert phases(survivor)["partners/good"] == phases(survivor)["partners/moved"] == "HELD"
    assert "restored from backup" in survivor.run("rotate", "--secret-path", "partners/good").out
    assert "3 still held" in survivor.run("restore", "--probe").out
    (survivor.repo / "away").rename(survivor.repo / "partner-key")
    assert "partners/good works: released" in survivor.run("restore", "--probe").out
    assert phases(survivor)["partners/good"] == "IDLE"
    assert "No rotation is held by a restore" in survivor.run("restore", "--probe").out


def test_nothing_that_is_newer_is_written_over(survivor: Site, lost: Lost) -> None:
    restored(survivor, lost)
    assert restored(survivor, lost) == {}, "all of it is there"
    write(survivor, "webhooks/github", {"value": "newer"})
    for path in ("hand/made", "partners/good"):
        assert request(survivor, "DELETE", f"kv/metadata/{path}")[0] == 204
    write(survivor, "hand/made", {"value": "other"})
    ran = restore(survivor, lost, "--yes")
    assert ran.code == 4
    assert "hand/made: it has other values" in ran.out
    assert "webhooks/github: it was written since" in ran.out
    assert request(survivor, "GET", "kv/data/partners/good")[0] == 404
    assert restored(survivor, lost, "--keep-newer")["partners/good"]["verdict"] == "works"
    assert versions(survivor, "webhooks/github")[-1] == "newer"
    assert versions(survivor, "hand/made") == ["other"]
    assert versions(survivor, "partners/good") == lost.values["partners/good"]


def test_a_backup_of_another_environment_is_refused(survivor: Site, lost: Lost) -> None:
    name = "desired-state/environments/dev.yaml"
    text = (survivor.repo / name).read_text()
    key = survivor.run("audit", "key").out.strip()
    survivor.write(name, f"{text.replace('project: genesis', 'project: other')}audit: {{trusted: [{{public_key: {key}}}]}}\n")
    ran = restore(survivor, lost, "--plan")
    assert ran.code == 4
    assert "is a backup of dev of genesis, and this is dev of other" in ran.err


def test_without_a_terminal_or_a_yes_nothing_is_restored(survivor: Site, lost: Lost) -> None:
    assert restore(survivor, lost).code == 2
    assert survivor.run("restore", lost.backup["file"], "--yes").code == 2, "and an identity is needed"


def test_a_drill_restores_for_practice_and_leaves_the_evidence(
    survivor: Site, lost: Lost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    found = survivor.run("restore", "--drill", lost.backup["file"], "--identity", str(lost.keys[1]), "-o", "json")
    assert found.code == 0, found.err
    assert found.json["versions"] == lost.backup["counts"]["vault version"]
    assert found.json["entries"] == lost.backup["audit_entries"]
    assert found.json["objects"] == len(STATE.split("kind: ")) - 1 + 1, "and the second policy"
    assert recorded(survivor, "drill") == [(lost.backup["id"], "applied")]
    broken = tmp_path / "broken.backup"
    broken.write_bytes(Path(lost.backup["file"]).read_bytes()[:-1])
    assert survivor.run("restore", "--drill", str(broken), "--identity", str(lost.keys[1])).code == 1
    assert recorded(survivor, "drill")[-1] == ("broken.backup", "failed")
    assert survivor.run("audit", "verify").code == 0
    assert list((tmp_path / "temporary").iterdir()) == [], "nothing of it is left"
