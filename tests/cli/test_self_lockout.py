"""The guard `self_lockout`: a plan does not take from the login that applies it what it needs, and writes its policy last."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.backends.vault.client import VaultClient
from tests.cli.site import Site

OWN = """\
kind: vault.policy
name: deployer
spec:
  rules:
    - path: sys/*
      capabilities: [create, read, update, delete, list, sudo]
    - path: {roles}
      capabilities: [create, read, update, delete, list]
    - path: auth/token/*
      capabilities: [create, read, update]
    - path: reconciler/*
      capabilities: [{ledger}]
"""
OTHERS = """\
kind: vault.auth_method
name: approle
spec: {{type: approle}}
---
kind: vault.approle_role
name: approle/deployer
spec: {{token_policies: [{policies}]}}
---
kind: vault.policy
name: zebra
spec: {{rules: [{{path: a, capabilities: [{zebra}]}}]}}
"""
LEDGER = "create, read, update, delete, list"
BY_ROLE = """\
project: genesis
vault:
  primary:
    auth:
      apply: {method: approle, role: deployer}
"""


def write(site: Site, *, roles: str = "auth/approle/role/*", ledger: str = LEDGER, policies: str = "deployer", zebra: str = "read") -> None:
    site.write("desired-state/own.yaml", OWN.format(roles=roles, ledger=ledger))
    site.write("desired-state/others.yaml", OTHERS.format(policies=policies, zebra=zebra))
    site.commit()


@pytest.fixture
def deployed(site: Site, vault: VaultClient) -> Site:
    """Everything is applied; from here on a token applies that has the policy `deployer` alone."""
    write(site)
    site.apply()
    token = vault.write("auth/token/create", {"policies": ["deployer"]})["auth"]["client_token"]
    site.environ["VAULT_TOKEN"] = token
    return site


def refusals(plan: Any) -> list[tuple[str, str]]:
    return [(one["guard"], one["address"]) for one in plan["refusals"]]


def test_taking_from_the_applying_login_what_it_needs_is_refused_and_can_be_allowed(deployed: Site) -> None:
    write(deployed, roles="auth/approle/role/other")
    plan = deployed.plan()
    assert refusals(plan) == [("self_lockout", "vault.policy/deployer")]
    assert "update" in plan["refusals"][0]["message"]
    assert "auth/approle/role/deployer" in plan["refusals"][0]["message"]
    assert deployed.run("apply", "--yes").code == 4
    assert refusals(deployed.plan("--allow", "self_lockout")) == []


def test_the_ledger_is_needed_too(deployed: Site) -> None:
    write(deployed, ledger="read")
    assert refusals(deployed.plan()) == [("self_lockout", "vault.policy/deployer")]


def test_another_spelling_of_the_same_reach_is_not_refused(deployed: Site) -> None:
    write(deployed, roles="auth/+/role/*")
    assert refusals(deployed.plan()) == []


def test_its_policy_is_written_last(deployed: Site) -> None:
    write(deployed, roles="auth/+/role/*", zebra="list")
    assert [change["address"] for change in deployed.plan()["changes"]] == ["vault.policy/zebra", "vault.policy/deployer"]
    outcomes = deployed.apply()["outcomes"]
    assert [one["outcome"] for one in outcomes] == ["applied", "applied"]


def test_root_cannot_lock_itself_out(deployed: Site, vault: VaultClient) -> None:
    deployed.environ["VAULT_TOKEN"] = vault.token()
    write(deployed, roles="auth/approle/role/other", ledger="read")
    assert refusals(deployed.plan()) == []


@pytest.fixture
def by_role(deployed: Site, vault: VaultClient) -> Site:
    """The environment names the role that applies; whoever plans has another login."""
    deployed.environ["VAULT_TOKEN"] = vault.token()
    deployed.write("desired-state/environments/dev.yaml", BY_ROLE)
    return deployed


def test_the_role_that_the_environment_names_is_looked_at_by_whoever_plans(by_role: Site) -> None:
    write(by_role, policies="zebra")
    assert refusals(by_role.plan()) == [("self_lockout", "vault.approle_role/approle/deployer")]
    write(by_role, roles="auth/approle/role/other")
    assert refusals(by_role.plan()) == [("self_lockout", "vault.policy/deployer")]
    write(by_role, zebra="list")
    assert refusals(by_role.plan()) == []


def test_a_login_whose_role_goes_is_locked_out(by_role: Site) -> None:
    by_role.remove("desired-state/others.yaml")
    by_role.commit()
    found = refusals(by_role.plan())
    assert ("self_lockout", "vault.approle_role/approle/deployer") in found
    assert ("self_lockout", "vault.auth_method/approle") in found


AWS_OWN = """\
kind: aws.iam_policy
name: deployer
spec:
  document:
    Version: "2012-10-17"
    Statement:
      - {{Effect: Allow, Action: "iam:*", Resource: "*"}}
      - {{Effect: Allow, Action: ["secretsmanager:*"], Resource: "{secrets}"}}
---
kind: aws.iam_role
name: deployer
spec:
  trust_policy:
    Version: "2012-10-17"
    Statement: [{{Effect: Allow, Principal: {{AWS: "123456789012"}}, Action: "sts:AssumeRole"}}]
  managed_policies: [{policies}]
---
kind: aws.secret
name: app/db
spec: {{description: {description}}}
"""
AWS_POLICY, AWS_ROLE = "aws.iam_policy/deployer", "aws.iam_role/deployer"
POLICY_ARN = "\"${{ ref('aws.iam_policy/deployer').arn }}\""
BY_AWS_ROLE = "project: genesis\naws: {primary: {region: us-east-1, role_arn: arn:aws:iam::123456789012:role/deployer}}\n"


def write_aws(
    site: Site, *, secrets: str = "arn:aws:secretsmanager:*:*:secret:app/*", policies: str = POLICY_ARN, description: str = "db"
) -> None:
    site.write("desired-state/aws.yaml", AWS_OWN.format(secrets=secrets, policies=policies, description=description))
    site.commit()


@pytest.fixture
def on_aws(site: Site, moto: str) -> Site:
    """The role that applies on AWS is there, with what it needs."""
    site.environ |= {"AWS_ENDPOINT_URL": moto, "AWS_REGION": "us-east-1"}
    write_aws(site)
    site.apply()
    site.write("desired-state/environments/dev.yaml", BY_AWS_ROLE)
    return site


def test_taking_from_the_applying_role_of_aws_what_it_needs_is_refused(on_aws: Site) -> None:
    write_aws(on_aws, secrets="arn:aws:secretsmanager:*:*:secret:other/*")
    plan = on_aws.plan()
    assert refusals(plan) == [("self_lockout", AWS_POLICY)]
    assert "secretsmanager:UpdateSecret" in plan["refusals"][0]["message"]
    assert ":secret:app/db-" in plan["refusals"][0]["message"]
    write_aws(on_aws, policies="")
    assert refusals(on_aws.plan()) == [("self_lockout", AWS_ROLE)]
    write_aws(on_aws, secrets="*", description="database")
    plan = on_aws.plan()
    assert refusals(plan) == []
    # What the run can do without its old policy is done first.
    assert [change["address"] for change in plan["changes"]] == ["aws.secret/app/db", AWS_POLICY]


def test_the_role_that_an_apply_has_is_not_taken_from_it_though_no_file_names_it(on_aws: Site, moto: str) -> None:
    import boto3

    sts = boto3.client("sts", region_name="us-east-1", endpoint_url=moto)
    given = sts.assume_role(RoleArn="arn:aws:iam::123456789012:role/deployer", RoleSessionName="ci")["Credentials"]
    on_aws.environ |= {
        "AWS_ACCESS_KEY_ID": given["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"],
        "AWS_SESSION_TOKEN": given["SessionToken"],
    }
    on_aws.write("desired-state/environments/dev.yaml", "project: genesis\naws: {primary: {region: us-east-1}}\n")
    on_aws.remove("desired-state/aws.yaml")
    on_aws.write("desired-state/p.yaml", "kind: aws.secret\nname: app/db\nspec: {description: db}\n")
    on_aws.commit()
    ran = on_aws.run("apply", "--yes")
    assert ran.code == 4
    assert "Refused by self_lockout" in ran.out
    assert f"{AWS_ROLE}: would take from the login that applies: " in ran.out
