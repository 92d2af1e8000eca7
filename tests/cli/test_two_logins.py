"""A plan by a login that may only read, reviewed, and applied by another: both must see one plan."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.backends.vault.client import VaultClient
from tests.cli.site import Ran, Site

ENVIRONMENT = """\
project: genesis
vault:
  primary:
    auth: {plan: {method: approle}, apply: {method: approle}}
secret_env: [BOB, EVE]
"""
USERS = """\
kind: vault.auth_method
name: userpass
spec: {type: userpass}
---
kind: vault.userpass_user
name: userpass/bob
spec: {password: {from: env:BOB}, token_ttl: 1h}
---
kind: vault.policy
name: readers
spec: {rules: [{path: kv/data/*, capabilities: [read]}]}
"""


class TwoLogins:
    """A repository that an administrator has prepared. Commands run with one of its two logins."""

    def __init__(self, site: Site, vault: VaultClient) -> None:
        self.site = site
        self._vault = vault

    def environ(self, purpose: str) -> dict[str, str]:
        """What a job of that purpose has in its environment: an AppRole, and no token."""
        role = self._vault.read(f"auth/approle/role/reconciler-{purpose}/role-id")
        secret = self._vault.write(f"auth/approle/role/reconciler-{purpose}/secret-id", {})
        assert role is not None
        return {"VAULT_TOKEN": "", "VAULT_ROLE_ID": role["role_id"], "VAULT_SECRET_ID": secret["secret_id"]}

    def plan(self, *arguments: str, **environ: str) -> Ran:
        return self.site.run("plan", "-o", "json", *arguments, **{**self.environ("plan"), **environ})

    def apply(self, *arguments: str, **environ: str) -> Ran:
        return self.site.run("apply", "--yes", "-o", "json", *arguments, **{**self.environ("apply"), **environ})


@pytest.fixture
def logins(site: Site, vault: VaultClient) -> TwoLogins:
    site.environ["BOB"] = "first"
    site.write("desired-state/environments/dev.yaml", ENVIRONMENT)
    site.write("desired-state/users.yaml", USERS)
    site.commit("first")
    prepared = site.run("bootstrap", "--yes")
    assert prepared.code == 0, prepared.out + prepared.err
    return TwoLogins(site, vault)


@pytest.mark.parametrize("word", ["first", "second"], ids=["value unchanged", "value changed"])
@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(("capabilities: [read]", "capabilities: [list]"), id="another object changes"),
        pytest.param(("token_ttl: 1h", "token_ttl: 2h"), id="the user changes"),
        pytest.param(("from: env:BOB", "from: env:EVE"), id="the source changes"),
        pytest.param(("userpass/bob", "userpass/eve"), id="one user goes, another comes"),
        pytest.param(("token_ttl: 1h", "token_ttl: 1h"), id="nothing changes"),
    ],
)
def test_the_digest_that_was_reviewed_is_the_one_that_is_applied(logins: TwoLogins, word: str, edit: tuple[str, str]) -> None:
    logins.site.write("desired-state/users.yaml", USERS.replace(*edit))
    logins.site.commit("second")
    reviewed = logins.plan(BOB="")  # a job that plans need not have the values
    assert reviewed.code == 0, reviewed.err
    done = logins.apply("--expect-digest", reviewed.json["digest"], BOB=word, EVE=word)
    assert done.code == 0, done.out + done.err
    assert done.json["digest"] == reviewed.json["digest"]
    assert logins.apply(BOB=word, EVE=word).json["outcomes"] == []


def test_another_change_than_the_reviewed_one_is_refused(logins: TwoLogins, vault: VaultClient) -> None:
    logins.site.write("desired-state/users.yaml", USERS.replace("token_ttl: 1h", "token_ttl: 2h"))
    logins.site.commit("second")
    reviewed = logins.plan().json["digest"]
    vault.write("sys/policies/acl/readers", {"policy": 'path "elsewhere" { capabilities = ["read"] }'})
    refused = logins.apply("--expect-digest", reviewed)
    assert refused.code == 4
    assert reviewed in refused.err
    user = vault.read("auth/userpass/users/bob")
    assert user is not None
    assert user["token_ttl"] == 3600


@pytest.mark.parametrize("word", ["first", "second"], ids=["value unchanged", "value changed"])
def test_a_plan_file_of_one_login_is_applied_by_the_other(logins: TwoLogins, tmp_path: Path, word: str) -> None:
    logins.site.write("desired-state/users.yaml", USERS.replace("token_ttl: 1h", "token_ttl: 2h"))
    logins.site.commit("second")
    planfile = tmp_path / "plan.json"
    assert logins.plan("--out", str(planfile)).code == 0
    done = logins.apply(str(planfile), BOB=word)
    assert done.code == 0, done.out + done.err
    assert {one["address"]: one["outcome"] for one in done.json["outcomes"]} == {"vault.userpass_user/userpass/bob": "applied"}
    assert logins.plan().json["changes"] == []


def test_a_login_that_cannot_compare_a_value_says_so(logins: TwoLogins) -> None:
    plan = logins.plan(BOB="another").json
    assert plan["changes"] == []
    assert [note for note in plan["notes"] if "(secret, not compared)" in note and "userpass/bob" in note]
    able = logins.plan(**logins.environ("apply"), BOB="another").json
    assert [change["fields"] for change in able["changes"]] == [[{"path": "/password", "before": "(secret)", "after": "(secret changed)"}]]
    assert not [note for note in able["notes"] if "(secret, not compared)" in note]


def test_a_value_that_is_not_set_here_is_not_compared(logins: TwoLogins) -> None:
    plan = logins.plan(**logins.environ("apply"), BOB="").json
    assert plan["changes"] == []
    assert [note for note in plan["notes"] if "(secret, not compared)" in note and "userpass/bob" in note]


def test_the_login_that_plans_can_write_nothing(logins: TwoLogins, vault: VaultClient) -> None:
    logins.site.write("desired-state/users.yaml", USERS.replace("token_ttl: 1h", "token_ttl: 2h"))
    logins.site.commit("second")
    refused = logins.apply(**logins.environ("plan"))
    assert refused.code == 1
    assert "Traceback" not in refused.err
    assert refused.out == ""
    user = vault.read("auth/userpass/users/bob")
    assert user is not None
    assert user["token_ttl"] == 3600
