"""Several instances in one plan, namespaces in every place, and what endpoints that replace must never lose."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.backends.vault.client import VaultClient
from reconciler.dev.process import ask
from reconciler.dev.servers import Server, start_bao_dev
from tests.cli.site import Site

DOCUMENTED = Path(__file__).with_name("documented")
READERS = "kind: vault.policy\nname: readers\nspec: {rules: [{path: kv/data/*, capabilities: [read]}]}\n"
LOGINS = """\
---
kind: vault.auth_method
name: approle
instance: eu
spec: {type: approle}
---
kind: vault.approle_role
name: approle/ci
instance: eu
spec: {token_policies: [readers], token_ttl: 1h}
"""
EVERYTHING = ("irreversible", "empty", "delete_share", "max_deletes")


@pytest.fixture(scope="module")
def abroad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A second server."""
    with start_bao_dev(tmp_path_factory.mktemp("abroad")) as server:
        yield server


@pytest.fixture
def two(site: Site, abroad: Server) -> Site:
    """An environment of two servers: the site's namespace on one, the root namespace of the other."""
    del site.environ["VAULT_NAMESPACE"]
    instances = f"{{primary: {{namespace: {site.namespace}}}, eu: {{address: '{abroad.address}'}}}}"
    site.write("desired-state/environments/dev.yaml", f"project: two\nvault: {instances}\n")
    return site


def actions(plan: Any) -> dict[str, str]:
    return {change["address"]: change["action"] for change in plan["changes"]}


def changed(before: dict[str, Any], after: dict[str, Any]) -> set[str]:
    return {name for name in {*before, *after} if before.get(name) != after.get(name)}


def test_one_plan_covers_several_servers_and_each_object_is_on_its_own(two: Site, vault: VaultClient, abroad: Server) -> None:
    def there(path: str) -> Any:
        status, answer = ask(abroad.address, "GET", f"/v1/{path}", token=abroad.token)
        return answer["data"] if status == 200 else None

    abroad_readers = READERS.replace("name: readers", "name: readers\ninstance: eu").replace("[read]", "[list]")
    two.write("desired-state/all.yaml", f"{READERS}---\n{abroad_readers}{LOGINS}")
    two.commit()
    made = ["vault.auth_method/approle@eu", "vault.approle_role/approle/ci@eu", "vault.policy/readers", "vault.policy/readers@eu"]
    assert actions(two.plan()) == dict.fromkeys(made, "create")
    two.apply()
    assert two.plan()["changes"] == []
    assert re.search(r"vault eu \(OpenBao .*\), vault primary \(OpenBao", two.run("plan").out)
    assert (vault.read("sys/policies/acl/readers") or {})["policy"] != there("sys/policies/acl/readers")["policy"]
    assert "approle" not in (vault.auth_mounts() or {})
    two.write("desired-state/all.yaml", f"{READERS.replace('[read]', '[read, list]')}---\n{abroad_readers}{LOGINS.replace('1h', '2h')}")
    two.commit()
    two.apply()
    assert there("auth/approle/role/ci")["token_ttl"] == 7200
    ask(abroad.address, "POST", "/v1/auth/approle/role/ci", token=abroad.token, body={"token_ttl": 60})
    assert actions(two.run("drift", "-o", "json").json) == {"vault.approle_role/approle/ci@eu": "update"}
    assert two.run("rollback", "--yes").code == 0
    assert there("auth/approle/role/ci")["token_ttl"] == 3600
    assert "list" not in (vault.read("sys/policies/acl/readers") or {})["policy"]


def test_a_failure_on_one_server_leaves_the_other_done(two: Site, vault: VaultClient) -> None:
    broken = "---\nkind: vault.secrets_engine\nname: nonsense\ninstance: eu\nspec: {type: no-such-engine}\n"
    two.write("desired-state/all.yaml", READERS + broken)
    two.commit()
    ran = two.run("apply", "--yes", "-o", "json")
    assert ran.code == 5
    assert {one["address"]: one["outcome"] for one in ran.json["outcomes"]} == {
        "vault.policy/readers": "applied",
        "vault.secrets_engine/nonsense@eu": "failed",
    }
    assert vault.read("sys/policies/acl/readers") is not None


@pytest.mark.parametrize("file", ["approle", "identity", "keys", "kubernetes", "tokens"])
def test_whatever_can_be_declared_can_be_declared_in_a_namespace_that_is_not_there_yet(file: str, site: Site, vault: VaultClient) -> None:
    documents = re.sub(r"^(name: .*)$", r"\1\nnamespace: teams/web", (DOCUMENTED / f"{file}.yaml").read_text(), flags=re.M)
    spaces = "---\nkind: vault.namespace\nname: web\nnamespace: teams\n---\nkind: vault.namespace\nname: teams\n"
    site.environ["DOCUMENTED"] = "a-reviewers-token"
    site.write("desired-state/environments/dev.yaml", "project: spaces\nvault: {primary: {}}\nsecret_env: [DOCUMENTED]\n")
    site.write("desired-state/all.yaml", documents + spaces)
    site.commit()
    plan = site.plan()
    assert len(plan["changes"]) == documents.count("\nkind: ") + 2
    assert {change["address"].partition("@")[2] for change in plan["changes"]} == {"", "primary/teams", "primary/teams/web"}
    site.apply()
    assert site.plan()["changes"] == []
    mounts, methods = vault.read("sys/mounts") or {}, vault.read("sys/auth") or {}
    assert {*mounts, *methods} <= {"cubbyhole/", "identity/", "sys/", "token/", "reconciler/"}, "nothing beside it"
    site.write("desired-state/all.yaml", READERS)
    site.commit()
    site.apply(*(word for guard in EVERYTHING for word in ("--allow", guard)))
    assert vault.list("sys/namespaces") is None
    assert site.plan()["changes"] == []


