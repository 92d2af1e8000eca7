"""Values for fields of which the type alone does not tell what a server takes, and fields that are left out, each with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.kinds.samples_roles import CLIENT_PEM, OTHER_PEM
from tests.kinds.samples_system import OTHER_KEY, PUBLIC_KEY

RULES = [{"path": "other", "capabilities": ["list"]}]
PASSWORDS = 'length = 30\nrule "charset" {\n  charset = "xyz"\n}'
KEYS = [[OTHER_KEY], [PUBLIC_KEY]]
PEMS = [CLIENT_PEM, OTHER_PEM]
CIDRS = [["10.1.0.0/16"], ["10.2.0.0/16"]]
TOKEN: Mapping[str, list[Any]] = {
    "token_bound_cidrs": CIDRS,
    "token_type": ["batch", "service"],
    "token_ttl": [600, 900],
    "token_max_ttl": [172800, 259200],
}
PAGES = [["http://other.example/ca"]]
URLS = [["https://other.example/callback"]]

VAULT_OTHER: Mapping[str, Mapping[str, list[Any]]] = {
    "vault.policy": {"rules": [RULES], "expiration": ["2098-01-31T12:00:00Z"]},
    "vault.password_policy": {"policy": [PASSWORDS]},
    "vault.rate_limit_quota": {
        "rate": [300000],
        "interval": [120],
        "role": ["other"],
        "path": ["quota-kv/data/other", "auth/quota-approle"],
    },
    "vault.secrets_engine": {"type": ["transit"], "options": [{"version": "2"}, {"other": "1"}], "max_lease_ttl": [86400]},
    "vault.auth_method": {
        "type": ["cert"],
        "options": [{"other": "1"}],
        "max_lease_ttl": [172800],
        "user_lockout_config": [{"lockout_threshold": 7}],
    },
    "vault.approle_role": {**TOKEN, "secret_id_bound_cidrs": CIDRS},
    "vault.jwt_role": {**TOKEN, "allowed_redirect_uris": URLS, "callback_mode": ["direct"], "oauth2_metadata": [["access_token"]]},
    "vault.kubernetes_role": {
        **TOKEN,
        "bound_service_account_names": [["other"]],
        "bound_service_account_namespaces": [["other"]],
        "bound_service_account_namespace_selector": ['{"matchLabels":{"team":"api"}}'],
    },
    "vault.cert_role": {**TOKEN, "certificate": PEMS, "ocsp_ca_certificates": PEMS, "required_extensions": [["1.2.4:b"]]},
    "vault.userpass_user": TOKEN,
    "vault.token_role": {"token_bound_cidrs": CIDRS, "token_type": ["default-batch", "service"]},
    "vault.transit_key": {
        "type": ["chacha20-poly1305"],
        "key_size": [64, 48],
        "auto_rotate_period": [7200],
        "min_decryption_version": [1],
        "min_encryption_version": [1],
    },
    "vault.pki_role": {
        "key_type": ["any"],
        "key_bits": [4096, 3072],
        "signature_bits": [384],
        "allowed_ip_sans_cidr": CIDRS,
        "key_usage": [["CertSign"]],
        "ext_key_usage": [["ClientAuth"]],
        "ext_key_usage_oids": [["1.2.3"]],
        "policy_identifiers": [["1.2.3"]],
        "allowed_other_sans": [["1.2.3;utf8:a"]],
        "cn_validations": [["email"]],
        "not_before": ["2020-01-01T00:00:00Z"],
        "not_after": ["2099-01-01T00:00:00Z"],
        "not_before_bound": ["forbid"],
        "not_after_bound": ["forbid"],
    },
    "vault.ssh_role": {
        "cidr_list": CIDRS,
        "exclude_cidr_list": CIDRS,
        "algorithm_signer": ["rsa-sha2-256"],
        "allowed_user_key_lengths": [{"rsa": 4096}],
    },
    "vault.database_connection": {"plugin_name": ["mysql-database-plugin"], "password_authentication": ["scram-sha-256", "password"]},
    "vault.database_role": {"credential_config": [{"password_policy": "long"}]},
    "vault.engine_config": {
        "expiry": [200000, 300000],
        "issuing_certificates": PAGES,
        "crl_distribution_points": PAGES,
        "delta_crl_distribution_points": PAGES,
        "ocsp_servers": PAGES,
        "allowed_roles": [["web"]],
        "default_directory_policy": ["forbid"],
        "dns_resolver": ["127.0.0.1:53"],
        "eab_policy": ["new-account-required", "always-required"],
        "path": ["https://more.example/v1/pki"],
        "aia_path": ["https://more.example/pki"],
    },
    "vault.database_static_role": {"username": ["batch"], "credential_config": [{"password_policy": "long"}]},
    "vault.identity_group": {"member_entities": [["bob"]], "member_groups": [["inner"], []]},
    "vault.identity_entity_alias": {"entity": ["bob"]},
    "vault.identity_group_alias": {"group": ["operators"]},
    "vault.oidc_key": {"algorithm": ["EdDSA"], "rotation_period": [36000], "verification_ttl": [7200]},
    "vault.oidc_scope": {"template": ['{"other": {{identity.entity.name}}}']},
    "vault.oidc_assignment": {"entities": [["alice"], ["*"]], "groups": [["web"], ["*"]]},
    "vault.oidc_client": {"key": ["default"], "assignments": [["allow_all"]], "redirect_uris": URLS},
    "vault.oidc_provider": {"issuer": ["https://other.example:8200", "https://more.example"], "scopes_supported": [["groups"], []]},
    "vault.auth_config": {
        "jwt_validation_pubkeys": KEYS,
        "jwt_supported_algs": [["RS256"]],
        "pem_keys": KEYS,
        "kubernetes_host": ["https://127.0.0.1:6445"],
        "kubernetes_ca_cert": PEMS,
        "oidc_response_mode": ["form_post"],
        "oidc_response_types": [["code"]],
        "oidc_discovery_url": ["https://127.0.0.1:10"],
        "jwks_url": ["https://127.0.0.1:10/keys"],
        "provider_config": [{"provider": "azure"}],
    },
    "vault.object": {"data": [{"tags": "other"}, {"allowed_kubernetes_namespaces": ["z"], "service_account_name": "web"}]},
}
"""Values that differ from each other and from the default; the first two that fit a sample are taken."""

_REGISTERED = "only versions of plugins that were registered with the server"
_BOTH: Mapping[tuple[str, str], str] = {
    ("vault.secrets_engine", "plugin_version"): _REGISTERED,
    ("vault.auth_method", "plugin_version"): _REGISTERED,
    ("vault.database_connection", "plugin_version"): _REGISTERED,
    ("vault.engine_config", "allowed_issuers"): "only issuers that exist, and no kind makes one",
    ("vault.database_static_role", "credential_type"): "of the plugin at hand static users have passwords",
}
NO_HAND: Mapping[tuple[str, str], str] = {
    **_BOTH,
    ("vault.policy", "hcl"): "in YAML it becomes rules; of a server it holds only what nobody can read",
    ("vault.engine_config", "disable_upsert"): "the only setting of its part: at its default there is nothing to declare",
    ("vault.ssh_role", "key_type"): "a role of another type has other fields",
}
"""Fields that cannot be changed alone on a server."""
NO_DEFAULT: Mapping[tuple[str, str], str] = {
    **_BOTH,
    ("vault.auth_config", "oidc_client_id"): "it goes with its secret",
    ("vault.auth_config", "oidc_client_secret"): "it goes with its client",
    ("vault.auth_config", "oidc_discovery_url"): "the server refuses a method that trusts nobody",
    ("vault.auth_config", "jwks_url"): "the server refuses a method that trusts nobody",
    ("vault.auth_config", "jwt_validation_pubkeys"): "the server refuses a method that trusts nobody",
    ("vault.engine_config", "path"): "the server takes no empty one, and the kind says so",
    ("vault.engine_config", "aia_path"): "the server takes no empty one, and the kind says so",
    ("vault.policy", "hcl"): "in YAML it becomes rules",
    ("vault.policy", "rules"): "the server refuses a policy without rules",
    ("vault.auth_config", "skip_jwks_validation"): "the server then asks the issuer, and in tests there is none",
    ("vault.auth_config", "kubernetes_ca_cert"): "without it the server takes the one of its own pod, and runs in none",
    ("vault.auth_config", "kubernetes_host"): "the server refuses any setting of Kubernetes without it",
    ("vault.engine_config", "disable_upsert"): "the only setting of its part: at its default there is nothing to declare",
    ("vault.database_connection", "connection_url"): "the plugin asks for it",
    ("vault.database_connection", "username"): "the plugin asks for it",
    ("vault.database_connection", "host"): "the plugin asks for it",
    ("vault.database_connection", "port"): "the plugin asks for it",
    ("vault.transit_key", "key_size"): "an HMAC key has a size, and no other key has",
    ("vault.engine_config", "public_key"): "it goes with its private key",
    ("vault.engine_config", "private_key"): "it goes with its public key",
    ("vault.engine_config", "generate_signing_key"): "false says nothing more beside a private key, and is refused without one",
}
"""Fields that cannot be left out alone."""

_IDENTITY = "made and kept by the server"
NOT_OURS: Mapping[str, str] = {
    **dict.fromkeys(("id", "name", "creation_time", "last_update_time", "modified", "version", "modify_index", "namespace_id"), _IDENTITY),
    **dict.fromkeys(("last_vault_rotation", "status", "client_id", "uuid", "path", "locked", "tainted", "key_shares"), _IDENTITY),
    **dict.fromkeys(("keys", "latest_version", "min_available_version", "imported_key", "soft_deleted", "kdf"), "the state of a key"),
    **dict.fromkeys(("supports_decryption", "supports_derivation", "supports_encryption", "supports_signing"), "told by the type"),
    "convergent_encryption_version": "the state of a key",
    "client_secret": "a secret, which is never read",
    "token_reviewer_jwt_set": "told by `held`",
    **dict.fromkeys(
        ("aliases", "alias", "merged_entity_ids", "direct_group_ids", "group_ids", "inherited_group_ids", "parent_group_ids"),
        "objects of their own",
    ),
    **dict.fromkeys(("period", "explicit_max_ttl", "bound_cidrs"), "an old name of a token_* field, which is shown beside it"),
    "type": "of a quota: there is one",
    "policy": "read into rules",
    "allow_token_displayname": "a relic: no request sets it",
}
"""What servers show that no document declares."""
