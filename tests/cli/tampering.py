"""Changes behind our back: of every object one field that the YAML declares and one that it does not, where there is one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from tests.cli.raw import Raw

ANYBODY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}]})
ANYTHING = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
THIEVES = "thieves"  # a group of ours, to which an alias is moved
OPEN = 'path "*" { capabilities = ["sudo"] }'


class Tampering(NamedTuple):
    """One write past us, and the fields that a plan must name. `keep`: fields that the endpoint wants again."""

    path: str
    body: Mapping[str, Any]
    fields: list[str]
    namespace: str = ""
    keep: tuple[str, ...] = ()
    method: str = "POST"


VAULT = {
    "vault.namespace/team-a": Tampering(
        "sys/namespaces/team-a",
        {"custom_metadata": {"owner": "x", "extra": "y"}},
        ["/custom_metadata/owner", "/custom_metadata/extra"],
        method="PATCH",
    ),
    "vault.secrets_engine/kv@primary/team-a": Tampering(
        "sys/mounts/kv/tune", {"description": "x", "default_lease_ttl": "77s"}, ["/description", "/default_lease_ttl"], "team-a"
    ),
    "vault.policy/readers@primary/team-a": Tampering(
        "sys/policies/acl/readers", {"policy": OPEN, "cas": 1, "cas_required": True}, ["/rules", "/cas_required"], "team-a"
    ),
    "vault.auth_method/approle@primary/team-a": Tampering(
        "sys/auth/approle/tune", {"description": "x", "max_lease_ttl": "77h"}, ["/description", "/max_lease_ttl"], "team-a"
    ),
    # token_ttl is ignored there.
    "vault.approle_role/approle/batch@primary/team-a": Tampering(
        "auth/approle/role/batch",
        {"token_ttl": "1h", "secret_id_num_uses": 3, "token_policies": "x"},
        ["/secret_id_num_uses", "/token_policies"],
        "team-a",
    ),
    "vault.policy/genesis-readonly": Tampering(
        "sys/policies/acl/genesis-readonly",
        {"policy": OPEN, "allow_slashes_in_identity_templates": True},
        ["/rules", "/allow_slashes_in_identity_templates"],
    ),
    "vault.policy/own-secrets": Tampering("sys/policies/acl/own-secrets", {"policy": OPEN}, ["/rules"]),
    "vault.policy/protected": Tampering("sys/policies/acl/protected", {"policy": OPEN}, ["/rules"]),
    "vault.policy/svc-orders": Tampering("sys/policies/acl/svc-orders", {"policy": OPEN}, ["/rules"]),
    "vault.policy/svc-billing": Tampering("sys/policies/acl/svc-billing", {"policy": OPEN}, ["/rules"]),
    "vault.password_policy/strong": Tampering(
        "sys/policies/password/strong", {"policy": 'length = 20\nrule "charset" {\n  charset = "abc"\n}\n'}, ["/policy"]
    ),
    "vault.secrets_engine/genesis": Tampering(
        "sys/mounts/genesis/tune", {"description": "x", "listing_visibility": "unauth"}, ["/description", "/listing_visibility"]
    ),
    "vault.engine_config/genesis": Tampering(
        "genesis/config", {"max_versions": 3, "cas_required": True}, ["/max_versions", "/cas_required"]
    ),
    "vault.secrets_engine/transit": Tampering(
        "sys/mounts/transit/tune", {"description": "x", "max_lease_ttl": "1h"}, ["/description", "/max_lease_ttl"]
    ),
    "vault.transit_key/transit/orders": Tampering("transit/keys/orders/config", {"auto_rotate_period": "24h"}, ["/auto_rotate_period"]),
    "vault.secrets_engine/database": Tampering(
        "sys/mounts/database/tune", {"description": "x", "default_lease_ttl": "2h"}, ["/description", "/default_lease_ttl"]
    ),
    "vault.database_connection/database/orders": Tampering(
        "database/config/orders",
        {
            "plugin_name": "postgresql-database-plugin",
            "connection_url": "postgresql://{{username}}:{{password}}@elsewhere/orders",
            "root_rotation_statements": ["x"],
            "verify_connection": False,
        },
        ["/connection_url", "/root_rotation_statements"],
    ),
    "vault.database_role/database/orders-ro": Tampering(
        "database/roles/orders-ro",
        {"db_name": "orders", "creation_statements": ["GRANT ALL"], "default_ttl": "1h", "max_ttl": "8h", "revocation_statements": ["x"]},
        ["/creation_statements", "/revocation_statements"],
    ),
    "vault.secrets_engine/pki": Tampering(
        "sys/mounts/pki/tune",
        {"max_lease_ttl": "100h", "audit_non_hmac_request_keys": ["a"]},
        ["/max_lease_ttl", "/audit_non_hmac_request_keys"],
    ),
    "vault.engine_config/pki/urls": Tampering(
        "pki/config/urls",
        {"issuing_certificates": ["http://x"], "ocsp_servers": ["http://o"]},
        ["/issuing_certificates", "/ocsp_servers"],
        keep=("crl_distribution_points",),
    ),
    "vault.pki_role/pki/web": Tampering(
        "pki/roles/web",
        {"allowed_domains": ["x.com"], "no_store": True},
        ["/allowed_domains", "/no_store"],
        keep=("allow_subdomains", "max_ttl", "key_type"),
    ),
    "vault.kv_secret/genesis/api_keys/stripe": Tampering(
        "genesis/metadata/api_keys/stripe",
        {"max_versions": 9, "custom_metadata": {"owner": "payments", "more": "y"}},
        ["/max_versions", "/custom_metadata/more"],
    ),
    "vault.kv_secret/genesis/services/orders/config": Tampering(
        "genesis/metadata/services/orders/config", {"max_versions": 9, "cas_required": True}, ["/max_versions", "/cas_required"]
    ),
    "vault.kv_secret/genesis/services/billing/config": Tampering(
        "genesis/metadata/services/billing/config",
        {"max_versions": 9, "delete_version_after": "1h"},
        ["/max_versions", "/delete_version_after"],
    ),
    "vault.auth_method/approle": Tampering(
        "sys/auth/approle/tune", {"description": "x", "default_lease_ttl": "9h"}, ["/description", "/default_lease_ttl"]
    ),
    "vault.approle_role/approle/ci": Tampering(
        "auth/approle/role/ci", {"token_ttl": "1h", "secret_id_bound_cidrs": "10.0.0.0/8"}, ["/token_ttl", "/secret_id_bound_cidrs"]
    ),
    "vault.approle_role/approle/svc-orders": Tampering(
        "auth/approle/role/svc-orders", {"token_ttl": "2h", "token_num_uses": 3}, ["/token_ttl", "/token_num_uses"]
    ),
    "vault.approle_role/approle/svc-billing": Tampering(
        "auth/approle/role/svc-billing",
        {"token_policies": "x", "token_no_default_policy": True},
        ["/token_policies", "/token_no_default_policy"],
    ),
    "vault.auth_method/jwt": Tampering(
        "sys/auth/jwt/tune", {"default_lease_ttl": "9h", "max_lease_ttl": "100h"}, ["/default_lease_ttl", "/max_lease_ttl"]
    ),
    "vault.auth_config/jwt": Tampering(
        "auth/jwt/config",
        {"bound_issuer": "https://evil.example.com", "default_role": "deploy"},
        ["/bound_issuer", "/default_role"],
        keep=("jwt_validation_pubkeys",),
    ),
    "vault.jwt_role/jwt/deploy": Tampering(
        "auth/jwt/role/deploy",
        {"role_type": "jwt", "user_claim": "email", "clock_skew_leeway": 10},
        ["/user_claim", "/clock_skew_leeway"],
        keep=("bound_claims_type", "bound_claims", "bound_audiences"),
    ),
    "vault.auth_method/userpass": Tampering(
        "sys/auth/userpass/tune", {"description": "x", "token_type": "batch"}, ["/description", "/token_type"]
    ),
    "vault.userpass_user/userpass/bob": Tampering(
        "auth/userpass/users/bob", {"token_ttl": "1h", "token_bound_cidrs": "10.0.0.0/8"}, ["/token_ttl", "/token_bound_cidrs"]
    ),
    "vault.userpass_user/userpass/robot": Tampering(
        "auth/userpass/users/robot", {"token_policies": "x", "token_period": 60}, ["/token_policies", "/token_period"]
    ),
    "vault.auth_method/k8s": Tampering(
        "sys/auth/k8s/tune", {"description": "x", "listing_visibility": "unauth"}, ["/description", "/listing_visibility"]
    ),
    # Written without it, the endpoint forgets the reviewer's token.
    "vault.auth_config/k8s": Tampering(
        "auth/k8s/config",
        {"kubernetes_host": "https://evil.example.com", "issuer": "x"},
        ["/kubernetes_host", "/issuer", "/token_reviewer_jwt"],
        keep=("kubernetes_ca_cert", "disable_local_ca_jwt"),
    ),
    "vault.kubernetes_role/k8s/web": Tampering(
        "auth/k8s/role/web",
        {"bound_service_account_names": "*", "audience": "x"},
        ["/bound_service_account_names", "/audience"],
        keep=("bound_service_account_namespaces",),
    ),
    "vault.token_role/deploy": Tampering(
        "auth/token/roles/deploy", {"token_period": "2h", "path_suffix": "other"}, ["/token_period", "/path_suffix"]
    ),
    "vault.identity_entity/alice": Tampering(
        "identity/entity/name/alice", {"metadata": {"team": "x"}, "disabled": True}, ["/metadata/team", "/disabled"]
    ),
    "vault.identity_entity/ci": Tampering(
        "identity/entity/name/ci", {"policies": ["x"], "metadata": {"a": "b"}}, ["/policies", "/metadata/a"]
    ),
    "vault.identity_group/platform": Tampering(
        "identity/group/name/platform",
        {"member_entity_ids": [], "metadata": {"tier": "one", "z": "y"}},
        ["/member_entities", "/metadata/z"],
    ),
    "vault.identity_group/sso-admins": Tampering(
        "identity/group/name/sso-admins", {"type": "external", "policies": ["x"], "metadata": {"z": "y"}}, ["/policies", "/metadata/z"]
    ),
    "vault.rate_limit_quota/logins": Tampering(
        "sys/quotas/rate-limit/logins",
        {"rate": 9000, "path": "auth/approle", "interval": "1m", "block_interval": "2m"},
        ["/rate", "/block_interval"],
    ),
    "vault.object/identity/oidc/role/web": Tampering(
        "identity/oidc/role/web", {"key": "default", "ttl": "2h", "template": ""}, ["/data/ttl", "/data/template"]
    ),
}


def _alias(raw: Raw) -> None:
    """An alias moves to another group."""
    raw.write(f"identity/group/name/{THIEVES}", body={"type": "external"})
    thieves = raw.read(f"identity/group/name/{THIEVES}")["id"]
    for key in raw.names("identity/group-alias/id"):
        alias = raw.read(f"identity/group-alias/id/{key}")
        moved = {"name": alias["name"], "mount_accessor": alias["mount_accessor"], "canonical_id": thieves}
        raw.write(f"identity/group-alias/id/{key}", body=moved)


def _key(raw: Raw) -> None:
    kms = raw.aws("kms")
    (key,) = (alias["TargetKeyId"] for alias in kms.list_aliases()["Aliases"] if alias["AliasName"] == "alias/genesis")
    kms.update_key_description(KeyId=key, Description="x")
    kms.disable_key_rotation(KeyId=key)
    kms.tag_resource(KeyId=key, Tags=[{"TagKey": "extra", "TagValue": "y"}])


def _secret(raw: Raw) -> None:
    raw.aws("secretsmanager").update_secret(SecretId="genesis/claude", Description="x")
    raw.aws("secretsmanager").put_resource_policy(SecretId="genesis/claude", ResourcePolicy=ANYBODY)


def _tags(raw: Raw) -> None:
    tags = [{"Key": "service", "Value": "x"}, {"Key": "extra", "Value": "y"}]
    raw.aws("secretsmanager").tag_resource(SecretId="services/orders", Tags=tags)


def _policy(raw: Raw) -> None:
    arn = "arn:aws:iam::123456789012:policy/genesis/genesis-read"
    raw.aws("iam").create_policy_version(PolicyArn=arn, PolicyDocument=ANYTHING, SetAsDefault=True)
    raw.aws("iam").tag_policy(PolicyArn=arn, Tags=[{"Key": "extra", "Value": "y"}])


def _role(raw: Raw) -> None:
    iam, name = raw.aws("iam"), "genesis-service"
    iam.update_role(RoleName=name, Description="x", MaxSessionDuration=3600)
    iam.put_role_policy(RoleName=name, PolicyName="extra", PolicyDocument=ANYTHING)
    iam.attach_role_policy(RoleName=name, PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    iam.put_role_permissions_boundary(RoleName=name, PermissionsBoundary="arn:aws:iam::aws:policy/ReadOnlyAccess")


OTHERS: Mapping[str, tuple[Callable[[Raw], None], list[str]]] = {
    "vault.identity_group_alias/jwt/admins%40example.com": (_alias, ["/group"]),
    "aws.kms_key/alias/genesis": (_key, ["/description", "/rotation", "/tags/extra"]),
    "aws.secret/genesis/claude": (_secret, ["/description", "/resource_policy/Statement", "/resource_policy/Version"]),
    "aws.secret/services/orders": (_tags, ["/tags/service", "/tags/extra"]),
    "aws.iam_policy/genesis-read": (_policy, ["/document/Statement", "/tags/extra"]),
    "aws.iam_role/genesis-service": (
        _role,
        [
            "/description",
            "/max_session_duration",
            "/inline_policies/extra/Statement",
            "/inline_policies/extra/Version",
            "/managed_policies",
            "/permissions_boundary",
        ],
    ),
}

TAMPERED: Mapping[str, list[str]] = {
    **{address: one.fields for address, one in VAULT.items()},
    **{address: fields for address, (_, fields) in OTHERS.items()},
}
"""Every object of the desired state, and the fields that were changed."""


def tamper(raw: Raw) -> None:
    """Do it all."""
    for one in VAULT.values():
        kept = {key: raw.read(one.path, one.namespace)[key] for key in one.keep}
        raw.write(one.path, one.namespace, method=one.method, body={**one.body, **kept})
    for change, _ in OTHERS.values():
        change(raw)
