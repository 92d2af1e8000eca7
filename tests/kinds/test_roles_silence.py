"""What is written is read back equal, for specs that nobody thought of: the promise that a plan after an apply is empty."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, get_args, get_origin

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from reconciler.backends.vault.client import VaultClient
from reconciler.core.address import Address
from reconciler.core.change import Action, Change
from reconciler.core.kind import AnyKind, Names
from reconciler.core.secret import Secret
from reconciler.kinds.approle_role import APPROLE_ROLE
from reconciler.kinds.database import DATABASE_CONNECTION, DATABASE_ROLE
from reconciler.kinds.identity import IDENTITY_ENTITY, IDENTITY_GROUP
from reconciler.kinds.jwt_role import JWT_ROLE
from reconciler.kinds.kubernetes_role import KUBERNETES_ROLE
from reconciler.kinds.kv_secret import KV_SECRET
from reconciler.kinds.oidc import OIDC_KEY, OIDC_PROVIDER, OIDC_SCOPE
from reconciler.kinds.pki_role import PKI_ROLE
from reconciler.kinds.ssh_role import SSH_ROLE, SshRole
from reconciler.kinds.token_role import TOKEN_ROLE
from reconciler.kinds.transit_key import TRANSIT_KEY

NOTHING: Any = None
WORDS = st.from_regex(r"[A-Za-z0-9é]([A-Za-z0-9é_.:*/@ -]{0,10}[A-Za-z0-9é])?", fullmatch=True)
SECONDS = st.integers(0, 10**7)
HOSTS = st.ip_addresses().map(str)


@st.composite
def networks(draw: st.DrawFn) -> str:
    address = draw(st.ip_addresses())
    return f"{address}/{draw(st.integers(0, address.max_prefixlen))}"


def by_type(annotation: Any) -> st.SearchStrategy[Any]:
    """Values for a field of this type, as YAML would have them."""
    origin = get_origin(annotation)
    if annotation == Secret | None:
        return st.none()
    if annotation is bool:
        return st.booleans()
    if annotation is int:
        return SECONDS
    if annotation is str:
        return st.just("") | WORDS
    if origin is Literal:
        return st.sampled_from(get_args(annotation))
    if origin is tuple:
        return st.lists(WORDS, max_size=4)
    if origin is dict:
        return st.dictionaries(WORDS, WORDS, max_size=3)
    if origin is types.UnionType:
        return by_type(get_args(annotation)[0])
    raise NotImplementedError(annotation)


class Trial(NamedTuple):
    kind: AnyKind
    name: str
    special: Mapping[str, st.SearchStrategy[Any]]
    """Fields whose values the server is choosy about; NOTHING leaves a field out."""
    always: Mapping[str, Any] = {}

    def specs(self) -> st.SearchStrategy[Any]:
        required: dict[str, st.SearchStrategy[Any]] = {}
        optional: dict[str, st.SearchStrategy[Any]] = {}
        for name, field in self.kind.spec.model_fields.items():
            values = self.special[name] if name in self.special else by_type(field.annotation)
            if values is not None:
                (required if field.is_required() else optional)[name] = values
        specs = st.fixed_dictionaries(required, optional=optional).map(
            lambda drawn: self.kind.spec.model_validate({**drawn, **self.always})
        )
        return specs.filter(lambda spec: not list(self.kind.check(self.name, spec)))


CIDRS = st.lists(HOSTS | networks(), max_size=3)
TOKEN = {"token_type": st.sampled_from(["default", "service", "batch"]), "token_bound_cidrs": CIDRS, "token_num_uses": st.integers(0, 9)}
DURATIONS = {name: st.integers(0, 2000) for name in ("token_ttl", "token_max_ttl", "token_period", "token_explicit_max_ttl")}
URLS = st.lists(st.sampled_from(["https://a.example/x", "https://b.example", "http://localhost:8250/oidc/callback"]), max_size=3)
METADATA = st.dictionaries(st.from_regex("[A-Za-z0-9_-]{1,9}", fullmatch=True), WORDS, max_size=3)
CLAIM = st.booleans() | st.integers(-9, 9) | WORDS

TRIALS = [
    Trial(APPROLE_ROLE, "approle/x", {**TOKEN, **DURATIONS, "secret_id_bound_cidrs": st.lists(networks(), max_size=3)}),
    Trial(
        JWT_ROLE,
        "jwt/x",
        {
            **TOKEN,
            **DURATIONS,
            "user_claim": WORDS,
            "bound_claims": st.dictionaries(WORDS, CLAIM | st.lists(CLAIM, min_size=1, max_size=3), max_size=3),
            "bound_claims_type": st.just("string"),
            "claim_mappings": st.dictionaries(WORDS, st.sampled_from(["a", "b", "c"]), max_size=1),
            "allowed_redirect_uris": URLS,
            "callback_mode": st.sampled_from(["client", "direct", "device"]),
            "oauth2_metadata": st.lists(st.sampled_from(["access_token", "id_token", "refresh_token"])),
            "clock_skew_leeway": st.integers(-1, 600),
            "expiration_leeway": st.sampled_from([-1, 0, "1m"]),
            "token_policies_template_claims": NOTHING,
        },
    ),
    Trial(
        KUBERNETES_ROLE,
        "kubernetes/x",
        {
            **TOKEN,
            **DURATIONS,
            "bound_service_account_names": st.lists(st.sampled_from(["web", "api"]), min_size=1) | st.just("*"),
            "bound_service_account_namespaces": st.lists(st.sampled_from(["prod", "dev"]), min_size=1) | st.just("*"),
            "bound_service_account_namespace_selector": st.sampled_from(["", '{"matchLabels":{"a":"b"}}']),
        },
    ),
    Trial(
        TOKEN_ROLE,
        "x",
        {"token_bound_cidrs": CIDRS, "path_suffix": st.sampled_from(["", "nightly", "a-b.c"]), "token_num_uses": st.integers(0, 9)},
    ),
    Trial(
        TRANSIT_KEY,
        "transit/x",
        {
            "type": st.sampled_from(["aes256-gcm96", "chacha20-poly1305", "ed25519", "ecdsa-p256"]),
            "key_size": NOTHING,
            "derived": NOTHING,
            "convergent_encryption": NOTHING,
            "min_decryption_version": NOTHING,
            "min_encryption_version": NOTHING,
        },
    ),
    Trial(KV_SECRET, "kv/a/b c/x", {"metadata_cas_required": st.booleans()}),
    Trial(
        PKI_ROLE,
        "pki/x",
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
            "allowed_other_sans": st.lists(st.sampled_from(["1.2.3.4;utf8:*", "1.2.3;utf8:a"])),
            "allowed_user_ids": st.lists(st.sampled_from(["a", "b*"])),
            "key_usage": st.lists(st.sampled_from(["digitalSIGNATURE", "KeyAgreement", "CertSign"])),
            "ext_key_usage": st.lists(st.sampled_from(["serverauth", "TimeStamping"])),
            "ext_key_usage_oids": st.lists(st.sampled_from(["1.2.3", "2.5.29"])),
            "policy_identifiers": st.lists(st.sampled_from(["1.2.3", "2.5.29"])),
        },
    ),
    Trial(
        SSH_ROLE,
        "ssh/x",
        {
            **dict.fromkeys(("key_type", "port", "cidr_list", "exclude_cidr_list", "default_user_template"), NOTHING),
            "ttl": st.integers(0, 2000),
            "max_ttl": st.integers(2000, 4000),
            "algorithm_signer": st.sampled_from(["default", "rsa-sha2-256"]),
            "allowed_user_key_lengths": st.dictionaries(st.sampled_from(["rsa", "ec"]), st.sampled_from([2048, [256, 4096]])),
        },
        {"key_type": "ca", "allow_user_certificates": True},
    ),
    Trial(
        SSH_ROLE,
        "ssh/x",
        {
            **dict.fromkeys(set(SshRole.model_fields) - {"allowed_users"}, NOTHING),
            "port": st.integers(1, 65535),
            "cidr_list": st.lists(networks(), max_size=3),
        },
        {"key_type": "otp", "default_user": "ubuntu"},
    ),
    Trial(
        DATABASE_CONNECTION,
        "database/x",
        {
            "plugin_version": NOTHING,
            "connection_url": st.sampled_from(
                ["postgresql://{{username}}:{{password}}@a/db", "postgresql://{{username}}:{{password}}@b/db"]
            ),
            "username_template": st.sampled_from(["", "v-{{.RoleName}}"]),
            "password_authentication": st.sampled_from(["", "password", "scram-sha-256"]),
            "max_open_connections": st.integers(0, 9),
            "max_idle_connections": st.integers(0, 9),
            "auth_type": NOTHING,
            "tls_ca": NOTHING,
            "tls_certificate": NOTHING,
        },
        {
            "plugin_name": "postgresql-database-plugin",
            "verify_connection": False,
            "connection_url": "postgresql://{{username}}:{{password}}@db.example/db",
        },
    ),
    Trial(
        DATABASE_ROLE,
        "database/r",
        {"db_name": WORDS, "credential_type": st.just("password"), "credential_config": st.sampled_from([{}, {"password_policy": "long"}])},
    ),
    Trial(IDENTITY_ENTITY, "x y@example.com", {"metadata": METADATA}),
    Trial(IDENTITY_GROUP, "x", {"metadata": METADATA, "member_entities": NOTHING, "member_groups": NOTHING}),
    Trial(OIDC_KEY, "x", {"algorithm": st.sampled_from(["ES256", "EdDSA"]), "rotation_period": st.integers(10**6, 10**7)}),
    Trial(OIDC_SCOPE, "x", {"template": st.sampled_from(["", "{}", '{"a": {{identity.entity.name}}}', "eyJhIjogMX0="])}),
    Trial(
        OIDC_PROVIDER,
        "x",
        {"issuer": st.sampled_from(["https://a.example", "http://b.example:8200"]), "scopes_supported": NOTHING},
    ),
]
PHASES = (Phase.explicit, Phase.generate, Phase.shrink)  # explaining a failure costs minutes on a real server
MOUNTS = [("sys/auth", name, name) for name in ("approle", "jwt", "kubernetes")]
MOUNTS += [("sys/mounts", name, "kv-v2" if name == "kv" else name) for name in ("kv", "transit", "pki", "ssh", "database")]


@pytest.fixture
def mounted(vault: VaultClient) -> VaultClient:
    for where, path, type_ in MOUNTS:
        vault.write(f"{where}/{path}", {"type": type_})
    return vault


def live(client: VaultClient, trial: Trial, desired: Any) -> Any:
    reading = trial.kind.read(client, Names(frozenset({trial.name})))
    assert reading.gaps == ()
    found = reading.live.get(trial.name)
    if found is None:
        return None
    unseen = {name: getattr(desired, name) for name in (*trial.kind.kept, *trial.kind.secrets)}
    unseen |= {name: None for name in trial.kind.runtime if getattr(desired, name) is None}
    return trial.kind.align(desired, found.spec.model_copy(update=unseen))


def never(_secret: Secret) -> str:
    raise AssertionError("no secret is part of these specs")


def way(kind: AnyKind, before: Any, after: Any) -> Action:
    fixed = any(getattr(before, name) != getattr(after, name) for name in kind.immutable)
    off = any(getattr(before, name) and not getattr(after, name) for name in kind.one_way)
    return Action.REPLACE if fixed or off else Action.UPDATE


@pytest.mark.parametrize("trial", TRIALS, ids=lambda trial: " ".join([trial.kind.name, str(trial.always.get("key_type", ""))]).strip())
def test_any_spec_is_read_back_as_written_and_any_other_over_it_too(trial: Trial, mounted: VaultClient) -> None:
    address = Address(trial.kind.name, trial.name)

    @settings(max_examples=25, deadline=None, phases=PHASES, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
    @given(trial.specs(), trial.specs())
    def silent(first: Any, second: Any) -> None:
        try:
            trial.kind.write(mounted, Change(address, Action.CREATE, None, first), never)
            assert live(mounted, trial, first) == first
            trial.kind.write(mounted, Change(address, way(trial.kind, first, second), first, second), never)
            assert live(mounted, trial, second) == second
        finally:
            trial.kind.write(mounted, Change(address, Action.DELETE, second, None), never)
        assert live(mounted, trial, second) is None

    silent()
