"""Samples of policies, namespaces, mounts and their settings."""

from __future__ import annotations

from typing import Any

from tests.kinds.sample import Sample

PUBLIC_KEY = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEA/Di16uOvrjlw6TZ3IFvQfNiCBmH
lNdCbyJ26PKYUHSOU4aJCnb9kBoBe++Jw0jpO95xPxJaudCsblhnAcxpGg==
-----END PUBLIC KEY-----
"""
OTHER_KEY = """-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAERte8xo6h1RcI0OJx5TsDWqKt340b
kOWYwemCn+aUqBH2Ywg3ZXUrgxGyEZ8MIUC+U12ZrEjFQf1/ezJzQDaIjA==
-----END PUBLIC KEY-----
"""

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
            {"jwt_validation_pubkeys": PUBLIC_KEY, "bound_issuer": "https://issuer.example", "default_role": "ci"},
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
            {"enabled": True, "tidy_cert_store": True, "interval_duration": "1d"},
            {"tidy_revoked_certs": True, "pause_duration": "1s", "page_size": 10},
            (_engine("ca/pki", "pki"),),
        ),
        Sample("pki/acme", {"eab_policy": "always-required"}, {"allowed_roles": ["a", "b"]}, (_engine("pki", "pki"),)),
        Sample("ssh/ca", {"key_type": "ed25519"}, {"key_type": "ec", "key_bits": 256}, (_engine("ssh", "ssh"),)),
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
