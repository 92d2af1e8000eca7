"""The whole command line on HashiCorp Vault, as far as our requests can tell."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.dev.process import ask
from reconciler.dev.servers import start_bao_dev
from tests.cli.site import Site
from tests.kinds.vault_proxy import VERSION, Front, vault_before

FIRST = """\
kind: vault.policy
name: readers
spec: {rules: [{path: kv/data/*, capabilities: [read]}]}
---
kind: vault.secrets_engine
name: kv
spec: {type: kv-v2}
---
kind: vault.kv_secret
name: kv/apps/web
spec: {max_versions: 3, custom_metadata: {owner: web}}
---
kind: vault.auth_method
name: approle
spec: {type: approle}
---
kind: vault.approle_role
name: approle/ci
spec: {token_policies: [readers], token_ttl: 1h}
---
kind: vault.identity_entity
name: alice
spec: {policies: [readers]}
"""
SECOND = FIRST.replace("[read]", "[read, list]").replace("max_versions: 3", "max_versions: 5").replace("1h", "30m")
PATHS = ("sys/policies/acl/readers", "kv/metadata/apps/web", "auth/approle/role/ci", "identity/entity/name/alice")


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with start_bao_dev(tmp_path_factory.mktemp("vault")) as server, vault_before(server.address) as front:
        yield front


@pytest.fixture
def site(front: Front, tmp_path: Path) -> Site:
    made = Site(tmp_path / "repo", {**os.environ, "VAULT_ADDR": front.address, "VAULT_TOKEN": "root"})
    made.write("desired-state/environments/dev.yaml", "project: genesis\nvault: {primary: {}}\n")
    made.git("init", "--quiet", "--initial-branch=main", ".")
    return made


def snapshot(front: Front) -> dict[str, Any]:
    """What is there, but for times."""
    found = {path: ask(front.address, "GET", f"/v1/{path}", token="root")[1]["data"] for path in PATHS}
    return {path: {name: value for name, value in body.items() if not name.endswith("_time")} for path, body in found.items()}


def test_plan_apply_drift_and_rollback_need_none_of_openbaos_routes(site: Site, front: Front) -> None:
    site.write("desired-state/all.yaml", FIRST)
    first = site.commit("first")
    assert site.plan()["summary"]["create"] == 6
    site.apply()
    assert site.plan()["changes"] == []
    before = snapshot(front)
    site.write("desired-state/all.yaml", SECOND)
    site.commit("second")
    changed = {"vault.policy/readers", "vault.kv_secret/kv/apps/web", "vault.approle_role/approle/ci"}
    assert {outcome["address"] for outcome in site.apply()["outcomes"]} == changed
    assert snapshot(front) != before
    assert ask(front.address, "POST", "/v1/kv/metadata/apps/web", token="root", body={"max_versions": 9})[0] == 204
    drift = site.run("drift", "-o", "json").json["changes"]
    assert [(change["address"], change["fields"][0]["path"]) for change in drift] == [("vault.kv_secret/kv/apps/web", "/max_versions")]
    rolled = site.run("rollback", "--yes", "-o", "json")
    assert rolled.code == 0, rolled.out + rolled.err
    assert rolled.json["commit"] == first
    assert snapshot(front) == before
    assert f"vault primary (Vault {VERSION})" in site.run("plan").out
    assert any(method == "SCAN" for method, _ in front.seen), "the routes were tried, and refused"


def test_health_says_which_dialect_it_found(site: Site) -> None:
    site.write("desired-state/environments/dev.yaml", "project: other\nvault: {primary: {}}\nledger: {file: ledger}\n")
    checks = site.run("health", "-o", "json").json["checks"]
    assert checks[0]["dialect"] == "vault"
    assert checks[0]["version"] == VERSION


def test_a_namespace_on_the_community_edition_fails_in_words(site: Site) -> None:
    site.write("desired-state/environments/dev.yaml", "project: spaces\nvault: {primary: {}}\nledger: {file: ledger}\n")
    site.write("desired-state/space.yaml", "kind: vault.namespace\nname: team\n")
    site.commit()
    ran = site.run("apply", "--yes")
    assert ran.code == 5
    assert "vault.namespace/team: " in ran.out
    assert "unsupported path" in ran.out
