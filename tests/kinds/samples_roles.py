"""Samples of roles, keys, databases and identities."""

from __future__ import annotations

from typing import Any

from tests.kinds.postgres import PASSWORD, URL
from tests.kinds.sample import Sample

Need = tuple[str, str, dict[str, Any]]


def _auth(path: str, type_: str = "") -> Need:
    return ("vault.auth_method", path, {"type": type_ or path})


def _engine(path: str, type_: str = "") -> Need:
    return ("vault.secrets_engine", path, {"type": type_ or path})


CLIENT_PEM = """-----BEGIN CERTIFICATE-----
MIIBkTCCATegAwIBAgIUMSLE8GBLbS+/E4/wxKjED3GjuDIwCgYIKoZIzj0EAwIw
HTEbMBkGA1UEAwwSY2xpZW50LmV4YW1wbGUuY29tMCAXDTI2MTEyNDA4MTczN1oY
DzIxMjYxMDMxMDgxNzM3WjAdMRswGQYDVQQDDBJjbGllbnQuZXhhbXBsZS5jb20w
WTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAAQD8OLXq46+uOXDpNfcgW9B82IIGYeU
10JvInbo8phQdI5ThokKdv2QGgF774nDSOk73nE/Elq50KxuWGcBzGkao1MwUTAd
BgNVHQ4EFgQU97IKedRKThmS+tXelHisKaTcErcwHwYDVR0jBBgwFoAU97IKedRK
ThmS+tXelHisKaTcErcwDwYDVR0TAQH/BAUwAwEB/zAKBggqhkjOPQQDAgNIADBF
AiEAoeQ9P4kUWtvNzbdPhhnFY14XIrYzLBh7E8AgoNY3Au0CICVoHBjzGyvsMzvJ
xrPHw60jYc1BhAexRIsUcFzUyF0Q
-----END CERTIFICATE-----
"""
OTHER_PEM = """-----BEGIN CERTIFICATE-----
MIIBjzCCATWgAwIBAgIUYJI1gRFw4gORLB/g12RaToGhn7swCgYIKoZIzj0EAwIw
HDEaMBgGA1UEAwwRb3RoZXIuZXhhbXBsZS5jb20wIBcNMjYxMTI0MDgxNzM3WhgP
MjEyNjEwMzEwODE3MzdaMBwxGjAYBgNVBAMMEW90aGVyLmV4YW1wbGUuY29tMFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAERte8xo6h1RcI0OJx5TsDWqKt340bkOWY
wemCn+aUqBH2Ywg3ZXUrgxGyEZ8MIUC+U12ZrEjFQf1/ezJzQDaIjKNTMFEwHQYD
VR0OBBYEFPBJRYyV3jMyH7yQqWTD7xDf3qqTMB8GA1UdIwQYMBaAFPBJRYyV3jMy
H7yQqWTD7xDf3qqTMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSAAwRQIg
R0yCs9yvYCmwlCS2yXH8yVF31Zmk0Ohv/DB2dduCKcsCIQCqk9ffArfCBNv+jv5R
FchPF3pjB4dXu0Xrz8tU6O0ebA==
-----END CERTIFICATE-----
"""

PASSWORD_SOURCE = "vault:secret/data/database#password"
CONNECTION: dict[str, Any] = {
    "plugin_name": "postgresql-database-plugin",
    "connection_url": URL,
    "username": "vault",
    "password": {"from": PASSWORD_SOURCE},
    "allowed_roles": ["*"],
}
CACHE: dict[str, Any] = {
    "plugin_name": "valkey-database-plugin",
    "host": "127.0.0.1",
    "username": "vault",
    "password": {"from": PASSWORD_SOURCE},
    "verify_connection": False,
}
DATABASE: tuple[Need, ...] = (_engine("database"), ("vault.database_connection", "database/main", CONNECTION))
VALUES = {PASSWORD_SOURCE: PASSWORD}

