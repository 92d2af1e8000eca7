"""A desired state of fifty objects over Vault and AWS, from the first plan to a rollback, looked at past all of our own code.

One server carries the whole story; each test leaves it as the first commit says.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from reconciler.dev.servers import start_bao_dev, start_moto
from tests.cli.raw import Raw
from tests.cli.site import Site
from tests.cli.tampering import TAMPERED, THIEVES, tamper

WHOLE = Path(__file__).with_name("whole")


class Story(NamedTuple):
    """A repository, its servers, and the plan before anything was applied."""

    site: Site
    raw: Raw
    first: Any


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[dict[str, str], Raw]]:
    """An OpenBao whose root namespace is ours (quotas lie nowhere else), and an AWS account."""
    folder = tmp_path_factory.mktemp("servers")
    with start_bao_dev(folder / "bao") as bao, start_moto(folder / "moto") as moto:
        environ = {
            **os.environ,
            "VAULT_ADDR": bao.address,
            "VAULT_TOKEN": bao.token,
            "AWS_ENDPOINT_URL": moto.address,
            "RECONCILE_ENV": "prod",
            "BOB_PASSWORD": "correct horse",
            "REVIEWER_JWT": "battery staple",
        }
        raw = Raw(bao.address, bao.token, moto.address)
        yield environ, raw
        raw.close()


@pytest.fixture(scope="module")
def story(servers: tuple[dict[str, str], Raw], tmp_path_factory: pytest.TempPathFactory) -> Story:
    """The first commit, applied."""
    environ, raw = servers
    raw.write("sys/mounts/seed", body={"type": "kv-v2"})
    raw.write("seed/data/db", body={"data": {"password": "from a store"}})
    raw.write("sys/policies/acl/somebody-elses", body={"policy": 'path "a" { capabilities = ["read"] }'})
    site = Site(tmp_path_factory.mktemp("whole") / "repo", environ)
    shutil.copytree(WHOLE, site.repo)
    site.git("init", "--quiet", "--initial-branch=main", ".")
    site.commit("first")
    first = site.plan()
    site.apply()
    return Story(site, raw, first)


def actions(plan: Any) -> dict[str, str]:
    return {change["address"]: change["action"] for change in plan["changes"]}


def fields(plan: Any) -> dict[str, list[str]]:
    return {change["address"]: [field["path"] for field in change["fields"]] for change in plan["changes"]}


def test_the_first_plan_creates_everything(story: Story) -> None:
    assert set(actions(story.first).values()) == {"create"}
    assert story.first["summary"]["create"] == len(TAMPERED) >= 33
    assert story.first["complete"]
    assert (story.first["refusals"], story.first["unknown"]) == ([], [])
    assert "vault.policy/only-in-dev" not in actions(story.first)


def test_every_object_is_on_the_servers(story: Story) -> None:
    assert EXPECTED.keys() == TAMPERED.keys()
    found = story.raw.snapshot()
    assert [address for address, (place, expected) in EXPECTED.items() if not holds(found.get(place), expected)] == []
    assert "{{identity.entity.name}}" in found[":sys/policies/acl/own-secrets"]["policy"]
    assert story.raw.read("genesis/data/robots/robot")["data"]["password"]  # generated, and kept there


def test_the_next_plan_is_empty_and_the_same_to_the_byte(story: Story) -> None:
    one, other = (story.site.run("plan", "-o", "json", "--exit-code") for _ in range(2))
    assert one.code == 0, one.err
    assert one.json["changes"] == []
    assert one.out == other.out


def test_whatever_is_changed_behind_our_back_is_named_field_by_field_and_reset(story: Story) -> None:
    before = story.raw.snapshot()
    tamper(story.raw)
    plan = story.site.plan()
    assert fields(plan) == {address: sorted(found) for address, found in TAMPERED.items()}
    assert set(actions(plan).values()) == {"update"}
    assert story.site.run("drift", "--exit-code").code == 3
    story.site.apply()
    assert story.site.plan()["changes"] == []
    story.raw.delete(f"identity/group/name/{THIEVES}")
    after = story.raw.snapshot()
    assert after.pop("team-a:auth/approle/role/batch")["token_ttl"] == 3600  # ignored: who tunes it may
    before.pop("team-a:auth/approle/role/batch")
    assert after == before


def test_what_nobody_declared_stays(story: Story) -> None:
    assert story.raw.read("sys/policies/acl/somebody-elses") is not None
    assert story.site.plan()["summary"]["unmanaged"] >= 1


def test_a_rollback_brings_back_what_was(story: Story) -> None:
    site, raw = story.site, story.raw
    before = raw.snapshot()
    second_commit(site)
    plan = site.plan()
    assert plan["refusals"] == []
    planned = actions(plan)
    assert planned == SECOND | dict.fromkeys(UPDATED, "update")
    site.apply()
    assert site.plan()["changes"] == []
    assert raw.read("identity/oidc/role/web") is not None  # forgotten, not deleted
    refused = site.run("rollback", "--yes")
    assert refused.code == 4
    assert "irreversible" in refused.out
    done = site.run("rollback", "--yes", "--allow", "irreversible", "-o", "json")
    assert done.code == 0, done.out + done.err
    assert raw.snapshot() == before
    assert site.git("status", "--porcelain") == ""
    again = site.run("apply", "--yes")
    assert again.code == 4
    assert "rolled_back" in again.out
    site.git("reset", "--quiet", "--hard", "HEAD~1")
    assert site.plan()["changes"] == []


# ---- what the first commit puts on the servers

EXPECTED: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "vault.namespace/team-a": ("sys/namespaces/team-a", {"custom_metadata": {"owner": "team-a"}}),
    "vault.secrets_engine/kv@primary/team-a": ("team-a:sys/mounts/kv", {"type": "kv", "description": "Secrets of team A"}),
    "vault.policy/readers@primary/team-a": ("team-a:sys/policies/acl/readers", {}),
    "vault.auth_method/approle@primary/team-a": ("team-a:sys/auth/approle", {"type": "approle"}),
    "vault.approle_role/approle/batch@primary/team-a": (
        "team-a:auth/approle/role/batch",
        {"token_policies": ["readers"], "token_ttl": 600},
    ),
    "vault.policy/genesis-readonly": (":sys/policies/acl/genesis-readonly", {"allow_slashes_in_identity_templates": False}),
    "vault.policy/own-secrets": (":sys/policies/acl/own-secrets", {}),
    "vault.policy/protected": (":sys/policies/acl/protected", {}),
    "vault.policy/svc-orders": (":sys/policies/acl/svc-orders", {}),
    "vault.policy/svc-billing": (":sys/policies/acl/svc-billing", {}),
    "vault.password_policy/strong": (":sys/policies/password/strong", {}),
    "vault.secrets_engine/genesis": (":sys/mounts/genesis", {"type": "kv", "config": {"max_lease_ttl": 86400}}),
    "vault.engine_config/genesis": (":genesis/config", {"max_versions": 7, "delete_version_after": "720h0m0s"}),
    "vault.secrets_engine/transit": (":sys/mounts/transit", {"type": "transit"}),
    "vault.transit_key/transit/orders": (":transit/keys/orders", {"type": "aes256-gcm96", "auto_rotate_period": 2592000}),
    "vault.secrets_engine/database": (":sys/mounts/database", {"type": "database", "config": {"default_lease_ttl": 3600}}),
    "vault.database_connection/database/orders": (
        ":database/config/orders",
        {"allowed_roles": ["orders-ro"], "password_policy": "strong", "connection_details": {"username": "vault"}},
    ),
    "vault.database_role/database/orders-ro": (":database/roles/orders-ro", {"db_name": "orders", "default_ttl": 3600, "max_ttl": 28800}),
    "vault.secrets_engine/pki": (":sys/mounts/pki", {"type": "pki", "config": {"max_lease_ttl": 87600 * 3600}}),
    "vault.engine_config/pki/urls": (":pki/config/urls", {"crl_distribution_points": ["https://ca.genesis.example.com/crl"]}),
    "vault.pki_role/pki/web": (":pki/roles/web", {"allowed_domains": ["genesis.example.com"], "allow_subdomains": True}),
    "vault.kv_secret/genesis/api_keys/stripe": (
        ":genesis/metadata/api_keys/stripe",
        {"max_versions": 5, "cas_required": True, "delete_version_after": "1h30m0s", "custom_metadata": {"owner": "payments"}},
    ),
    "vault.kv_secret/genesis/services/orders/config": (":genesis/metadata/services/orders/config", {"max_versions": 3}),
    "vault.kv_secret/genesis/services/billing/config": (":genesis/metadata/services/billing/config", {"max_versions": 3}),
    "vault.auth_method/approle": (":sys/auth/approle", {"type": "approle", "description": "machines"}),
    "vault.approle_role/approle/ci": (
        ":auth/approle/role/ci",
        {"token_policies": ["genesis-readonly", "own-secrets"], "token_ttl": 2700, "secret_id_num_uses": 10},
    ),
    "vault.approle_role/approle/svc-orders": (":auth/approle/role/svc-orders", {"token_ttl": 2700, "token_policies": ["svc-orders"]}),
    "vault.approle_role/approle/svc-billing": (":auth/approle/role/svc-billing", {"token_ttl": 3600, "token_policies": ["svc-billing"]}),
    "vault.auth_method/jwt": (":sys/auth/jwt", {"type": "jwt", "config": {"listing_visibility": "unauth", "default_lease_ttl": 3600}}),
    "vault.auth_config/jwt": (":auth/jwt/config", {"bound_issuer": "https://token.actions.githubusercontent.com"}),
    "vault.jwt_role/jwt/deploy": (
        ":auth/jwt/role/deploy",
        {"user_claim": "sub", "bound_claims": {"repository": ["example/*"]}, "claim_mappings": {"sha": "commit"}, "token_ttl": 900},
    ),
    "vault.auth_method/userpass": (":sys/auth/userpass", {"type": "userpass"}),
    "vault.userpass_user/userpass/bob": (":auth/userpass/users/bob", {"token_policies": ["own-secrets"], "token_ttl": 28800}),
    "vault.userpass_user/userpass/robot": (":auth/userpass/users/robot", {"token_policies": ["own-secrets"]}),
    "vault.auth_method/k8s": (":sys/auth/k8s", {"type": "kubernetes"}),
    "vault.auth_config/k8s": (":auth/k8s/config", {"kubernetes_host": "https://k8s.example.com:6443", "token_reviewer_jwt_set": True}),
    "vault.kubernetes_role/k8s/web": (":auth/k8s/role/web", {"bound_service_account_namespaces": ["default", "prod"], "token_ttl": 1200}),
    "vault.token_role/deploy": (
        ":auth/token/roles/deploy",
        {"allowed_policies": ["genesis-readonly"], "orphan": True, "token_period": 3600},
    ),
    "vault.identity_entity/alice": (":identity/entity/name/alice", {"policies": ["own-secrets"], "metadata": {"team": "genesis"}}),
    "vault.identity_entity/ci": (":identity/entity/name/ci", {"policies": ["genesis-readonly"]}),
    "vault.identity_group/platform": (":identity/group/name/platform", {"member_entity_ids": ["alice", "ci"], "metadata": {"tier": "one"}}),
    "vault.identity_group/sso-admins": (":identity/group/name/sso-admins", {"type": "external", "alias": {"name": "admins@example.com"}}),
    "vault.identity_group_alias/jwt/admins%40example.com": ("identity/group-alias/admins@example.com", {"group": "sso-admins"}),
    "vault.rate_limit_quota/logins": (":sys/quotas/rate-limit/logins", {"rate": 250, "interval": 60, "path": "auth/approle/"}),
    "vault.object/identity/oidc/role/web": (":identity/oidc/role/web", {"key": "default", "ttl": 1800}),
    "aws.kms_key/alias/genesis": (
        "key alias/genesis",
        {
            "about": {"Description": "encrypts the secrets of genesis"},
            "rotation": True,
            "tags": [{"TagKey": "team", "TagValue": "genesis"}],
        },
    ),
    "aws.secret/genesis/claude": ("secret genesis/claude", {"Description": "API key of the orchestrator", "KmsKeyId": "alias/genesis"}),
    "aws.secret/services/orders": ("secret services/orders", {"Tags": [{"Key": "service", "Value": "ORDERS"}]}),
    "aws.iam_policy/genesis-read": (
        "policy arn:aws:iam::123456789012:policy/genesis/genesis-read",
        {"Path": "/genesis/", "Tags": [{"Key": "team", "Value": "genesis"}]},
    ),
    "aws.iam_role/genesis-service": (
        "role genesis-service",
        {
            "Path": "/genesis/",
            "MaxSessionDuration": 7200,
            "AttachedManagedPolicies": [
                {"PolicyName": "genesis-read", "PolicyArn": "arn:aws:iam::123456789012:policy/genesis/genesis-read"},
                {"PolicyName": "ReadOnlyAccess", "PolicyArn": "arn:aws:iam::aws:policy/ReadOnlyAccess"},
            ],
        },
    ),
}
"""Each object's place in a snapshot, and what it must hold among other things."""


