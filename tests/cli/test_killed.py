"""Killed at any request, the next plan tells the truth, and the next apply finishes the work and owns what was made."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from reconciler.backends.vault.client import VaultClient
from reconciler.ledger.kv import KvShelf
from reconciler.ledger.ledger import Ledger
from tests.cli.site import Site
from tests.cli.test_promises import policy

ROOT = Path(__file__).resolve().parents[2]
ALLOWED = ("--allow", "irreversible", "--allow", "replace")


def document(kind: str, name: str, spec: str, *, namespace: str = "") -> str:
    return f"---\nkind: vault.{kind}\nname: {name}\nnamespace: '{namespace}'\nspec: {{{spec}}}\n"


BEFORE = "".join([
    policy("readers"), "---\n", policy("doomed"),
    document("auth_method", "approle", "type: approle"),
    document("approle_role", "approle/ci", "token_policies: [readers], token_ttl: 1h"),
    document("secrets_engine", "transit", "type: transit"),
    document("transit_key", "transit/k", "type: aes256-gcm96, deletion_allowed: true"),
    document("identity_group", "staff", "type: external, policies: [readers]"),
    document("identity_group_alias", "approle/people", "group: staff"),
])  # fmt: skip
# Creates, updates, deletes, replaces that take several requests, a namespace and a generated secret.
AFTER = "".join([
    policy("readers", capabilities="list"), "---\n", policy("fresh"),
    document("namespace", "team", ""),
    document("policy", "inner", "rules: [{path: a/*, capabilities: [read]}]", namespace="team"),
    document("auth_method", "approle", "type: approle, description: new"),
    document("approle_role", "approle/ci", "token_policies: [readers, fresh], token_ttl: 2h"),
    document("secrets_engine", "transit", "type: transit"),
    document("transit_key", "transit/k", "type: chacha20-poly1305, deletion_allowed: true"),
    document("identity_entity", "ann", "policies: [fresh], metadata: {a: b}"),
    document("identity_group", "staff", "type: internal, policies: [readers], member_entities: [ann]"),
    document("secrets_engine", "kv", "type: kv-v2"),
    document("auth_method", "userpass", "type: userpass"),
    document("userpass_user", "userpass/bob", 'password: {generate: {length: 20}, to: "vault:kv/data/bob#password"}'),
])  # fmt: skip


@pytest.mark.parametrize(
    ("request_number", "when"), [(1, "after"), (3, "before"), (8, "after"), (13, "before"), (18, "after"), (23, "before")]
)
def test_an_apply_that_was_killed_is_finished_by_the_next(site: Site, vault: VaultClient, request_number: int, when: str) -> None:
    site.write("desired-state/all.yaml", BEFORE)
    site.commit()
    site.apply()
    site.write("desired-state/all.yaml", AFTER)
    site.commit()
    command = [sys.executable, "-m", "tests.cli.killed", str(request_number), when, "--repo", str(site.repo), "apply", "--yes", *ALLOWED]
    killed = subprocess.run(command, env=site.environ, cwd=ROOT, capture_output=True, text=True, check=False)
    assert killed.returncode == -9, killed.stdout + killed.stderr
    truth = site.plan(*ALLOWED)
    assert truth["refusals"] == [], "what the killed run made is nobody else's"
    site.apply(*ALLOWED)
    assert site.plan()["changes"] == []
    state, _ = Ledger(KvShelf(vault, "reconciler", "genesis/dev", lambda _seconds: None)).load()
    assert state.claims == {}
    assert len(state.owned) == AFTER.count("kind: ")
    held = vault.read("kv/data/bob")
    assert held is not None
    vault.ask("auth/userpass/login/bob", {"password": held["data"]["password"]})
    assert site.run("rollback", "--yes", *ALLOWED).code == 0
    assert site.run("drift", "--exit-code").code == 0
