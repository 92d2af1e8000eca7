"""What `access explain` says of a subject is what the server says of a token that it logs in to."""

from __future__ import annotations

import pytest

from reconciler.backends.vault.client import VaultClient
from tests.cli.site import Site

DECLARED = """\
kind: vault.auth_method
name: approle
spec: {type: approle}
---
kind: vault.auth_method
name: userpass
spec: {type: userpass}
---
kind: vault.approle_role
name: approle/ci
spec: {token_policies: [readers, writers]}
---
kind: vault.token_role
name: robots
spec: {allowed_policies_glob: [read*], orphan: true, token_no_default_policy: true}
---
kind: vault.userpass_user
name: userpass/alice
spec: {token_policies: [writers], password: {from: "env:ALICE"}}
---
kind: vault.identity_entity
name: alice
spec: {metadata: {team: blue}, policies: [own]}
---
kind: vault.identity_entity_alias
name: userpass/alice
spec: {entity: alice}
---
kind: vault.identity_group
name: ops
spec: {policies: [readers], member_entities: [alice], metadata: {floor: "3"}}
---
kind: vault.identity_group
name: everybody
spec: {policies: [all], member_groups: [ops]}
---
kind: vault.policy
name: readers
spec: {rules: [{path: kv/data/*, capabilities: [read, list]}, {path: kv/data/+/secret, capabilities: [deny]}]}
---
kind: vault.policy
name: writers
spec: {rules: [{path: kv/data/*, capabilities: [update]}, {path: kv/data/a/*, capabilities: [create]}]}
---
kind: vault.policy
name: own
spec: {rules: [{path: "kv/data/{{identity.entity.metadata.team}}/+", capabilities: [patch]}]}
---
kind: vault.policy
name: all
spec: {rules: [{path: "kv/floor/{{identity.groups.names.ops.metadata.floor}}", capabilities: [read]}, {path: sys/raw, capabilities: [read, sudo]}]}
"""
PATHS = (
    "kv/data/x", "kv/data/a/x", "kv/data/x/secret", "kv/data/a/secret", "kv/data/blue/x", "kv/data/red/x", "kv/floor/3", "kv/floor/4",
    "kv/data/", "kv/metadata/x", "sys/raw", "auth/token/lookup-self", "cubbyhole/x", "sys/tools/hash/sha2-256",
)  # fmt: skip


@pytest.fixture
def declared(site: Site) -> Site:
    site.write("desired-state/environments/dev.yaml", "project: genesis\nsecret_env: [ALICE]\n")
    site.environ["ALICE"] = "not a secret"
    site.write("desired-state/all.yaml", DECLARED)
    site.commit()
    site.apply()
    return site


def said(site: Site, subject: str, *options: str) -> dict[str, list[str]]:
    return {path: site.run("access", "explain", subject, path, "-o", "json", *options).json["capabilities"] for path in PATHS}


def said_by_server(vault: VaultClient, token: str) -> dict[str, list[str]]:
    answer = vault.ask("sys/capabilities", {"token": token, "paths": list(PATHS)})
    return {path: sorted(answer[path]) for path in PATHS}


def test_a_role(declared: Site, vault: VaultClient) -> None:
    role_id = (vault.read("auth/approle/role/ci/role-id") or {})["role_id"]
    secret_id = vault.write("auth/approle/role/ci/secret-id", {})["secret_id"]
    token = vault.write("auth/approle/login", {"role_id": role_id, "secret_id": secret_id})["auth"]["client_token"]
    assert said(declared, "vault.approle_role/approle/ci") == said_by_server(vault, token)


def test_a_user_with_an_entity_in_a_group_in_a_group(declared: Site, vault: VaultClient) -> None:
    token = vault.write("auth/userpass/login/alice", {"password": "not a secret"})["auth"]["client_token"]
    assert said(declared, "vault.userpass_user/userpass/alice") == said_by_server(vault, token)
    assert said(declared, "vault.userpass_user/userpass/alice", "--live") == said_by_server(vault, token)


def test_a_token_role(declared: Site, vault: VaultClient) -> None:
    token = vault.write("auth/token/create/robots", {"policies": ["readers"]})["auth"]["client_token"]
    assert said(declared, "vault.token_role/robots") == said_by_server(vault, token)