def holds(body: Any, expected: Any) -> bool:
    """Whether a body says at least what is expected."""
    if isinstance(expected, Mapping):
        return isinstance(body, Mapping) and all(key in body and holds(body[key], value) for key, value in expected.items())
    return bool(body == expected)


# ---- the second commit

EDITS = [  # (file, old, new): all over the kinds
    ("policies.yaml", "name: personal\n", "name: personal\nlifecycle: {moved_from: vault.policy/own-secrets}\n"),
    ("policies.yaml", "capabilities: [list, read]", "capabilities: [list]"),
    ("policies.yaml", "min-chars = 4", "min-chars = 5"),
    ("engines.yaml", "Application secrets", "Secrets of applications"),
    ("engines.yaml", "{max_versions: 7, ", "{max_versions: 9, "),
    ("engines.yaml", "auto_rotate_period: 720h", "auto_rotate_period: 48h"),
    ("engines.yaml", "max_ttl: 8h", "max_ttl: 9h"),
    ("engines.yaml", "username: vault", "username: vault2"),
    ("engines.yaml", "cas_required: true", "cas_required: false"),
    ("logins.yaml", "token_max_ttl: 4h", "token_max_ttl: 5h"),
    ("logins.yaml", "{sha: commit}", "{sha: revision}"),
    ("logins.yaml", "kubernetes_host: https://k8s.", "kubernetes_host: https://k9s."),
    ("people.yaml", "member_entities: [alice, ci]", "member_entities: [alice]"),
    ("people.yaml", "interval: 1m", "interval: 2m"),
    ("aws.yaml", "description: encrypts the secrets", "description: seals the secrets"),
    ("aws.yaml", "API key of the orchestrator", "The orchestrator's key"),
    ("aws.yaml", "secretsmanager:DescribeSecret]", "secretsmanager:ListSecretVersionIds]"),
    ("aws.yaml", "    - arn:aws:iam::aws:policy/ReadOnlyAccess\n", ""),
    ("aws.yaml", '"logs:PutLogEvents"', '"logs:DescribeLogGroups"'),
    ("services.yaml", ", aws: true}", "}"),
    ("services.yaml", "  - {name: billing}\n", "  - {name: shipping}\n"),
]
REMOVED = [  # (file, name of a document)
    ("engines.yaml", "pki/urls"),
    ("engines.yaml", "pki/web"),
    ("logins.yaml", "userpass/bob"),
    ("logins.yaml", "deploy"),
    ("people.yaml", "ci"),
    ("people.yaml", "identity/oidc/role/web"),
]
ADDED = """\
kind: vault.namespace
name: team-b
spec: {}
---
kind: vault.policy
name: writers
namespace: team-b
spec: {rules: [{path: kv/data/*, capabilities: [create, update]}]}
---
kind: vault.secrets_engine
name: payments
spec: {type: kv-v2}
---
kind: vault.kv_secret
name: payments/visa
spec: {max_versions: 2}
---
kind: aws.secret
name: payments/visa
spec: {recovery_window_days: 0}
---
kind: approval
name: drop-services
spec:
  guard: irreversible
  address: aws.secret/services/*
  reason: nobody reads it
  approver: security@example.com
  expires: 2999-01-31
"""
SECOND = {
    "vault.namespace/team-b": "create",
    "vault.policy/writers@primary/team-b": "create",
    "vault.secrets_engine/payments": "create",
    "vault.kv_secret/payments/visa": "create",
    "aws.secret/payments/visa": "create",
    "vault.policy/personal": "create",
    "vault.policy/own-secrets": "delete",
    "vault.policy/svc-shipping": "create",
    "vault.approle_role/approle/svc-shipping": "create",
    "vault.kv_secret/genesis/services/shipping/config": "create",
    "vault.policy/svc-billing": "delete",
    "vault.approle_role/approle/svc-billing": "delete",
    "vault.kv_secret/genesis/services/billing/config": "delete",
    "aws.secret/services/orders": "delete",
    "vault.engine_config/pki/urls": "delete",
    "vault.pki_role/pki/web": "delete",
    "vault.userpass_user/userpass/bob": "delete",
    "vault.token_role/deploy": "delete",
    "vault.identity_entity/ci": "delete",
    "vault.object/identity/oidc/role/web": "forget",
}
UPDATED = {
    "vault.policy/genesis-readonly",
    "vault.password_policy/strong",
    "vault.secrets_engine/genesis",
    "vault.engine_config/genesis",
    "vault.transit_key/transit/orders",
    "vault.database_connection/database/orders",
    "vault.database_role/database/orders-ro",
    "vault.kv_secret/genesis/api_keys/stripe",
    "vault.approle_role/approle/ci",
    "vault.jwt_role/jwt/deploy",
    "vault.auth_config/k8s",
    "vault.userpass_user/userpass/robot",
    "vault.identity_entity/alice",
    "vault.identity_group/platform",
    "vault.identity_group/sso-admins",
    "vault.rate_limit_quota/logins",
    "aws.kms_key/alias/genesis",
    "aws.secret/genesis/claude",
    "aws.iam_policy/genesis-read",
    "aws.iam_role/genesis-service",
}


def second_commit(site: Site) -> None:
    """Change, add and remove, of most kinds something."""
    texts = {file.name: file.read_text(encoding="utf-8") for file in (site.repo / "desired-state").glob("*.yaml")}
    texts = {name: text.replace("own-secrets", "personal") for name, text in texts.items()}
    for file, old, new in EDITS:
        assert texts[file].count(old) == 1, (file, old)
        texts[file] = texts[file].replace(old, new)
    for file, name in REMOVED:
        documents = texts[file].split("\n---\n")
        kept = [document for document in documents if f"\nname: {name}\n" not in document]
        assert len(kept) == len(documents) - 1, (file, name)
        texts[file] = "\n---\n".join(kept)
    for name, text in {**texts, "added.yaml": ADDED}.items():
        site.write(f"desired-state/{name}", text)
    site.remove("desired-state/overlays/prod/limits.yaml")
    site.commit("second")
