"""What servers are choosy about, where any spec of a kind is tried: values that the type of a field alone does not tell.

Each trial stands on a sample, for its name and for what must exist before it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any, NamedTuple

from hypothesis import strategies as st

from reconciler.kinds import KINDS
from tests.kinds import samples_aws as aws
from tests.kinds.sample import Sample
from tests.kinds.samples import SAMPLES
from tests.kinds.samples_roles import CLIENT_PEM, OTHER_PEM
from tests.kinds.samples_system import OTHER_KEY, PUBLIC_KEY
from tests.kinds.shapes import WORDS, any_of

OUT: Any = None
"""Leaves a field out."""


class Trial(NamedTuple):
    """Any spec of a kind, on the place of a sample. `special` fields have values of their own, `always` ones just these."""

    kind: str
    sample: Sample
    special: Mapping[str, st.SearchStrategy[Any]] = {}
    always: Mapping[str, Any] = {}
    examples: int = 15
    needed: tuple[str, ...] = ()
    """Fields that are never left out, since others or the server count on them."""

    def specs(self) -> st.SearchStrategy[dict[str, Any]]:
        """Specs as YAML has them, of which our own checks find nothing wrong."""
        kind = KINDS[self.kind]
        required: dict[str, st.SearchStrategy[Any]] = {}
        optional: dict[str, st.SearchStrategy[Any]] = {}
        for name, field in kind.spec.model_fields.items():
            values = self.special[name] if name in self.special else any_of(field) if name not in self.always else OUT
            if values is not OUT:
                (required if field.is_required() or name in self.needed else optional)[name] = values
        drawn = st.fixed_dictionaries(required, optional=optional).map(lambda drawn: {**drawn, **self.always})
        return drawn.filter(lambda given: not list(kind.check(self.sample.name, kind.spec.model_validate(given))))


@st.composite
def networks(draw: st.DrawFn) -> str:
    address = draw(st.ip_addresses())
    mapped = isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped
    return f"{address}/{draw(st.integers(96 if mapped else 0, address.max_prefixlen))}"


def listed(*values: Any, least: int = 0, most: int = 3) -> st.SearchStrategy[list[Any]]:
    return st.lists(st.sampled_from(values), min_size=least, max_size=most, unique_by=repr)


def only(kind: str, *names: str) -> dict[str, Any]:
    """All other fields of a kind are left out."""
    return dict.fromkeys(KINDS[kind].spec.model_fields.keys() - set(names), OUT)


def at(kind: str, name: str = "") -> Sample:
    """The sample of that name; the first one without a name."""
    return next(sample for sample in SAMPLES[kind] if name in ("", sample.name))


HOSTS = st.ip_addresses().map(str)
CIDRS = st.lists(HOSTS | networks(), max_size=3)
TOKEN = {
    "token_type": st.sampled_from(["default", "service", "batch"]),
    "token_bound_cidrs": CIDRS,
    "token_num_uses": st.integers(0, 9),
    **{name: st.integers(0, 2000) for name in ("token_ttl", "token_max_ttl", "token_period", "token_explicit_max_ttl")},
}
METADATA = st.dictionaries(st.from_regex("[A-Za-z0-9_-]{1,9}", fullmatch=True), WORDS, max_size=3)
REDIRECTS = listed("https://a.example/x", "https://b.example", "http://localhost:8250/oidc/callback")
PAGES = listed("http://a.example/x", "http://b.example")
CLAIM = st.booleans() | st.integers(-9, 9) | WORDS
CAPABILITIES = listed("create", "read", "update", "patch", "delete", "list", "sudo", "deny", "scan", most=4, least=1)
RULES = st.lists(
    st.fixed_dictionaries(
        {"path": st.from_regex(r"[a-z]{1,6}(/([a-z]{1,4}|\+)){0,3}(/\*)?", fullmatch=True), "capabilities": CAPABILITIES},
        optional={
            "required_parameters": listed("a", "b"),
            "min_wrapping_ttl": st.integers(0, 60),
            "max_wrapping_ttl": st.integers(60, 600),
        },
    ),
    min_size=1,
    max_size=4,
)
TTLS = {"default_lease_ttl": st.integers(0, 2000), "max_lease_ttl": st.just(0) | st.integers(2000, 9999)}
MOUNT = {**TTLS, "options": OUT, "plugin_version": OUT, "external_entropy_access": OUT, "description": st.just("") | WORDS}
LOCKOUT = st.fixed_dictionaries({}, optional={"lockout_threshold": st.integers(1, 9), "lockout_duration": st.integers(1, 900)})
SSH_CA_ONLY = ("port", "cidr_list", "exclude_cidr_list")

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
_ENGINES = [
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
_IDENTITIES = [
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

TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='\\"<>'), min_size=1, max_size=20)
TAGS = st.dictionaries(st.text("abcXYZ019", min_size=1, max_size=8), st.text("abc XYZ/_.:=+-@", max_size=8).map(str.strip), max_size=4)
DOCUMENTS = st.sampled_from([aws.READ, aws.READ_AND_DECRYPT])
MANAGED = ("arn:aws:iam::aws:policy/ReadOnlyAccess", aws.POLICY_ARN)
_AWS = [
    Trial(
        "aws.secret",
        at("aws.secret"),
        {
            "description": TEXT,
            "tags": TAGS,
            "kms_key_id": st.sampled_from(["", "alias/genesis", "alias/other"]),
            "rotation": OUT,
            "resource_policy": st.sampled_from([{}, aws.SECRET_POLICY]),
            "replicas": listed("us-west-2", "eu-west-1"),  # the endpoint in tests gives all the default key
        },
        {"recovery_window_days": 0},
        examples=6,
        needed=("description",),
    ),
    Trial(
        "aws.iam_policy",
        at("aws.iam_policy"),
        {"path": st.sampled_from(["/", "/genesis/"]), "description": TEXT, "document": DOCUMENTS, "tags": TAGS},
        examples=6,
    ),
    Trial(
        "aws.iam_role",
        at("aws.iam_role", "genesis-service"),
        {
            "path": st.sampled_from(["/", "/genesis/"]),
            "description": TEXT,
            "trust_policy": st.sampled_from([aws.TRUST_EC2, aws.TRUST_ACCOUNT]),
            "managed_policies": listed(*MANAGED),
            "inline_policies": st.dictionaries(st.sampled_from(["own", "more"]), DOCUMENTS),
            "max_session_duration": st.sampled_from([3600, "2h", 43200]),
            "permissions_boundary": st.sampled_from(["", *MANAGED]),
            "tags": TAGS,
        },
        examples=6,
    ),
    Trial(
        "aws.kms_key",
        at("aws.kms_key"),
        {
            "description": st.just("") | TEXT,
            "policy": st.sampled_from([{}, aws.KEY_POLICY]),
            "rotation_period_days": OUT,
            "deletion_window_days": st.integers(7, 30),
            "tags": TAGS,
        },
        examples=6,
    ),
    Trial(
        "aws.ssm_parameter",
        at("aws.ssm_parameter"),
        {"description": TEXT, "type": st.sampled_from(["String", "SecureString"]), "key_id": OUT, "tags": TAGS},
        {"value": {"from": "vault:genesis/data/db#password"}},
        examples=6,
    ),
]

TRIALS: list[Trial] = [*_SYSTEM, *_LOGINS, *_ENGINES, *_IDENTITIES, *_AWS]
