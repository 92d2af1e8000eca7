"""What servers are choosy about in roles of engines, keys, databases and identities."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.kinds.trial import METADATA, OUT, REDIRECTS, SSH_CA_ONLY, Trial, at, listed, networks, only

ENGINES = [
    Trial(
        "vault.transit_key",
        at("vault.transit_key"),
        {
            "type": st.sampled_from(["aes256-gcm96", "chacha20-poly1305", "ed25519", "ecdsa-p256"]),
            **dict.fromkeys(("key_size", "derived", "convergent_encryption", "min_decryption_version", "min_encryption_version"), OUT),
        },
    ),
    Trial("vault.kv_secret", at("vault.kv_secret"), {"max_versions": st.integers(0, 99)}),
    Trial(
        "vault.pki_role",
        at("vault.pki_role"),
        {
            "issuer_ref": st.sampled_from(["default", "other"]),
            "not_before": st.sampled_from(["", "2020-01-01T00:00:00Z"]),
            "not_after": st.sampled_from(["", "2030-01-01T00:00:00Z"]),
            "not_before_bound": st.sampled_from(["permit", "forbid"]),
            "not_after_bound": st.sampled_from(["permit", "forbid"]),
            "key_bits": st.just(0),
            "signature_bits": st.sampled_from([0, 256]),
            "cn_validations": st.sampled_from([[], ["email"], ["disabled"], ["hostname", "email"]]),
            "allowed_ip_sans_cidr": st.lists(networks(), max_size=3),
            "allowed_other_sans": listed("1.2.3.4;utf8:*", "1.2.3;utf8:a"),
            "allowed_user_ids": listed("a", "b*"),
            "key_usage": listed("digitalSIGNATURE", "KeyAgreement", "CertSign"),
            "ext_key_usage": listed("serverauth", "TimeStamping"),
            "ext_key_usage_oids": listed("1.2.3", "2.5.29"),
            "policy_identifiers": listed("1.2.3", "2.5.29"),
        },
    ),
    Trial(
        "vault.ssh_role",
        at("vault.ssh_role"),
        {
            **dict.fromkeys((*SSH_CA_ONLY, "default_user_template"), OUT),
            "ttl": st.integers(0, 2000),
            "max_ttl": st.integers(2000, 4000),
            "algorithm_signer": st.sampled_from(["default", "rsa-sha2-256"]),
            "allowed_user_key_lengths": st.dictionaries(st.sampled_from(["rsa", "ec"]), st.sampled_from([2048, [256, 4096]])),
        },
        {"key_type": "ca", "allow_user_certificates": True},
    ),
    Trial(
        "vault.ssh_role",
        at("vault.ssh_role"),
        {
            **only("vault.ssh_role", "allowed_users"),
            "port": st.integers(1, 65535),
            "cidr_list": st.lists(networks(), max_size=3),
        },
        {"key_type": "otp", "default_user": "ubuntu"},
    ),
    Trial(
        "vault.database_connection",
        at("vault.database_connection"),
        {
            "connection_url": st.sampled_from(
                ["postgresql://{{username}}:{{password}}@a/db", "postgresql://{{username}}:{{password}}@b/db"]
            ),
            "username_template": st.sampled_from(["", "v-{{.RoleName}}"]),
            "password_authentication": st.sampled_from(["", "password", "scram-sha-256"]),
            "max_open_connections": st.integers(0, 9),
            "max_idle_connections": st.integers(0, 9),
            **dict.fromkeys(("plugin_version", "auth_type", "tls_ca", "tls_certificate"), OUT),
        },
        {"plugin_name": "postgresql-database-plugin", "verify_connection": False},
        needed=("connection_url",),
    ),
    Trial(
        "vault.database_role",
        at("vault.database_role"),
        {"credential_type": st.just("password"), "credential_config": st.sampled_from([{}, {"password_policy": "long"}])},
        {"db_name": "main"},
    ),
    Trial(
        "vault.database_static_role",
        at("vault.database_static_role"),
        {
            "username": st.sampled_from(["app", "batch"]),
            "rotation_period": st.integers(5, 10**6),
            "rotation_statements": st.sampled_from([[], ["ALTER ROLE \"{{name}}\" PASSWORD '{{password}}'"]]),
            "credential_type": OUT,
            "credential_config": st.sampled_from([{}, {"password_policy": "long"}]),
        },
        {"db_name": "main"},
        examples=4,
    ),
    Trial(
        "vault.object",
        at("vault.object"),
        {"data": st.fixed_dictionaries({"tags": st.sampled_from(["a", "a,b", "c"])})},
        examples=5,
    ),
]
IDENTITIES = [
    Trial("vault.identity_entity", at("vault.identity_entity"), {"metadata": METADATA}),
    Trial(
        "vault.identity_group",
        at("vault.identity_group"),
        {"metadata": METADATA, "member_entities": listed("bob", "carol"), "member_groups": listed("inner")},
    ),
    Trial(
        "vault.identity_entity_alias",
        at("vault.identity_entity_alias"),
        {"entity": st.sampled_from(["alice", "bob"]), "custom_metadata": METADATA},
    ),
    Trial("vault.identity_group_alias", at("vault.identity_group_alias"), {"group": st.sampled_from(["admins", "operators"])}, examples=4),
    Trial(
        "vault.oidc_key",
        at("vault.oidc_key"),
        {"algorithm": st.sampled_from(["ES256", "EdDSA"]), "rotation_period": st.integers(10**6, 10**7)},
    ),
    Trial(
        "vault.oidc_scope",
        at("vault.oidc_scope"),
        {"template": st.sampled_from(["", "{}", '{"a": {{identity.entity.name}}}', "eyJhIjogMX0="])},
    ),
    Trial("vault.oidc_assignment", at("vault.oidc_assignment"), {"entities": listed("alice"), "groups": listed("web") | st.just(["*"])}),
    Trial(
        "vault.oidc_client",
        at("vault.oidc_client"),
        {
            "key": st.sampled_from(["default", "apps"]),
            "assignments": listed("office", "allow_all"),
            "redirect_uris": REDIRECTS,
            "access_token_ttl": st.integers(1, 3600),
            "id_token_ttl": st.integers(1, 3600),
        },
    ),
    Trial(
        "vault.oidc_provider",
        at("vault.oidc_provider"),
        {"issuer": st.sampled_from(["https://a.example", "http://b.example:8200"]), "scopes_supported": listed("groups")},
    ),
]
