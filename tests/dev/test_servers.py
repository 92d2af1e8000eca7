"""The loopback servers are real, lasting where they say so, and gone afterwards."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from reconciler.core.errors import Unavailable
from reconciler.dev import process, servers
from reconciler.dev.process import ask
from reconciler.dev.servers import Server, start_bao_raft

POLICY = 'path "a" { capabilities = ["read"] }'


def test_dev_server_answers_with_its_root_token(bao: Server) -> None:
    assert ask(bao.address, "GET", "/v1/auth/token/lookup-self", token=bao.token)[0] == 200
    assert ask(bao.address, "GET", "/v1/auth/token/lookup-self", token="wrong")[0] == 403


def test_namespace_of_a_test_is_empty(bao: Server, namespace: str) -> None:
    status, answer = ask(bao.address, "LIST", f"/v1/{namespace}/sys/policies/acl", token=bao.token)
    assert (status, set(answer["data"]["keys"])) == (200, {"default"})


def test_moto_is_empty_for_each_test(moto: str) -> None:
    status, answer = ask(moto, "GET", "/moto-api/data.json")
    assert status == 200
    assert not answer.get("secretsmanager", {}).get("FakeSecret")


def test_raft_server_keeps_its_token_and_what_was_written(tmp_path: Path) -> None:
    with start_bao_raft(tmp_path) as first:
        assert ask(first.address, "POST", "/v1/sys/policies/acl/kept", token=first.token, body={"policy": POLICY})[0] == 204
    assert first.process.poll() is not None
    with start_bao_raft(tmp_path) as second:
        assert second.token == first.token
        assert ask(second.address, "GET", "/v1/sys/policies/acl/kept", token=second.token)[0] == 200


def test_raft_server_refuses_entries_over_one_mebibyte(bao_raft: Server) -> None:
    ask(bao_raft.address, "POST", "/v1/sys/mounts/big", token=bao_raft.token, body={"type": "kv"})
    assert ask(bao_raft.address, "POST", "/v1/big/x", token=bao_raft.token, body={"x": "y" * 1_200_000})[0] == 500


def test_only_the_owner_reads_the_raft_servers_keys(tmp_path: Path) -> None:
    with start_bao_raft(tmp_path):
        for name in ("seal.key", "root.token"):
            assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600


def test_taken_port_is_given_up_for_another(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((process.LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        server = servers.launch_bao_raft(tmp_path, port)
        try:
            assert server.address != f"http://{process.LOOPBACK}:{port}"
            assert ask(server.address, "GET", "/v1/sys/health")[0] == 200
        finally:
            process.stop(server.process)


def test_server_that_cannot_start_is_reported_in_words(tmp_path: Path) -> None:
    (tmp_path / "seal.key").write_text("not a key")
    with pytest.raises(Unavailable, match=r"ended while starting: .*bao-raft\.log"):
        servers.launch_bao_raft(tmp_path)


def test_callers_vault_and_proxy_settings_do_not_reach_a_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_ADDR", "http://elsewhere.example")
    log = tmp_path / "env.log"
    process.launch(["/usr/bin/env"], log).wait(10)
    assert "PATH=" in log.read_text()
    assert "elsewhere" not in log.read_text()