_AUTH_SAMPLES = {
    "vault.approle_role": [
        Sample(
            "approle/ci",
            {"token_policies": ["Ci", "default"], "token_ttl": "1h", "token_max_ttl": "1d", "token_bound_cidrs": "127.0.0.1/32,10.0.0.1/8"},
            {"token_policies": ["ci"], "token_ttl": "45m", "secret_id_bound_cidrs": ["10.0.0.0/8"], "secret_id_ttl": "10m"},
            (_auth("approle"),),
        ),
        Sample(
            "teams/a/nested", {"local_secret_ids": True}, {"local_secret_ids": False, "token_type": "batch"}, (_auth("teams/a", "approle"),)
        ),
    ],
    "vault.jwt_role": [
        Sample(
            "jwt/deploy",
            {
                "role_type": "jwt",
                "user_claim": "sub",
                "bound_audiences": ["vault"],
                "bound_claims": {"repository": "acme/app", "ref": ["refs/heads/main", "refs/tags/*"]},
                "bound_claims_type": "glob",
                "claim_mappings": {"sha": "commit"},
                "clock_skew_leeway": -1,
            },
            {"role_type": "jwt", "user_claim": "sub", "bound_subject": "me", "bound_claims": {"environment": "prod"}, "token_num_uses": 5},
            (_auth("jwt"),),
        ),
        Sample(
            "oidc/people",
            {"user_claim": "email", "allowed_redirect_uris": ["http://localhost:8250/oidc/callback"], "groups_claim": "groups"},
            {
                "user_claim": "email",
                "allowed_redirect_uris": ["https://b.example", "https://a.example"],
                "bound_audiences": ["vault"],
                "max_age": "1h",
                "poll_interval": 7,
            },
            (_auth("oidc"),),
        ),
    ],
    "vault.kubernetes_role": [
        Sample(
            "kubernetes/web",
            {"bound_service_account_names": ["web", "api"], "bound_service_account_namespaces": "prod", "audience": "vault"},
            {"bound_service_account_names": "*", "bound_service_account_namespace_selector": '{"matchLabels":{"team":"web"}}'},
            (_auth("kubernetes"),),
        )
    ],
    "vault.cert_role": [
        Sample(
            "cert/edge",
            {"certificate": CLIENT_PEM, "allowed_common_names": ["*.example.com"], "token_policies": ["edge"]},
            {"certificate": f"{OTHER_PEM}\n{CLIENT_PEM}".rstrip(), "display_name": "edges", "required_extensions": ["1.2.3:a"]},
            (_auth("cert"),),
        )
    ],
    "vault.userpass_user": [
        Sample(
            "userpass/alice",
            {"password": {"from": "vault:secret/data/alice#password"}, "token_policies": ["people"], "token_ttl": "8h"},
            {"password": {"from": "vault:secret/data/alice#password"}, "token_policies": ["people", "admins"]},
            (_auth("userpass"),),
        )
    ],
    "vault.token_role": [
        Sample(
            "nightly",
            {
                "allowed_policies": ["B", "a", "a"],
                "disallowed_policies_glob": ["z*"],
                "token_period": "1h",
                "token_bound_cidrs": "1.2.3.4/32",
            },
            {"orphan": True, "renewable": False, "token_type": "batch", "path_suffix": "nightly"},
        )
    ],
}

