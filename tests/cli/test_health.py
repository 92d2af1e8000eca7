"""`reconcile health`: what answers, what does not, and why."""

from __future__ import annotations

from pathlib import Path

from reconciler.backends.vault.client import VaultClient
from reconciler.dev.process import ask, free_port
from reconciler.dev.servers import start_bao_raft
from tests.cli.site import Site


def environment(site: Site, text: str) -> None:
    site.write("desired-state/environments/dev.yaml", f"project: genesis\n{text}")


def test_everything_that_answers_is_ok_and_says_what_it_is(site: Site, moto: str) -> None:
    environment(site, f"vault: {{primary: {{}}}}\naws: {{primary: {{region: eu-west-1, endpoint: '{moto}'}}}}\n")
    site.write("desired-state/p.yaml", "kind: vault.policy\nname: p\nspec: {rules: [{path: x, capabilities: [read]}]}\n")
    commit = site.commit()
    site.apply()
    ran = site.run("health", "-o", "json")
    assert ran.code == 0
    assert ran.json["healthy"] is True
    vault, aws, ledger = ran.json["checks"]
    assert {name: vault[name] for name in ("name", "state", "dialect", "sealed", "standby", "error")} == {
        "name": "vault primary",
        "state": "ok",
        "dialect": "openbao",
        "sealed": False,
        "standby": False,
        "error": None,
    }
    assert 0 < vault["latency_ms"] < 10_000
    assert (aws["state"], aws["account"], aws["region"]) == ("ok", "123456789012", "eu-west-1")
    assert (ledger["state"], ledger["place"], ledger["applied"]) == ("ok", "vault primary, mount reconciler", commit)
    text = site.run("health").out
    assert "OpenBao 2." in text
    assert f"last applied {commit[:7]}" in text


def test_an_instance_that_is_down_fails_with_its_address_and_the_others_are_still_asked(site: Site) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    environment(site, f"vault: {{primary: {{}}, eu: {{address: '{nowhere}'}}}}\n")
    ran = site.run("health", "-o", "json")
    assert ran.code == 1
    states = {check["name"]: check["state"] for check in ran.json["checks"]}
    assert states == {"vault primary": "ok", "vault eu": "down", "ledger": "ok"}
    assert nowhere in ran.json["checks"][1]["error"]


def test_a_sealed_server_is_sealed_and_not_down(site: Site, tmp_path: Path) -> None:
    with start_bao_raft(tmp_path) as server:
        environment(site, f"vault: {{primary: {{}}, other: {{address: '{server.address}'}}}}\n")
        assert ask(server.address, "POST", "/v1/sys/seal", token=server.token)[0] == 204
        ran = site.run("health", "-o", "json")
    assert ran.code == 1
    other = ran.json["checks"][1]
    assert (other["name"], other["state"], other["sealed"], other["dialect"]) == ("vault other", "sealed", True, "openbao")


def test_a_login_that_is_not_known_is_refused_and_the_server_is_not_down(site: Site) -> None:
    environment(site, "vault: {primary: {}}\nledger: {file: ledger}\n")
    ran = site.run("health", "-o", "json", VAULT_TOKEN="s.nobody")
    assert ran.code == 1
    vault, ledger = ran.json["checks"]
    assert (vault["state"], vault["dialect"]) == ("refused", "openbao")
    assert "token" in vault["error"]
    assert ledger["state"] == "ok"


def test_a_ledger_that_may_not_be_read_is_said(site: Site, vault: VaultClient) -> None:
    environment(site, "vault: {primary: {}}\n")
    token = vault.write("auth/token/create", {"policies": ["default"], "no_parent": True})["auth"]["client_token"]
    ran = site.run("health", "-o", "json", VAULT_TOKEN=token)
    assert ran.code == 1
    assert {check["name"]: check["state"] for check in ran.json["checks"]} == {"vault primary": "ok", "ledger": "refused"}


def test_stores_are_asked_too_and_one_that_is_down_fails(site: Site, vault: VaultClient) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    site.environ["STORE_PASSPHRASE"] = "a passphrase of the test"
    files = "files: {path: .secrets, slots: [{passphrase: {from: env:STORE_PASSPHRASE}, kdf: pbkdf2}]}"
    environment(site, f"vault: {{primary: {{}}, eu: {{address: '{nowhere}'}}}}\nstores: {{vault: {{instance: eu, mount: kv}}, {files}}}\n")
    ran = site.run("health", "-o", "json")
    assert ran.code == 1
    checks = {check["name"]: check for check in ran.json["checks"]}
    assert checks["store vault"]["state"] == "down"
    assert nowhere in checks["store vault"]["error"]
    assert (checks["store files"]["state"], checks["store files"]["breaker"]) == ("ok", "closed")
