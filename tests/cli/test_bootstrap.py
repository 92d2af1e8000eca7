"""Bootstrap through the command line: an administrator prepares, two AppRole logins plan and apply."""

from __future__ import annotations

import pytest

from reconciler.backends.vault.client import VaultClient
from tests.cli.site import Site

ENVIRONMENT = """\
project: genesis
vault:
  primary:
    auth:
      plan: {method: approle, role_id: env:PLAN_ROLE, secret_id: env:PLAN_SECRET}
      apply: {method: approle, role_id: env:APPLY_ROLE, secret_id: env:APPLY_SECRET}
aws: {}
"""
POLICY = "kind: vault.policy\nname: readers\nspec: {rules: [{path: kv/data/*, capabilities: [read]}]}\n"


@pytest.fixture
def prepared(site: Site) -> Site:
    site.write("desired-state/environments/dev.yaml", ENVIRONMENT)
    site.write("desired-state/p.yaml", POLICY)
    site.commit()
    return site


def credentials(vault: VaultClient, purpose: str) -> dict[str, str]:
    role = f"auth/approle/role/reconciler-{purpose}"
    found = vault.read(f"{role}/role-id")
    assert found is not None
    name = purpose.upper()
    return {f"{name}_ROLE": found["role_id"], f"{name}_SECRET": vault.write(f"{role}/secret-id", {})["secret_id"]}


def test_a_dry_run_says_what_would_be_made_and_makes_nothing(prepared: Site, vault: VaultClient) -> None:
    ran = prepared.run("bootstrap", "--dry-run")
    assert ran.code == 0, ran.err
    assert "create vault.policy/reconciler-plan" in ran.out
    assert "reconciler" not in (vault.mounts() or {})


def test_after_bootstrap_both_logins_do_their_work_and_a_second_run_has_nothing_to_do(prepared: Site, vault: VaultClient) -> None:
    ran = prepared.run("bootstrap", "--yes")
    assert ran.code == 0, ran.out + ran.err
    assert vault.read("sys/policies/acl/readers") is not None
    again = prepared.run("bootstrap", "--dry-run")
    assert "0 to prepare." in again.out
    logins = {**credentials(vault, "plan"), **credentials(vault, "apply"), "VAULT_TOKEN": ""}
    prepared.write("desired-state/p.yaml", POLICY.replace("[read]", "[read, list]"))
    prepared.commit()
    plan = prepared.run("plan", "-o", "json", **logins)
    assert plan.code == 0, plan.err
    applied = prepared.run("apply", "--yes", "--expect-digest", plan.json["digest"], **logins)
    assert applied.code == 0, applied.out + applied.err
    assert prepared.run("drift", "--exit-code", **logins).code == 0