_ENGINE_SAMPLES = {
    "vault.kv_secret": [
        Sample(
            "kv/apps/web/key",
            {"max_versions": 5, "delete_version_after": "90m", "custom_metadata": {"owner": "web", "tier": 1}},
            {"cas_required": True, "custom_metadata": {"owner": "api"}},
            (_engine("kv", "kv-v2"),),
        ),
        Sample("kv/plain", {}, {"max_versions": 3}, (_engine("kv", "kv-v2"),)),
    ],
    "vault.transit_key": [
        Sample(
            "transit/orders",
            {"auto_rotate_period": "30d", "deletion_allowed": True},
            {"auto_rotate_period": "1d", "exportable": True},
            (_engine("transit"),),
        ),
        Sample("transit/signing", {"type": "ed25519", "exportable": True}, {"type": "ecdsa-p256"}, (_engine("transit"),)),
        Sample(
            "transit/lookup",
            {"derived": True, "convergent_encryption": True, "deletion_allowed": True},
            {"derived": True},
            (_engine("transit"),),
        ),
        Sample("transit/mac", {"type": "hmac", "key_size": 40}, {"type": "hmac", "key_size": 32}, (_engine("transit"),)),
    ],
    "vault.pki_role": [
        Sample(
            "pki/web",
            {
                "allowed_domains": ["example.com", "example.org"],
                "allow_subdomains": True,
                "max_ttl": "72h",
                "key_type": "ec",
                "key_usage": ["digitalsignature"],
                "ext_key_usage": "serverauth",
                "organization": ["Example", "Acme"],
                "allowed_ip_sans_cidr": ["10.0.0.1/8"],
            },
            {"allow_any_name": True, "key_bits": 4096, "not_before_duration": 0, "cn_validations": ["disabled"], "no_store": True},
            (_engine("pki"),),
        )
    ],
    "vault.ssh_role": [
        Sample(
            "ssh/people",
            {
                "key_type": "ca",
                "allow_user_certificates": True,
                "allowed_users": ["ubuntu", "admin"],
                "default_extensions": {"permit-pty": ""},
                "allowed_user_key_lengths": {"rsa": [4096, 2048], "ed25519": 0},
                "ttl": "1h",
            },
            {"key_type": "otp", "default_user": "ubuntu", "cidr_list": "10.0.0.0/8,192.168.0.0/16", "port": 2222},
            (_engine("ssh"),),
        ),
        Sample(
            "ssh/hosts",
            {"key_type": "ca", "allow_host_certificates": True, "allowed_domains": ["example.com"], "allow_subdomains": True},
            {"key_type": "ca", "allow_host_certificates": True, "allow_user_certificates": True},
            (_engine("ssh"),),
        ),
    ],
    "vault.database_connection": [
        Sample(
            "database/orders",
            CONNECTION
            | {
                "verify_connection": False,
                "max_open_connections": 5,
                "max_connection_lifetime": "5m",
                "username_template": "v-{{.RoleName}}",
            },
            CONNECTION | {"allowed_roles": ["reader", "writer"], "disable_escaping": True, "root_rotation_statements": "SELECT 1"},
            (_engine("database"),),
            VALUES,
        ),
        Sample(
            "database/cache",
            CACHE | {"port": 6379},
            CACHE | {"port": 6380, "persistence_mode": "ACLFILE"},
            (_engine("database"),),
            VALUES,
        ),
        Sample(
            "database/shop",
            {
                "plugin_name": "mysql-database-plugin",
                "connection_url": "{{username}}:{{password}}@tcp(127.0.0.1:3306)/",
                "username": "root",
                "verify_connection": False,
            },
            {
                "plugin_name": "mysql-database-plugin",
                "connection_url": "{{username}}:{{password}}@tcp(127.0.0.1:3307)/",
                "verify_connection": False,
            },
            (_engine("database"),),
        ),
    ],
    "vault.database_role": [
        Sample(
            "database/reader",
            {"db_name": "main", "creation_statements": "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}'", "default_ttl": "1h"},
            {"db_name": "main", "creation_statements": ['CREATE ROLE "{{name}}"', 'GRANT app TO "{{name}}"'], "max_ttl": "2h"},
            DATABASE,
            VALUES,
        ),
        Sample(
            "database/keys",
            {"db_name": "main", "credential_type": "rsa_private_key"},
            {"db_name": "main", "credential_config": {"password_policy": "long"}},
            DATABASE,
            VALUES,
        ),
    ],
    "vault.database_static_role": [
        Sample(
            "database/app",
            {"db_name": "main", "username": "app", "rotation_period": "1d"},
            {
                "db_name": "main",
                "username": "app",
                "rotation_period": "7d",
                "rotation_statements": "ALTER ROLE \"{{name}}\" PASSWORD '{{password}}'",
            },
            (*DATABASE, ("vault.password_policy", "long", {"policy": 'length = 30\nrule "charset" {\n  charset = "abcdef"\n}'})),
            VALUES,
        ),
        Sample(
            "database/batch",
            {"db_name": "main", "username": "batch", "rotation_period": "1d"},
            {"db_name": "main", "username": "app", "rotation_period": "1d"},
            DATABASE,
            VALUES,
        ),
    ],
}

