"""A place is lost and another one taken: a database that went on, a log that is shipped, a folder of files, a raft server."""

from __future__ import annotations

import shutil
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from reconciler.backends.vault.client import VaultClient
from reconciler.dev.process import ask, binary
from reconciler.dev.servers import Server, start_bao_raft
from tests.backup.conftest import make_keys
from tests.backup.lost import phases
from tests.backup.made import made, refusal
from tests.cli.site import Ran, Site
from tests.cli.test_two_logins import TwoLogins
from tests.rotation.kv import read, request, write
from tests.rotation.orders import document, login, new_database, value
from tests.rotation.test_commands import HOOK, declare

ENVIRONMENT = "desired-state/environments/dev.yaml"


def lose(site: Site, bao: Server) -> None:
    """A new namespace is as empty as a new server."""
    site.namespace = f"test-{uuid.uuid4().hex[:12]}"
    status, _ = ask(bao.address, "POST", f"/v1/sys/namespaces/{site.namespace}", token=bao.token, body={})
    assert status == 200
    site.environ["VAULT_NAMESPACE"] = site.namespace


def restore(site: Site, file: str, key: Path, *more: str) -> Ran:
    return site.run("restore", file, "--identity", str(key), "--yes", *more)


def test_a_password_that_the_database_no_longer_takes_is_rotated_anew(
    site: Site, keys: tuple[Path, Path], database: str, bao: Server
) -> None:
    new_database(site, database)
    declare(site, document())
    site.apply()
    assert site.run("rotate", "--secret-path", "db/orders").code == 0
    backup, then = made(site), value(site)
    assert site.run("rotate", "--secret-path", "db/orders").code == 0
    assert [login(then), login(value(site))] == [False, True], "the database went on after the backup"
    lose(site, bao)
    ran = restore(site, backup["file"], keys[0])
    assert ran.code == 0, ran.out + ran.err
    assert "db/orders is refused by its target: rotated anew" in ran.out
    assert login(value(site))
    assert value(site) != then
    assert phases(site) == {"db/orders": "IDLE"}
    assert site.run("rotate", "--secret-path", "db/orders").code == 0, "its fences are newer than what the database has seen"
    assert login(value(site))


@pytest.mark.parametrize("passes", [2, 6])
def test_a_rotation_that_was_under_way_comes_to_its_end_though_the_database_went_on(
    site: Site, keys: tuple[Path, Path], database: str, bao: Server, passes: int
) -> None:
    new_database(site, database)
    declare(site, document())
    site.apply()
    for _ in range(passes):
        assert site.run("rotate", "--secret-path", "db/orders", "--once").code == 0
    backup = made(site)
    assert phases(site)["db/orders"] != "IDLE"
    for _ in range(2):  # to its end, and another one: what the backup has is not good any more, or not for long
        assert site.run("rotate", "--secret-path", "db/orders").code == 0
    lose(site, bao)
    ran = restore(site, backup["file"], keys[0])
    assert ran.code == 0, ran.out + ran.err
    ran = site.run("rotate", "--all")
    assert ran.code == 0, ran.out + ran.err
    assert phases(site) == {"db/orders": "IDLE"}
    assert login(value(site))


def test_a_new_machine_takes_over_ledger_and_audit_log(site: Site, keys: tuple[Path, Path], bao: Server, tmp_path: Path) -> None:
    old = site.run("audit", "key").out.strip()
    site.write(ENVIRONMENT, f"{(site.repo / ENVIRONMENT).read_text()}audit: {{ship: ledger}}\n")
    declare(site, HOOK)
    site.apply()
    backup = made(site, "--out", str(tmp_path / "a.backup"))
    lose(site, bao)
    shutil.rmtree(site.repo / ".reconcile")
    assert "it is signed by" in refusal(restore(site, backup["file"], keys[0]), 1)
    new = site.run("audit", "key").out.strip()
    text = (site.repo / ENVIRONMENT).read_text()
    trusted = f"trusted: [{{public_key: {old}}}, {{public_key: {new}}}]"
    site.write(ENVIRONMENT, text.replace("ship: ledger", f"ship: ledger, {trusted}"))
    site.commit()
    ran = restore(site, backup["file"], keys[0])
    assert ran.code == 0, ran.out + ran.err
    site.apply()
    assert site.plan()["changes"] == []
    verdict = site.run("audit", "verify", "-o", "json").json
    assert verdict["ok"], verdict
    assert verdict["entries"] > backup["audit_entries"] > 0
    who = {row["by"] for row in site.run("audit", "search", "--action", "apply", "-o", "json").json}
    assert all("@" in one for one in who), "names come back with the log"


def test_a_lost_folder_of_encrypted_files_comes_back_while_the_rest_stays(site: Site, tmp_path: Path) -> None:
    site.write(
        ENVIRONMENT,
        "project: genesis\nstores: {vault: {mount: kv}, files: {path: .secrets, slots: [{passphrase: {from: env:PHRASE}}]}, write: dual}\n",
    )
    site.environ["PHRASE"] = uuid.uuid4().hex
    keys = make_keys(site, tmp_path)
    declare(site, HOOK)
    site.apply()
    for number in (1, 2):
        assert site.run("secret", "put", "api_keys/claude", f"value={number}").code == 0
    before = [site.run("secret", "get", path, "--store", "files").out for path in ("api_keys/claude", "webhooks/github")]
    backup = made(site, "--identity", str(keys[0]))
    shutil.rmtree(site.repo / ".secrets")
    plan = restore(site, backup["file"], keys[0], "--plan", "-o", "json").json["steps"]
    assert {(row["part"], row["action"]) for row in plan} == {
        ("ledger", "same"), ("audit", "same"), ("vault", "same"), ("files", "create"),
    }  # fmt: skip
    assert restore(site, backup["file"], keys[0]).code == 0
    assert [site.run("secret", "get", path, "--store", "files").out for path in ("api_keys/claude", "webhooks/github")] == before
    assert read(site, "api_keys/claude") == {"value": "2"}


