"""A server is lost, and comes back from its backup: the whole story, on servers that really end."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from reconciler.dev.process import ask
from reconciler.dev.servers import start_bao_dev
from tests.backup import partner
from tests.backup.conftest import make_keys
from tests.backup.test_commands import made, recorded
from tests.cli.site import Ran, Site
from tests.rotation.test_commands import declare, status

STATE = """
kind: vault.secrets_engine
name: kv
spec: {type: kv-v2, description: values}
---
kind: vault.policy
name: service
spec: {rules: [{path: kv/data/*, capabilities: [read]}]}
---
kind: secret
name: webhooks/github
spec: {type: webhook_secret, generate: {length: 48}, rotation: keys}
---
kind: secret
name: partners/good
spec: {type: external, generate: {length: 40}, rotation: keys, target: {command: [./partner-key]}}
---
kind: secret
name: partners/moved
spec: {type: external, generate: {length: 40}, rotation: keys, target: {command: [./partner-key]}}
---
kind: secret
name: partners/held
spec: {type: external, generate: {length: 40}, rotation: keys, target: {command: [./partner-key]}}
---
kind: rotation_policy
name: keys
spec: {interval_days: 90, overlap_hours: 0, consumer_cache: 0}
"""
ENVIRONMENT = "project: genesis\nstores: {vault: {mount: kv}}\n"


class Lost(NamedTuple):
    """A site whose server is gone, its backup, and what it had."""

    repo: Path
    keys: tuple[Path, Path]
    backup: dict[str, Any]
    values: dict[str, list[str]]
    runs: Any


def request(site: Site, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    return ask(site.environ["VAULT_ADDR"], method, f"/v1/{path}", token=site.environ["VAULT_TOKEN"], body=body)


def write(site: Site, path: str, value: dict[str, str]) -> None:
    assert request(site, "POST", f"kv/data/{path}", {"data": value})[0] == 200


def versions(site: Site, path: str) -> list[str]:
    """The values of all versions, oldest first."""
    found = site.run("secret", "versions", path, "-o", "json").json
    return [request(site, "GET", f"kv/data/{path}?version={one['version']}")[1]["data"]["data"]["value"] for one in reversed(found)]


def everything(site: Site) -> dict[str, list[str]]:
    return {path: versions(site, path) for path in ("webhooks/github", "partners/good", "partners/moved", "partners/held", "hand/made")}


def live_in(site: Site) -> None:
    """Secrets that rotate, one of which a person holds; one with history and metadata that does not; two applied commits."""
    partner.install(site)
    declare(site, STATE)
    site.apply()
    for path in ("webhooks/github", "partners/good"):
        assert site.run("rotate", "--secret-path", path).code == 0
    assert site.run("rotate", "hold", "partners/held", "--reason", "ticket 7").code == 0
    about = {"custom_metadata": {"owner": "platform"}, "max_versions": 20}
    assert request(site, "POST", "kv/metadata/hand/made", about)[0] == 204
    for number in range(12):  # more than a mount keeps by default
        write(site, "hand/made", {"value": f"by-hand-{number}", "user": "ann"})
    site.write("desired-state/policies.yaml", "kind: vault.policy\nname: second\nspec: {rules: [{path: x/*, capabilities: [list]}]}\n")
    site.commit()
    site.apply()


@pytest.fixture(scope="module")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Lost:
    """One for all tests: each has a copy of the repository and an empty server of its own."""
    folder = tmp_path_factory.mktemp("lost")
    with start_bao_dev(folder / "first") as server:
        site = Site(folder / "repo", {**os.environ, "VAULT_ADDR": server.address, "VAULT_TOKEN": server.token})
        site.write("desired-state/environments/dev.yaml", ENVIRONMENT)
        site.git("init", "--quiet", "--initial-branch=main", ".")
        keys = make_keys(site, folder)
        live_in(site)
        runs = site.run("history", "-o", "json").json
        return Lost(site.repo, keys, made(site, "--identity", str(keys[1])), everything(site), runs)


@pytest.fixture
def site(tmp_path: Path, lost: Lost) -> Iterator[Site]:
    shutil.copytree(lost.repo, tmp_path / "repo")
    with start_bao_dev(tmp_path / "second") as server:
        yield Site(tmp_path / "repo", {**os.environ, "VAULT_ADDR": server.address, "VAULT_TOKEN": server.token})


def restore(site: Site, lost: Lost, *more: str) -> Ran:
    return site.run("restore", lost.backup["file"], "--identity", str(lost.keys[0]), *more)


def restored(site: Site, lost: Lost, *more: str) -> Any:
    ran = restore(site, lost, "--yes", "-o", "json", *more)
    assert ran.code == 0, ran.out + ran.err
    return {row["path"]: row for row in ran.json["tried"]}


def phases(site: Site) -> dict[str, str]:
    return {row["path"]: row["phase"] for row in status(site)}


def test_a_lost_server_comes_back_and_what_no_longer_matches_is_rotated_anew(site: Site, lost: Lost) -> None:
    partner.forget(site, lost.values["partners/moved"][-1])
    plan = restore(site, lost, "--plan", "-o", "json")
    assert plan.code == 0, plan.err
    assert {row["action"] for row in plan.json["steps"] if row["part"] != "audit"} == {"create"}
    assert request(site, "GET", "sys/mounts/kv")[0] == 400, "a plan writes nothing"

    tried = restored(site, lost)
    assert {path: (row["verdict"], row["released"]) for path, row in tried.items()} == {
        "webhooks/github": ("untested", True),
        "partners/good": ("works", True),
        "partners/moved": ("refused", True),
        "partners/held": ("works", False),
    }
    assert phases(site) == {"webhooks/github": "IDLE", "partners/good": "IDLE", "partners/moved": "IDLE", "partners/held": "HELD"}
    assert "ticket 7" in tried["partners/held"]["why"], "what a person held before stays held"

    values = everything(site)
    fresh = values["partners/moved"][-1]
    assert fresh in partner.good(site)
    assert len(values["hand/made"]) == 12
    assert values == {**lost.values, "partners/moved": [*lost.values["partners/moved"], fresh]}
    assert fresh not in lost.values["partners/moved"]
    assert request(site, "GET", "kv/metadata/hand/made")[1]["data"]["custom_metadata"]["owner"] == "platform"

    assert site.run("history", "-o", "json").json == lost.runs, "the ledger knows what was done before"
    assert {change["action"] for change in site.plan()["changes"]} <= {"create", "update"}
    site.apply()
    assert site.plan()["changes"] == []
    assert site.run("rollback", "--yes").code == 0, "what was applied before the loss can be gone back to"
    assert site.run("audit", "verify").code == 0
    assert {outcome for _, outcome in recorded(site, "restore*")} == {"applied"}
    found = site.run("audit", "complete", "-o", "json").json["findings"]
    assert {one["path"] for one in found} <= {"hand/made"}, "each version that is there now has one outcome, and back"


def test_no_value_is_in_what_a_restore_says_or_records(site: Site, lost: Lost) -> None:
    partner.forget(site, lost.values["partners/moved"][-1])
    said = [restore(site, lost, "--plan"), restore(site, lost, "--yes"), restore(site, lost, "--plan", "-o", "json")]
    assert [one.code for one in said] == [0, 0, 0]
    text = "".join(one.out + one.err for one in said)
    text += "".join(file.read_text(errors="replace") for file in (site.repo / ".reconcile").rglob("*") if file.is_file())
    values = {value for all_ in [*lost.values.values(), *everything(site).values()] for value in all_}
    assert len(values) > 8
    assert not [value for value in values if value in text]


def test_rotations_are_held_while_their_targets_cannot_be_asked(site: Site, lost: Lost) -> None:
    (site.repo / "partner-key").rename(site.repo / "away")
    tried = restored(site, lost)
    assert [tried[path]["verdict"] for path in ("partners/good", "partners/moved")] == ["unsure", "unsure"]
    assert phases(site)["partners/good"] == phases(site)["partners/moved"] == "HELD"
    assert "restored from backup" in site.run("rotate", "--secret-path", "partners/good").out
    assert "3 still held" in site.run("restore", "--probe").out
    (site.repo / "away").rename(site.repo / "partner-key")
    assert "partners/good works: released" in site.run("restore", "--probe").out
    assert phases(site)["partners/good"] == "IDLE"
    assert "No rotation is held by a restore" in site.run("restore", "--probe").out


def test_nothing_that_is_newer_is_written_over(site: Site, lost: Lost) -> None:
    restored(site, lost)
    assert restored(site, lost) == {}, "all of it is there"
    write(site, "webhooks/github", {"value": "newer"})
    for path in ("hand/made", "partners/good"):
        assert request(site, "DELETE", f"kv/metadata/{path}")[0] == 204
    write(site, "hand/made", {"value": "other"})
    ran = restore(site, lost, "--yes")
    assert ran.code == 4
    assert "hand/made: it has other values" in ran.out
    assert "webhooks/github: it was written since" in ran.out
    assert request(site, "GET", "kv/data/partners/good")[0] == 404
    assert restored(site, lost, "--keep-newer")["partners/good"]["verdict"] == "works"
    assert versions(site, "webhooks/github")[-1] == "newer"
    assert versions(site, "hand/made") == ["other"]
    assert versions(site, "partners/good") == lost.values["partners/good"]


def test_a_backup_of_another_environment_is_refused(site: Site, lost: Lost) -> None:
    name = "desired-state/environments/dev.yaml"
    text = (site.repo / name).read_text()
    key = site.run("audit", "key").out.strip()
    site.write(name, f"{text.replace('project: genesis', 'project: other')}audit: {{trusted: [{{public_key: {key}}}]}}\n")
    ran = restore(site, lost, "--plan")
    assert ran.code == 4
    assert "is a backup of dev of genesis, and this is dev of other" in ran.err


def test_without_a_terminal_or_a_yes_nothing_is_restored(site: Site, lost: Lost) -> None:
    assert restore(site, lost).code == 2
    assert site.run("restore", lost.backup["file"], "--yes").code == 2, "and an identity is needed"


def test_a_drill_restores_for_practice_and_leaves_the_evidence(
    site: Site, lost: Lost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    found = site.run("restore", "--drill", lost.backup["file"], "--identity", str(lost.keys[1]), "-o", "json")
    assert found.code == 0, found.err
    assert found.json["versions"] == lost.backup["counts"]["vault version"]
    assert found.json["entries"] == lost.backup["audit_entries"]
    assert found.json["objects"] == len(STATE.split("kind: ")) - 1 + 1, "and the second policy"
    assert recorded(site, "drill") == [(lost.backup["id"], "applied")]
    broken = tmp_path / "broken.backup"
    broken.write_bytes(Path(lost.backup["file"]).read_bytes()[:-1])
    assert site.run("restore", "--drill", str(broken), "--identity", str(lost.keys[1])).code == 1
    assert recorded(site, "drill")[-1] == ("broken.backup", "failed")
    assert site.run("audit", "verify").code == 0
    assert list((tmp_path / "temporary").iterdir()) == [], "nothing of it is left"