_IDENTITY_SAMPLES = {
    "vault.identity_entity": [
        Sample(
            "alice@example.com",
            {"policies": ["B", "a", "a"], "metadata": {"team": "web"}},
            {"policies": ["a"], "disabled": True},
        )
    ],
    "vault.identity_group": [
        Sample(
            "web",
            {"policies": ["web"], "member_entities": ["bob", "carol"], "member_groups": ["inner"], "metadata": {"on": "call"}},
            {"member_entities": ["carol"]},
            (("vault.identity_entity", "bob", {}), ("vault.identity_entity", "carol", {}), ("vault.identity_group", "inner", {})),
        ),
        Sample("staff", {"type": "external", "policies": ["staff"]}, {"type": "internal"}),
    ],
    "vault.identity_entity_alias": [
        Sample(
            "userpass/alice",
            {"entity": "alice", "custom_metadata": {"from": "hr"}},
            {"entity": "bob"},
            (_auth("userpass"), ("vault.identity_entity", "alice", {}), ("vault.identity_entity", "bob", {})),
        )
    ],
    "vault.identity_group_alias": [
        Sample(
            "corp/oidc/cn=admins,dc=example",
            {"group": "admins"},
            {"group": "operators"},
            (
                _auth("corp/oidc", "oidc"),
                ("vault.identity_group", "admins", {"type": "external"}),
                ("vault.identity_group", "operators", {"type": "external"}),
            ),
        )
    ],
    "vault.oidc_key": [
        Sample(
            "apps",
            {"algorithm": "ES256", "rotation_period": "12h", "verification_ttl": "1d", "allowed_client_ids": ["*"]},
            {"algorithm": "EdDSA"},
        )
    ],
    "vault.oidc_scope": [
        Sample(
            "groups",
            {"template": '{"groups": {{identity.entity.groups.names}}}', "description": "group names"},
            {"template": "eyJhIjogMX0="},
        )
    ],
    "vault.oidc_assignment": [
        Sample(
            "office",
            {"entities": ["alice"], "groups": ["web"]},
            {"groups": ["*"]},
            (("vault.identity_entity", "alice", {}), ("vault.identity_group", "web", {})),
        )
    ],
    "vault.oidc_client": [
        Sample(
            "portal",
            {
                "redirect_uris": ["https://b.example/callback", "https://a.example/callback"],
                "assignments": ["office"],
                "id_token_ttl": "30m",
            },
            {"client_type": "public", "key": "apps", "access_token_ttl": "1h"},
            (("vault.oidc_key", "apps", {}), ("vault.oidc_assignment", "office", {})),
        )
    ],
    "vault.oidc_provider": [
        Sample(
            "corporate",
            {"issuer": "https://vault.example.com:8200", "allowed_client_ids": ["*"], "scopes_supported": ["groups"]},
            {"allowed_client_ids": []},
            (("vault.oidc_scope", "groups", {"template": '{"groups": {{identity.entity.groups.names}}}'}),),
        )
    ],
}

SAMPLES: dict[str, list[Sample]] = {**_AUTH_SAMPLES, **_ENGINE_SAMPLES, **_IDENTITY_SAMPLES}
