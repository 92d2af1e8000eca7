"""What bootstrap gives the two logins is what the audit log needs: one signs and ships, the other verifies and can sign nothing."""

from __future__ import annotations

import pytest

from reconciler.backends.vault.client import VaultClient, connect
from reconciler.backends.vault.connection import Connection
from reconciler.backends.vault.transport import Transport
from reconciler.core.errors import Denied
from reconciler.dev.servers import Server
from tests.cli.site import Site

ENVIRONMENT = """\
project: genesis
vault:
  primary:
    auth: {plan: {method: approle}, apply: {method: approle}}
audit: {ship: ledger, key: {transit: {key: audit}}}
"""
OBJECTS = """\
kind: vault.secrets_engine
name: transit
spec: {type: transit}
---
kind: vault.transit_key
name: transit/audit
spec: {type: ed25519}
---
kind: vault.policy
name: readers
spec: {rules: [{path: kv/data/*, capabilities: [read]}]}
"""


@pytest.fixture
def prepared(site: Site) -> Site:
    site.write("desired-state/environments/dev.yaml", ENVIRONMENT)
    site.write("desired-state/objects.yaml", OBJECTS)
    site.commit()
    ran = site.run("bootstrap", "--yes")
    assert ran.code == 0, ran.out + ran.err
    return site


def login(vault: VaultClient, purpose: str) -> dict[str, str]:
    role = vault.read(f"auth/approle/role/reconciler-{purpose}/role-id")
    secret = vault.write(f"auth/approle/role/reconciler-{purpose}/secret-id", {})
    assert role is not None
    return {"VAULT_TOKEN": "", "VAULT_ROLE_ID": role["role_id"], "VAULT_SECRET_ID": secret["secret_id"]}


def test_the_key_that_the_first_apply_makes_signs_it_and_both_logins_do_with_what_they_have(prepared: Site, vault: VaultClient) -> None:
    prepared.write("desired-state/objects.yaml", OBJECTS.replace("[read]", "[list]"))
    prepared.commit()
    ran = prepared.run("apply", "--yes", **login(vault, "apply"))
    assert ran.code == 0, ran.out + ran.err
    assert "audit:" not in ran.err, "nothing is left on this machine"
    found = prepared.run("audit", "verify", "-o", "json", **login(vault, "plan"))
    assert found.code == 0, found.out + found.err
    assert (found.json["segments"], found.json["uncommitted"]) == (3, 0), "that of the bootstrap too, which had neither key nor ledger"
    searched = prepared.run("audit", "search", "--action", "apply.update", "-o", "json", **login(vault, "plan"))
    assert [row["resource"] for row in searched.json] == ["vault.policy/readers"]


def test_the_login_that_plans_can_neither_sign_nor_read_what_hides_addresses(prepared: Site, vault: VaultClient, bao: Server) -> None:
    body = {"policies": ["reconciler-plan"], "no_parent": True}
    token = str(
        vault.write("auth/token/create", body).get("client_token") or vault.write("auth/token/create", body)["auth"]["client_token"]
    )

    plan = connect(Transport(Connection(bao.address, prepared.namespace)), token)
    vault.write("reconciler/data/genesis/dev/audit/pepper", {"data": {"v": "canary"}})
    assert plan.read("transit/keys/audit") is not None
    with pytest.raises(Denied):
        plan.ask("transit/sign/audit", {"input": "aGVsbG8="})
    with pytest.raises(Denied):
        plan.read("reconciler/data/genesis/dev/audit/pepper")
    plan.close()