REPLACED = """\
kind: vault.secrets_engine
name: pki
spec: {type: pki}
---
kind: vault.pki_role
name: pki/web
spec: {allowed_domains: [a.example], allow_subdomains: true, ttl: 1h, key_type: ec, ou: [One, Two], no_store: true, server_flag: false}
---
kind: vault.secrets_engine
name: ssh
spec: {type: ssh}
---
kind: vault.ssh_role
name: ssh/people
spec: {key_type: ca, allow_user_certificates: true, allowed_users: "a,b", ttl: 1h, default_extensions: {permit-pty: ""}, key_id_format: x}
---
kind: vault.auth_method
name: kubernetes
spec: {type: kubernetes}
---
kind: vault.auth_config
name: kubernetes
spec:
  kubernetes_host: https://one.example
  kubernetes_ca_cert: x
  issuer: one
  disable_iss_validation: false
  token_reviewer_jwt: {from: "env:REVIEWER"}
"""
ROLES = {"ttl": ("pki/roles/web", "ssh/roles/people"), "kubernetes_host": ("auth/kubernetes/config",)}


@pytest.fixture
def replaced(site: Site) -> Site:
    site.write("desired-state/environments/dev.yaml", "project: replaced\nvault: {primary: {}}\nsecret_env: [REVIEWER]\n")
    site.environ["REVIEWER"] = "one.two.three"
    site.write("desired-state/all.yaml", REPLACED)
    site.commit()
    site.apply()
    return site


def test_an_endpoint_that_replaces_keeps_all_but_the_field_that_changed(replaced: Site, vault: VaultClient) -> None:
    before = {path: vault.read(path) or {} for paths in ROLES.values() for path in paths}
    replaced.write("desired-state/all.yaml", REPLACED.replace("ttl: 1h", "ttl: 2h").replace("one.example", "two.example"))
    replaced.commit()
    replaced.apply()
    for field, paths in ROLES.items():
        for path in paths:
            assert changed(before[path], vault.read(path) or {}) == {field}
    assert (vault.read("auth/kubernetes/config") or {})["token_reviewer_jwt_set"] is True


def test_a_value_that_cannot_be_had_is_not_wiped_by_an_update_of_something_else(replaced: Site, vault: VaultClient) -> None:
    before = vault.read("auth/kubernetes/config")
    replaced.write("desired-state/all.yaml", REPLACED.replace("one.example", "two.example"))
    replaced.commit()
    del replaced.environ["REVIEWER"]
    ran = replaced.run("apply", "--yes")
    assert ran.code in (1, 5)
    assert "REVIEWER" in ran.out + ran.err
    assert vault.read("auth/kubernetes/config") == before


def test_a_value_that_leaves_git_leaves_the_server_where_the_server_can_tell(replaced: Site, vault: VaultClient) -> None:
    replaced.write("desired-state/all.yaml", REPLACED.replace('  token_reviewer_jwt: {from: "env:REVIEWER"}\n', ""))
    replaced.commit()
    (change,) = replaced.plan()["changes"]
    assert [(field["path"], field["before"], field["after"]) for field in change["fields"]] == [("/token_reviewer_jwt", "(secret)", None)]
    replaced.apply()
    assert (vault.read("auth/kubernetes/config") or {})["token_reviewer_jwt_set"] is False
    assert replaced.plan()["changes"] == []


def test_a_password_that_somebody_changed_on_the_server_survives_an_update_of_something_else(site: Site, vault: VaultClient) -> None:
    user = "kind: vault.auth_method\nname: userpass\nspec: {type: userpass}\n---\nkind: vault.userpass_user\nname: userpass/alice\n"
    user += 'spec: {password: {from: "env:PASSWORD"}, token_ttl: 1h}\n'
    site.write("desired-state/environments/dev.yaml", "project: people\nvault: {primary: {}}\nsecret_env: [PASSWORD]\n")
    site.environ["PASSWORD"] = "of-the-first-day"
    site.write("desired-state/all.yaml", user)
    site.commit()
    site.apply()
    vault.write("auth/userpass/users/alice/password", {"password": "of-her-own"})
    site.write("desired-state/all.yaml", user.replace("1h", "2h"))
    site.commit()
    site.apply()
    assert vault.ask("auth/userpass/login/alice", {"password": "of-her-own"})["auth"]["lease_duration"] == 7200
