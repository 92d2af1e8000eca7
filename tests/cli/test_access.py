"""`access`: who may do what, over the repository, the servers and a plan, through the real command line."""

from __future__ import annotations

import pytest

from reconciler.backends.vault.client import VaultClient
from tests.cli.site import Site

POLICIES = """\
kind: vault.policy
name: readers
spec:
  rules:
    - path: kv/data/*
      capabilities: [read]
    - path: kv/data/payments/*
      capabilities: [deny]
---
kind: vault.policy
name: payers
spec:
  hcl: |
    # everything about payments
    path "kv/data/payments/*" {
      capabilities = ["read", "update"]
      required_parameters = ["ttl"]
    }
    path "kv/data/people/{{identity.entity.name}}" {
      capabilities = ["read"]
    }
"""
PEOPLE = """\
kind: vault.auth_method
name: approle
spec: {type: approle}
---
kind: vault.approle_role
name: approle/ci
spec: {token_policies: [readers]}
---
kind: vault.approle_role
name: approle/bank
spec: {token_policies: [payers]}
---
kind: vault.identity_entity
name: alice
spec: {}
---
kind: vault.identity_group
name: ops
spec: {policies: [readers], member_entities: [alice]}
"""
IAM = """\
kind: aws.iam_role
name: ci
spec:
  trust_policy:
    Version: "2012-10-17"
    Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: sts:AssumeRole}]
  managed_policies: ["${{ ref('aws.iam_policy/reading').arn }}"]
---
kind: aws.iam_policy
name: reading
spec:
  document:
    Version: "2012-10-17"
    Statement:
      - {Sid: Read, Effect: Allow, Action: s3:Get*, Resource: arn:aws:s3:::bucket/*}
      - {Sid: Careful, Effect: Allow, Action: s3:PutObject, Resource: "*", Condition: {Bool: {aws:MultiFactorAuthPresent: "true"}}}
"""


@pytest.fixture
def declared(site: Site) -> Site:
    site.write("desired-state/policies.yaml", POLICIES)
    site.write("desired-state/people.yaml", PEOPLE)
    site.commit()
    return site


def test_an_explanation_names_the_line_that_grants_and_those_that_do_not_count(declared: Site) -> None:
    found = declared.run("access", "explain", "vault.approle_role/approle/bank", "kv/data/payments/x", "-o", "json").json
    assert found == {
        "subject": "vault.approle_role/approle/bank",
        "path": "kv/data/payments/x",
        "capabilities": ["read", "update"],
        "because": [
            {
                "policy": "vault.policy/payers",
                "rule": "kv/data/payments/*",
                "origin": "desired-state/policies.yaml:15",
                "effect": "grants",
                "capabilities": ["read", "update"],
                "limit": "required_parameters ttl",
            }
        ],
    }
    found = declared.run("access", "explain", "vault.identity_entity/alice", "kv/data/payments/x", "-o", "json").json
    assert found["capabilities"] == ["deny"]
    assert [(reason["rule"], reason["effect"], reason["origin"], reason["through"]) for reason in found["because"]] == [
        ("kv/data/payments/*", "denies", "desired-state/policies.yaml:7", "vault.identity_group/ops"),
        ("kv/data/*", "shadowed", "desired-state/policies.yaml:5", "vault.identity_group/ops"),
    ]


def test_an_explanation_in_words(declared: Site) -> None:
    ran = declared.run("access", "explain", "vault.approle_role/approle/ci", "kv/data/x")
    assert ran.out == (
        "vault.approle_role/approle/ci may read kv/data/x\n  kv/data/* grants: read, by vault.policy/readers (desired-state/policies.yaml:5)\n"
    )
    ran = declared.run("access", "explain", "vault.approle_role/approle/ci", "elsewhere")
    assert "may do nothing on elsewhere" in ran.out
    assert "no rule of its policies covers this path" in ran.out


def test_who_can_lists_everybody_and_by_what(declared: Site) -> None:
    assert declared.run("access", "who-can", "kv/data/x", "--capability", "read", "-o", "json").json == [
        {"subject": "vault.approle_role/approle/ci", "via": ["vault.policy/readers"]},
        {"subject": "vault.identity_entity/alice", "via": ["vault.policy/readers"]},
        {"subject": "vault.identity_group/ops", "via": ["vault.policy/readers"]},
    ]
    assert declared.run("access", "who-can", "kv/data/x", "--capability", "sudo").out == "Nobody may sudo on kv/data/x.\n"


def test_what_depends_on_who_logs_in_is_conditional(declared: Site) -> None:
    found = declared.run("access", "who-can", "kv/data/people/alice", "--capability", "read", "-o", "json").json
    assert {"subject": "vault.approle_role/approle/bank", "via": ["vault.policy/payers"], "conditional": True} in found


def test_an_audit_lists_all_that_a_subject_may_do(declared: Site) -> None:
    found = declared.run("access", "audit", "vault.identity_group/ops", "-o", "json").json
    assert found == {
        "subject": "vault.identity_group/ops",
        "policies": ["vault.policy/readers"],
        "access": [{"path": "kv/data/*", "capabilities": ["read"], "via": ["vault.policy/readers"]}],
    }
    assert "cubbyhole/*" in declared.run("access", "audit", "vault.approle_role/approle/ci").out