def test_an_old_state_is_not_put_beside_a_secret_that_went_on(site: Site, keys: tuple[Path, Path]) -> None:
    declare(site, HOOK)
    site.apply()
    assert site.run("rotate", "--secret-path", "webhooks/github").code == 0
    backup = made(site, "--identity", str(keys[0]))
    write(site, "webhooks/github", {"value": "by hand"})
    state = "kv/metadata/_rotation/webhooks/github"
    assert request(site, "DELETE", state)[0] == 204  # as somebody does who begins anew
    ran = restore(site, backup["file"], keys[0])
    assert ran.code == 0, ran.err
    assert request(site, "GET", state)[0] == 404


def test_a_raft_snapshot_brings_a_whole_server_back(tmp_path: Path, site: Site, keys: tuple[Path, Path]) -> None:
    folder, big = tmp_path / "raft-server", {"value": uuid.uuid4().hex * 25_000}
    with start_bao_raft(folder) as server:
        site.environ |= {"VAULT_ADDR": server.address, "VAULT_TOKEN": server.token, "VAULT_NAMESPACE": ""}
        put(server, "sys/mounts/kv", {"type": "kv", "options": {"version": "2"}})
        for number in range(2):  # more than one piece
            put(server, f"kv/data/big/{number}", {"data": {**big, "number": str(number)}})
        backup = made(site, "--snapshot", "--identity", str(keys[0]))
    assert backup["counts"]["snapshot snapshot"] > 1
    assert backup["seals"] == {"primary": "static"}
    out = tmp_path / "raft.snap"
    assert site.run("backup", "snapshot", backup["file"], str(out), "--identity", str(keys[1])).code == 0
    assert out.stat().st_mode & 0o077 == 0

    token = (folder / "root.token").read_text()
    shutil.rmtree(folder / "raft")
    (folder / "root.token").unlink()
    with start_bao_raft(folder) as empty:  # with the seal and the audit device of the lost one, as its configuration has them
        environ = {"BAO_ADDR": empty.address, "BAO_TOKEN": empty.token, "HOME": str(tmp_path)}
        words = [binary("bao"), "operator", "raft", "snapshot", "restore", "-force", str(out)]
        subprocess.run(words, env=environ, check=True, capture_output=True)
        assert awaited(empty, token) == {**big, "number": "1"}


def put(server: Server, path: str, body: dict[str, Any]) -> None:
    assert ask(server.address, "POST", f"/v1/{path}", token=server.token, body=body)[0] in (200, 204)


def awaited(server: Server, token: str) -> dict[str, str]:
    """What the server has once it has loaded the snapshot, which knows another token."""
    for _ in range(300):
        assert server.process.poll() is None, server.log.read_text()[-500:]
        status, answer = ask(server.address, "GET", "/v1/kv/data/big/1", token=token)
        if status == 200:
            return dict(answer["data"]["data"])
        time.sleep(0.1)  # it answers with errors until the snapshot is loaded
    raise AssertionError(f"status {status}")


def test_the_login_that_applies_backs_up_and_drills(site: Site, keys: tuple[Path, Path], vault: VaultClient) -> None:
    """In CI, with the rights that bootstrap gives it and no others; the log is shipped."""
    text = (
        site.repo / ENVIRONMENT
    ).read_text() + "audit: {ship: ledger}\nvault: {primary: {auth: {plan: {method: approle}, apply: {method: approle}}}}\n"
    site.write(ENVIRONMENT, text)
    declare(site, HOOK)
    ran = site.run("bootstrap", "--yes")
    assert ran.code == 0, ran.out + ran.err
    environ = TwoLogins(site, vault).environ("apply")
    for _ in range(2):
        ran = site.run("backup", "--identity", str(keys[0]), "-o", "json", **environ)
        assert ran.code == 0, ran.err
    assert ran.json["counts"]["vault version"] >= 2
    assert ran.json["audit_entries"] > 0
    assert ran.json["ledger"]["serial"] > 0
    assert site.run("restore", "--drill", ran.json["file"], "--identity", str(keys[0]), **environ).code == 0


def test_a_server_without_raft_has_no_snapshot(site: Site, keys: tuple[Path, Path], tmp_path: Path) -> None:
    write(site, "x", {"value": "1"})
    ran = site.run("backup", "--snapshot", "--out", str(tmp_path / "a.backup"))
    assert ran.code == 1
    assert "only a server whose storage is raft has snapshots" in ran.err
    assert not (tmp_path / "a.backup").exists()
    backup = made(site)
    assert site.run("backup", "snapshot", backup["file"], str(tmp_path / "s"), "--identity", str(keys[0])).code == 1
    assert not (tmp_path / "s").exists()


@pytest.mark.parametrize("words", [["--drill", "--plan", "F"], ["--probe", "F"], [], ["--probe", "--plan"]])
def test_what_contradicts_itself_is_a_usage_error(site: Site, words: list[str]) -> None:
    assert site.run("restore", *words).code == 2
