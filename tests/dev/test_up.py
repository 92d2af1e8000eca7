"""`reconcile dev` starts lasting servers once, and stops only what it started."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.core.errors import ReconcilerError, Usage
from reconciler.dev import up as dev
from reconciler.dev.process import ask
from reconciler.dev.state import ensure_state_folder


@pytest.fixture
def repo(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    dev.down(tmp_path)


def records(repo: Path) -> Path:
    return repo / ".reconcile" / "dev" / "servers.json"


def test_up_is_idempotent_and_down_keeps_what_openbao_holds(repo: Path) -> None:
    first = dev.up(repo)
    assert dev.up(repo) == first
    ask(first.vault_address, "POST", "/v1/sys/mounts/kept", token=first.vault_token, body={"type": "kv"})
    assert dev.down(repo) is True
    assert dev.down(repo) is False
    again = dev.up(repo)
    assert again == first, "an open shell's exports stay true"
    assert "kept/" in ask(again.vault_address, "GET", "/v1/sys/mounts", token=again.vault_token)[1]["data"]
    assert ask(again.aws_endpoint, "GET", "/moto-api/")[0] == 200


def test_exports_set_every_variable_that_the_clients_read(repo: Path) -> None:
    endpoints = dev.up(repo)
    shell = (
        dev.exports(repo)
        + 'echo "$VAULT_ADDR $VAULT_TOKEN $AWS_ENDPOINT_URL $AWS_ACCESS_KEY_ID $AWS_SECRET_ACCESS_KEY $AWS_DEFAULT_REGION"'
    )
    shown = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout.split()
    assert shown == [*endpoints, "testing", "testing", "us-east-1"]


def test_server_that_died_is_started_again(repo: Path) -> None:
    first = dev.up(repo)
    pid = json.loads(records(repo).read_text())["bao"]["pid"]
    os.kill(pid, 9)
    while dev.start_time(pid):
        pass
    assert dev.up(repo) == first
    assert ask(first.vault_address, "GET", "/v1/sys/health")[0] == 200


def test_recycled_pid_is_not_killed(repo: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as stranger:
        ensure_state_folder(repo).joinpath("dev").mkdir()
        record = {"address": "http://127.0.0.1:1", "token": "", "pid": stranger.pid, "started": "0"}
        records(repo).write_text(json.dumps({"bao": record, "moto": record}))
        assert dev.down(repo) is False
        assert stranger.poll() is None
        stranger.kill()


def test_exports_without_servers_say_how_to_start_them(repo: Path) -> None:
    with pytest.raises(Usage, match="reconcile dev up"):
        dev.exports(repo)


def test_broken_record_is_reported_in_words(repo: Path) -> None:
    ensure_state_folder(repo).joinpath("dev").mkdir()
    records(repo).write_text("{")
    with pytest.raises(ReconcilerError, match=r"servers\.json cannot be read"):
        dev.exports(repo)
    records(repo).unlink()


def test_state_folder_is_ignored_by_git(repo: Path) -> None:
    subprocess.run(["git", "init", "-q", str(repo)], check=True)
    ensure_state_folder(repo).joinpath("secret").write_text("x")
    shown = subprocess.run(["git", "-C", str(repo), "status", "--porcelain"], capture_output=True, text=True, check=True)
    assert shown.stdout == ""


def test_token_is_for_its_owner_only(repo: Path) -> None:
    dev.up(repo)
    assert records(repo).stat().st_mode & 0o077 == 0
