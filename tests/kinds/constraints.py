"""What servers are choosy about, where any spec of a kind is tried: values that the type of a field alone does not tell.

Each trial stands on a sample, for its name and for what must exist before it.
"""

from __future__ import annotations

from hypothesis import strategies as st

from tests.kinds.constraints_aws import AWS
from tests.kinds.constraints_engines import ENGINES, IDENTITIES
from tests.kinds.samples_roles import CLIENT_PEM, OTHER_PEM
from tests.kinds.samples_system import OTHER_KEY, PUBLIC_KEY
from tests.kinds.shapes import WORDS
from tests.kinds.trial import CIDRS, CLAIM, LOCKOUT, MOUNT, OUT, PAGES, REDIRECTS, RULES, TOKEN, Trial, at, listed, networks, only

_SYSTEM = [
    Trial("vault.namespace", at("vault.namespace"), examples=5),
    Trial(
        "vault.policy",
        at("vault.policy"),
        {"rules": RULES, "hcl": OUT, "expiration": st.sampled_from(["", "2099-01-31T12:00:00Z"])},
    ),
    Trial(
        "vault.password_policy",
        at("vault.password_policy"),
        {"policy": st.integers(8, 40).map(lambda length: f'length = {length}\nrule "charset" {{\n  charset = "abcdef"\n}}\n')},
    ),
    Trial(
        "vault.rate_limit_quota",
        at("vault.rate_limit_quota", "one-mount"),
        {
            "rate": st.integers(10**5, 10**6) | st.floats(10**5, 10**6, allow_nan=False).map(lambda rate: round(rate, 2)),
            "path": st.sampled_from(["quota-kv", "/quota-kv/", "quota-kv/data/x"]),
            "interval": st.integers(1, 100),
            "block_interval": st.integers(0, 100),
            "role": OUT,
            "inheritable": st.booleans(),
        },
    ),
    Trial("vault.secrets_engine", at("vault.secrets_engine", "other"), {**MOUNT, "type": st.sampled_from(["transit", "pki"])}, examples=8),
    Trial(
        "vault.auth_method",
        at("vault.auth_method", "people"),
        {**MOUNT, "type": st.just("userpass"), "user_lockout_config": LOCKOUT},
        examples=8,
    ),
    Trial(
        "vault.auth_config",
        at("vault.auth_config", "jwt"),
        {
            **only("vault.auth_config", "default_role", "bound_issuer", "namespace_in_state"),
            "jwt_validation_pubkeys": listed(PUBLIC_KEY, OTHER_KEY, least=1),
            "jwt_supported_algs": listed("ES256", "RS256", "EdDSA"),
        },
        needed=("jwt_validation_pubkeys",),
    ),
    Trial(
        "vault.auth_config",
        at("vault.auth_config", "clusters/eu"),
        {
            **only("vault.auth_config", "issuer", "disable_iss_validation", "disable_local_ca_jwt"),
            "pem_keys": listed(PUBLIC_KEY, OTHER_KEY),
            "kubernetes_host": st.sampled_from(["https://a.example", "https://b.example:6443"]),
        },
        {"kubernetes_ca_cert": CLIENT_PEM},
        needed=("kubernetes_host",),
    ),
    Trial(
        "vault.engine_config",
        at("vault.engine_config", "kv"),
        {**only("vault.engine_config", "cas_required", "delete_version_after"), "max_versions": st.integers(0, 99)},
    ),
    Trial(
        "vault.engine_config",
        at("vault.engine_config", "pki/urls"),
        {
            **only("vault.engine_config", "enable_templating"),
            **dict.fromkeys(("issuing_certificates", "crl_distribution_points", "delta_crl_distribution_points", "ocsp_servers"), PAGES),
        },
    ),
    Trial(
        "vault.engine_config",
        at("vault.engine_config", "pki/crl"),
        {
            **only("vault.engine_config", "disable", "ocsp_disable", "auto_rebuild", "allow_expired_cert_revocation"),
            "expiry": st.integers(10**5, 10**6),
            "ocsp_expiry": st.integers(1, 10**5),
            "auto_rebuild_grace_period": st.integers(1, 10**4),
        },
    ),
]
_LOGINS = [
    Trial("vault.approle_role", at("vault.approle_role"), {**TOKEN, "secret_id_bound_cidrs": st.lists(networks(), max_size=3)}),
    Trial(
        "vault.jwt_role",
        at("vault.jwt_role"),
        {
            **TOKEN,
            "user_claim": WORDS,
            "bound_claims": st.dictionaries(WORDS, CLAIM | st.lists(CLAIM, min_size=1, max_size=3), max_size=3),
            "bound_claims_type": st.just("string"),
            "claim_mappings": st.dictionaries(WORDS, st.sampled_from(["a", "b", "c"]), max_size=1),
            "allowed_redirect_uris": REDIRECTS,
            "callback_mode": st.sampled_from(["client", "direct", "device"]),
            "oauth2_metadata": listed("access_token", "id_token", "refresh_token"),
            "clock_skew_leeway": st.integers(-1, 600),
            "expiration_leeway": st.sampled_from([-1, 0, "1m"]),
            "token_policies_template_claims": OUT,
        },
    ),
    Trial(
        "vault.kubernetes_role",
        at("vault.kubernetes_role"),
        {
            **TOKEN,
            "bound_service_account_names": listed("web", "api", least=1) | st.just("*"),
            "bound_service_account_namespaces": listed("prod", "dev", least=1) | st.just("*"),
            "bound_service_account_namespace_selector": st.sampled_from(["", '{"matchLabels":{"a":"b"}}']),
        },
        needed=("bound_service_account_namespaces",),
    ),
    Trial(
        "vault.cert_role",
        at("vault.cert_role"),
        {
            **TOKEN,
            "certificate": st.sampled_from([CLIENT_PEM, OTHER_PEM, CLIENT_PEM + OTHER_PEM]),
            "display_name": st.sampled_from(["", "other"]),
            "ocsp_ca_certificates": st.sampled_from(["", OTHER_PEM]),
            "required_extensions": listed("1.2.3:a", "1.2.4:b*"),
        },
    ),
    Trial("vault.userpass_user", at("vault.userpass_user"), TOKEN, {"password": {"from": "vault:secret/data/alice#password"}}, examples=5),
    Trial(
        "vault.token_role",
        at("vault.token_role"),
        {"token_bound_cidrs": CIDRS, "path_suffix": st.sampled_from(["", "nightly", "a-b.c"]), "token_num_uses": st.integers(0, 9)},
    ),
]
TRIALS: list[Trial] = [*_SYSTEM, *_LOGINS, *ENGINES, *IDENTITIES, *AWS]

__all__ = ["TRIALS", "Trial"]
