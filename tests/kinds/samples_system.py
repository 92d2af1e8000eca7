"""Samples of policies, namespaces, mounts and their settings."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.kinds.sample import Sample

PUBLIC_KEY = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAElimFdRmfz44v3XQtPSWs7z91kh9/
bGmSB3LFVefESvSwoF/V1oN8CJ1nSi+9Y/n2PpzWsUzvjh3zid2qy3AwJg==
-----END PUBLIC KEY-----
"""
OTHER_KEY = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEjyU72a6VubcrQ9uO/tKxX+WLBCcA
nXQUPV+He3oebrF6KTW1199NEfa2Wwl86ch1dFeDXzFgH97ecZMBcWj8Sw==
-----END PUBLIC KEY-----
"""

_CA_KEY = Ed25519PrivateKey.generate()
CA_SOURCE = "vault:secret/data/ssh#key"
CA_PRIVATE = _CA_KEY.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
CA_PUBLIC = _CA_KEY.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()

POLICY_TEXT = """
# Written by hand, oddly.
path "genesis/data/*" { policy = "read" }
path "/genesis/data/*" { capabilities = ["update", "list",] }
path "auth/token/create" {
  capabilities       = ["update"]
  allowed_parameters = { "TTL" = ["1h", "2h"], "*" = [] }
  required_parameters = ["ttl"]
  max_wrapping_ttl   = "1h"
}
path "sys/*" { capabilities = ["deny"] }
"""


def _engine(path: str, type_: str) -> tuple[str, str, dict[str, Any]]:
    return ("vault.secrets_engine", path, {"type": type_})


def _method(path: str, type_: str) -> tuple[str, str, dict[str, Any]]:
    return ("vault.auth_method", path, {"type": type_})


SAMPLES: dict[str, list[Sample]] = {
    "vault.namespace": [
        Sample("team-a", {"custom_metadata": {"owner": "platform", "cost": 7}}, {"custom_metadata": {"owner": "security"}}),
        Sample("team-b/child", {}, {"custom_metadata": {"a": "b"}}, (("vault.namespace", "team-b", {}),)),
    ],
    "vault.policy": [
        Sample(
            "genesis-service",
            {"rules": [{"path": "genesis/data/api_keys/*", "capabilities": ["read"]}]},
            {
                "rules": [
                    {"path": "genesis/metadata/api_keys/*", "capabilities": ["list", "read"]},
                    {"path": "genesis/data/api_keys/*", "capabilities": "read"},
                ]
            },
        ),
        Sample("odd/by-hand", {"hcl": POLICY_TEXT}, {"hcl": POLICY_TEXT + 'path "more" { capabilities = ["scan"] }'}),
        Sample(
            "settings",
            {
                "rules": [{"path": 'quo"te/${x}\\', "capabilities": ["list"], "pagination_limit": 100, "min_wrapping_ttl": "1m"}],
                "cas_required": True,
                "allow_wildcards_in_identity_templates": True,
                "expiration": "2099-01-31T12:00:00+02:00",
            },
            {"rules": [{"path": "x", "capabilities": ["deny", "read"]}], "allow_slashes_in_identity_templates": True},
        ),
    ],
    "vault.password_policy": [
        Sample(
            "strong",
            {"policy": 'length = 20\nrule "charset" {\n  charset = "abcdefghij"\n}'},
            {"policy": '\nlength = 24\nrule "charset" {\n  charset   = "abcdefghij0123456789"\n  min-chars = 1\n}\n'},
        )
    ],
    "vault.rate_limit_quota": [
        # High rates, since they hold for every test that runs at the same time.
        Sample("everything", {"rate": "100000"}, {"rate": 200000.5, "interval": "1m"}, client="vault_root"),
        Sample(
            "one-mount",
            {"rate": 100000, "path": "quota-kv", "block_interval": "30s", "inheritable": False},
            {"rate": 100000, "path": "/quota-kv/data/x", "inheritable": True},
            (_engine("quota-kv", "kv-v2"),),
            client="vault_root",
        ),
        Sample(
            "one-role",
            {"rate": 100000, "path": "auth/quota-approle/", "role": "ci"},
            {"rate": 100000, "path": "auth/quota-approle"},
            (_method("quota-approle", "approle"),),
            client="vault_root",
        ),
    ],
    "vault.secrets_engine": [
        Sample("plain", {"type": "kv"}, {"type": "kv", "description": "plain", "default_lease_ttl": "1h"}),
        Sample(
            "teams/a/kv",
            {"type": "kv-v2", "description": "secrets", "max_lease_ttl": "2h", "listing_visibility": "unauth"},
            {"type": "kv", "options": {"version": 2}, "audit_non_hmac_request_keys": ["b", "a"], "passthrough_request_headers": "X-A,X-B"},
        ),
        Sample("upgraded", {"type": "kv", "options": {"version": "1"}}, {"type": "kv-v2"}),
        Sample("other", {"type": "transit", "seal_wrap": True}, {"type": "pki", "allowed_response_headers": ["Last-Modified"]}),
    ],
    "vault.auth_method": [
        Sample(
            "approle",
            {"type": "approle", "token_type": "batch", "default_lease_ttl": "45m", "audit_non_hmac_response_keys": ["accessor"]},
            {"type": "approle", "description": "machines", "max_lease_ttl": "1d"},
        ),
        Sample(
            "people",
            {"type": "userpass", "user_lockout_config": {"lockout_threshold": 3, "lockout_duration": "5m"}},
            {"type": "userpass", "user_lockout_config": {"lockout_disable": True}, "listing_visibility": "unauth"},
        ),
    ],
    "vault.auth_config": [
        Sample(
            "jwt",
            {"jwt_validation_pubkeys": PUBLIC_KEY, "bound_issuer": "https://issuer.example", "default_role": "CI"},
            {"jwt_validation_pubkeys": [OTHER_KEY, PUBLIC_KEY], "jwt_supported_algs": ["ES256"], "namespace_in_state": False},
            (_method("jwt", "jwt"),),
        ),
        Sample(
            "clusters/eu",
            {
                "kubernetes_host": "https://127.0.0.1:6443",
                "kubernetes_ca_cert": "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n",
                "token_reviewer_jwt": {"from": "vault:secret/data/k8s#reviewer"},
                "disable_local_ca_jwt": True,
            },
            {"kubernetes_host": "https://127.0.0.1:6444", "kubernetes_ca_cert": "x", "pem_keys": [PUBLIC_KEY], "issuer": "kubernetes"},
            (_method("clusters/eu", "kubernetes"),),
        ),
        Sample(
            "oidc",
            {
                "oidc_discovery_url": "https://127.0.0.1:9",
                "oidc_client_id": "vault",
                "oidc_client_secret": {"from": "vault:secret/data/oidc#secret"},
                "skip_jwks_validation": True,
            },
            {"jwks_url": "https://127.0.0.1:9/keys", "skip_jwks_validation": True},
            (_method("oidc", "oidc"),),
        ),
        Sample("cert", {"disable_binding": True}, {"enable_identity_alias_metadata": True}, (_method("cert", "cert"),)),
    ],
    "vault.engine_config": [
        Sample("kv", {"max_versions": 5, "delete_version_after": "90m"}, {"cas_required": True}, (_engine("kv", "kv-v2"),)),
        Sample(
            "pki/urls",
            {"issuing_certificates": ["http://b.example", "http://a.example"], "enable_templating": True},
            {"crl_distribution_points": "http://a.example,http://b.example", "ocsp_servers": ["http://c.example"]},
            (_engine("pki", "pki"),),
        ),
        Sample(
            "pki/crl",
            {"expiry": "48h", "auto_rebuild": True},
            {"expiry": "72h", "ocsp_expiry": "1h", "ocsp_disable": True},
            (_engine("pki", "pki"),),
        ),
        Sample(
            "ca/pki/auto-tidy",
            {
                "enabled": True,
                "tidy_cert_store": True,
                "tidy_invalid_certs": True,
                "maintain_stored_certificate_counts": True,
                "interval_duration": "1d",
            },
            {"tidy_revoked_certs": True, "pause_duration": "1s", "page_size": 10},
            (_engine("ca/pki", "pki"),),
        ),
        Sample(
            "pki/acme",
            {"eab_policy": "always-required"},
            {"allow_role_ext_key_usage": True, "allowed_roles": "*"},
            (_engine("pki", "pki"), ("vault.pki_role", "pki/web", {})),
        ),
        Sample(
            "pki/cluster",
            {"path": "https://vault.example/v1/pki", "aia_path": "https://cdn.example/pki"},
            {"path": "https://other.example/v1/pki", "aia_path": "https://cdn.example/ca"},
            (_engine("pki", "pki"),),
        ),
        Sample(
            "own/ssh/ca",
            {"private_key": {"from": CA_SOURCE}, "public_key": CA_PUBLIC},
            {"key_type": "ed25519"},
            (_engine("own/ssh", "ssh"),),
            {CA_SOURCE: CA_PRIVATE},
        ),
        Sample(
            "ssh/ca", {"generate_signing_key": True, "key_type": "ed25519"}, {"key_type": "ec", "key_bits": 256}, (_engine("ssh", "ssh"),)
        ),
    ],
    "vault.object": [
        Sample(
            "rabbit/roles/web",
            {"data": {"tags": "a", "vhosts": '{"/": {"configure": ".*", "read": ".*", "write": ".*"}}'}},
            {"data": {"tags": "b"}},
            (_engine("rabbit", "rabbitmq"),),
        ),
        Sample(
            "cluster/roles/web",
            {"data": {"allowed_kubernetes_namespaces": "b,a", "service_account_name": "web", "token_max_ttl": "1h"}},
            {"data": {"allowed_kubernetes_namespaces": ["a", "c"], "service_account_name": "web", "token_default_ttl": "1800"}},
            (_engine("cluster", "kubernetes"),),
        ),
    ],
}