def test_a_subject_that_is_not_there_is_a_mistake_with_a_hint(declared: Site) -> None:
    ran = declared.run("access", "audit", "vault.approle_role/approle/cy")
    assert ran.code == 2
    assert "did you mean vault.approle_role/approle/ci?" in ran.err
    assert "holds no policies" in declared.run("access", "audit", "vault.transit_key/transit/x").err


def test_the_servers_are_asked_live_and_as_a_plan_would_leave_them(declared: Site, vault: VaultClient) -> None:
    declared.apply()
    vault.write("sys/policies/acl/somebody-elses", {"policy": 'path "kv/data/x" { capabilities = ["update"] }'})
    vault.write("auth/approle/role/unmanaged", {"token_policies": ["somebody-elses"]})
    declared.write("desired-state/policies.yaml", POLICIES.replace("capabilities: [read]", "capabilities: [list]"))
    declared.commit()
    asked = ("access", "who-can", "kv/data/x", "-o", "json")
    live = {one["subject"] for one in declared.run(*asked, "--capability", "update", "--live").json}
    assert live == {"vault.approle_role/approle/unmanaged"}
    assert not declared.run(*asked, "--capability", "update").json
    assert declared.run(*asked, "--capability", "list", "--live").json == []
    assert len(declared.run(*asked, "--capability", "list", "--plan").json) == 3
    explained = declared.run("access", "explain", "vault.approle_role/approle/ci", "kv/data/x", "--live", "-o", "json").json
    assert explained["capabilities"] == ["read"]
    assert explained["because"][0]["origin"] == "desired-state/policies.yaml:1"


def test_iam_roles_are_asked_by_arn(site: Site) -> None:
    site.write("desired-state/iam.yaml", IAM)
    found = site.run("access", "explain", "aws.iam_role/ci", "arn:aws:s3:::bucket/key", "-o", "json").json
    assert found["capabilities"] == ["s3:Get*"]
    assert found["conditional"] == ["s3:PutObject"]
    assert found["because"] == [
        {
            "policy": "aws.iam_policy/reading",
            "rule": "Careful",
            "origin": "desired-state/iam.yaml:9",
            "effect": "conditional",
            "capabilities": ["s3:PutObject"],
        },
        {
            "policy": "aws.iam_policy/reading",
            "rule": "Read",
            "origin": "desired-state/iam.yaml:9",
            "effect": "grants",
            "capabilities": ["s3:Get*"],
        },
    ]
    who = site.run("access", "who-can", "arn:aws:s3:::bucket/key", "--capability", "s3:GetObject", "-o", "json").json
    assert who == [{"subject": "aws.iam_role/ci", "via": ["aws.iam_policy/reading"]}]
    audit = site.run("access", "audit", "aws.iam_role/ci", "-o", "json").json
    assert {"path": "arn:aws:s3:::bucket/*", "capabilities": ["s3:Get*"], "via": ["aws.iam_policy/reading"]} in audit["access"]


def test_a_plan_says_who_gains_and_loses(declared: Site) -> None:
    declared.apply()
    declared.write("desired-state/policies.yaml", POLICIES.replace("capabilities: [read]", "capabilities: [read, list]"))
    declared.commit()
    found = declared.plan()["access"]
    gained = {"path": "kv/data/*", "gains": ["list"], "loses": [], "via": ["vault.policy/readers"], "secrets": None}
    assert found == [{"subject": "vault.approle_role/approle/ci", **gained}, {"subject": "vault.identity_group/ops", **gained}]
    rewritten = POLICIES.replace(
        "path: kv/data/*\n      capabilities: [read]",
        "path: kv/data/*\n      capabilities: [read]\n    - path: kv/data/a\n      capabilities: [read]",
    )
    declared.write("desired-state/policies.yaml", rewritten)
    declared.commit()
    plan = declared.plan()
    assert plan["summary"]["update"] == 1
    assert plan["access"] == []


def test_lints_stand_in_plan_and_validate_with_their_lines(declared: Site) -> None:
    wide = "kind: vault.policy\nname: wide\nspec:\n  rules:\n    - path: sys/raw\n      capabilities: [read]\n    - path: '*'\n      capabilities: [read]\n"
    declared.write("desired-state/wide.yaml", wide)
    validated = declared.run("validate").out
    assert "note: dev: rules for every path there is: vault.policy/wide * read (desired-state/wide.yaml:7)\n" in validated
    assert "policies that no declared role, group or entity holds: vault.policy/wide (desired-state/wide.yaml:1)\n" in validated
    notes = declared.plan()["notes"]
    assert "rules for every path there is: vault.policy/wide * read (desired-state/wide.yaml:1)" in notes
    declared.commit()
    declared.apply()
    assert declared.plan()["notes"] == []


KV = """\
kind: vault.secrets_engine
name: kv
spec: {type: kv-v2}
---
kind: vault.kv_secret
name: kv/payments/bank
spec: {}
---
kind: vault.kv_secret
name: kv/payments/card
spec: {}
"""


def test_a_plan_counts_the_secrets_that_somebody_gains_access_to(declared: Site) -> None:
    declared.write("desired-state/kv.yaml", KV)
    declared.commit()
    counted = {(entry["subject"], entry["path"]): entry["secrets"] for entry in declared.plan()["access"]}
    assert counted["vault.approle_role/approle/bank", "kv/data/payments/*"] == 2
    assert counted["vault.approle_role/approle/ci", "kv/data/*"] == 2
    assert "vault.approle_role/approle/bank" in declared.run("plan").out
