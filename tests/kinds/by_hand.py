"""How somebody changes one field of one object behind our back: on the raw API, by no code of ours but the transport.

`OTHER` are values for fields of which the type alone does not tell what a server takes.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

from tests.kinds.samples_roles import CLIENT_PEM, OTHER_PEM
from tests.kinds.samples_system import OTHER_KEY, PUBLIC_KEY
from tests.kinds.stand import CANARY

Hand = Callable[[Any, str, str, Any], object]
"""(client, name, field, value as YAML has it)"""


def rest(
    path: str,
    *,
    whole: bool = False,
    also: Mapping[str, Any] | None = None,
    remade: Collection[str] = (),
    joined: bool = False,
) -> Hand:
    """Write one field at a path. `whole`: the endpoint resets what is left out, so all that it shows is sent again.

    `remade` fields are only taken when the object is made, so it is deleted and made with another value.
    """

    def write(client: Any, name: str, field: str, value: Any) -> None:
        mount, _, leaf = name.rpartition("/")
        at = path.format(name=name, mount=mount, leaf=leaf)
        body = {field: ",".join(value) if joined and isinstance(value, list) else value}
        if whole or field in remade:
            body = {**client.read(at), **body}
        if field in remade:
            client.delete(at)
        client.write(at, {**(also or {}), **body})

    return write


def _policy(client: Any, name: str, field: str, value: Any) -> None:
    path = f"sys/policies/acl/{name}"
    found = client.read(path)
    if field == "rules":
        value = "".join(f'path "{rule["path"]}" {{ capabilities = {json.dumps(rule["capabilities"])} }}\n' for rule in value)
    settings = {
        key: found[key]
        for key in ("policy", "cas_required", "allow_wildcards_in_identity_templates", "allow_slashes_in_identity_templates")
    }
    settings |= {"expiration": found["expiration"]} if found.get("expiration") else {}
    client.write(path, {**settings, "policy" if field == "rules" else field: value, "cas": found["version"]})


def _mount(folder: str) -> Hand:
    def write(client: Any, name: str, field: str, value: Any) -> None:
        path = f"{folder}/{name}"
        if field in ("type", "local", "seal_wrap", "external_entropy_access", "force_no_cache"):
            found = client.read(folder)[f"{name}/"]
            body = {key: found[key] for key in ("type", "description", "options", "local", "seal_wrap", "external_entropy_access")}
            config = dict(found["config"])
            lockout = config.pop("user_lockout_config", None)
            (config if field == "force_no_cache" else body)[field] = value
            client.delete(path)
            client.write(path, {**body, "config": config})
            assert not lockout
        elif field == "user_lockout_config":
            client.write(f"{path}/tune", {field: {"lockout_threshold": str(value["lockout_threshold"])}})
        else:
            client.write(f"{path}/tune", {field: value})
        client.forget_mounts()

    return write


def _auth_config(client: Any, name: str, field: str, value: Any) -> None:
    path = f"auth/{name}/config"
    found = client.read(path)
    unseen: dict[str, Any] = {"token_reviewer_jwt": CANARY} if found.pop("token_reviewer_jwt_set", False) else {}
    unseen |= {"skip_jwks_validation": True} if found.get("oidc_discovery_url") or found.get("jwks_url") else {}
    unseen |= {"oidc_client_secret": CANARY} if found.get("oidc_client_id") else {}
    client.write(path, {**found, **unseen, field: value})


def _engine_config(client: Any, name: str, field: str, value: Any) -> None:
    mount, _, part = name.rpartition("/")
    if part == "ca":
        client.delete(f"{mount}/config/ca")
        client.write(f"{mount}/config/ca", {"generate_signing_key": True})
        return
    client.write(f"{mount}/config/{part}" if mount else f"{name}/config", {field: value})


def _kv_secret(client: Any, name: str, field: str, value: Any) -> None:
    mount, _, rest_of_name = name.partition("/")
    path = f"{mount}/metadata/{rest_of_name}"
    client.write(path, {field: value, "metadata_cas": client.read(path)["current_metadata_version"]})


def _transit_key(client: Any, name: str, field: str, value: Any) -> None:
    mount, _, leaf = name.partition("/")
    path = f"{mount}/keys/{leaf}"
    if field.startswith("min_"):
        client.write(f"{path}/rotate", {})
    never_off = field in ("exportable", "allow_plaintext_backup") and not value
    if never_off or field in ("type", "key_size", "derived", "convergent_encryption"):
        found = client.read(path)
        client.write(f"{path}/config", {"deletion_allowed": True})
        client.delete(path)
        client.write(path, {key: found[key] for key in ("type", "derived", "exportable", "auto_rotate_period")} | {field: value})
        client.write(f"{path}/config", {"deletion_allowed": found["deletion_allowed"]})
    else:
        client.write(f"{path}/config", {field: value})


def _named(client: Any, sort: str, names: list[str]) -> list[str]:
    return [name if name == "*" else client.read(f"identity/{sort}/name/{name}")["id"] for name in names]


def _group(client: Any, name: str, field: str, value: Any) -> None:
    sort = {"member_entities": "entity", "member_groups": "group"}.get(field)
    path = f"identity/group/name/{name}"
    if sort:
        client.write(path, {f"member_{sort}_ids": _named(client, sort, value)})
    else:
        rest(path, remade=("type",))(client, name, field, value)


def _alias(sort: str) -> Hand:
    def write(client: Any, name: str, field: str, value: Any) -> None:
        found = client.list(f"identity/{sort}-alias/id").key_info
        (at, body), *_ = ((at, body) for at, body in found.items() if name.endswith(f"/{body['name']}"))
        mine = {key: body[key] for key in ("name", "canonical_id", "custom_metadata") if key in body}
        if field == sort:
            value, field = _named(client, sort, [value])[0], "canonical_id"
        client.write(f"identity/{sort}-alias/id/{at}", {**mine, "mount_accessor": body["mount_accessor"], field: value})

    return write


def _assignment(client: Any, name: str, field: str, value: Any) -> None:
    sort = "entity" if field == "entities" else "group"
    client.write(f"identity/oidc/assignment/{name}", {f"{sort}_ids": _named(client, sort, value)})


def _object(client: Any, name: str, _field: str, value: Any) -> None:
    client.write(name, value)


def _database(client: Any, name: str, field: str, value: Any) -> None:
    mount, _, leaf = name.rpartition("/")
    path = f"{mount}/config/{leaf}"
    client.write(path, {"plugin_name": client.read(path)["plugin_name"], "verify_connection": False, field: value})


def _pki_role(client: Any, name: str, field: str, value: Any) -> None:
    mount, _, leaf = name.rpartition("/")
    path = f"{mount}/roles/{leaf}"
    sizes = {"key_bits": 0} if field == "key_type" else {}
    client.write(path, {**client.read(path), **sizes, field: value})


VAULT_HANDS: Mapping[str, Hand] = {
    "vault.namespace": rest("sys/namespaces/{name}"),
    "vault.policy": _policy,
    "vault.password_policy": rest("sys/policies/password/{name}"),
    "vault.rate_limit_quota": rest("sys/quotas/rate-limit/{name}", whole=True, remade=("role",)),
    "vault.secrets_engine": _mount("sys/mounts"),
    "vault.auth_method": _mount("sys/auth"),
    "vault.auth_config": _auth_config,
    "vault.engine_config": _engine_config,
    "vault.approle_role": rest("auth/{mount}/role/{leaf}", remade=("local_secret_ids",)),
    "vault.jwt_role": rest("auth/{mount}/role/{leaf}", whole=True),
    "vault.kubernetes_role": rest("auth/{mount}/role/{leaf}"),
    "vault.cert_role": rest("auth/{mount}/certs/{leaf}"),
    "vault.userpass_user": rest("auth/{mount}/users/{leaf}"),
    "vault.token_role": rest("auth/token/roles/{name}"),
    "vault.kv_secret": _kv_secret,
    "vault.transit_key": _transit_key,
    "vault.pki_role": _pki_role,
    "vault.ssh_role": rest("{mount}/roles/{leaf}", whole=True, joined=True),
    "vault.database_connection": _database,
    "vault.database_role": rest("{mount}/roles/{leaf}", remade=("credential_type", "credential_config")),
    "vault.database_static_role": rest(
        "{mount}/static-roles/{leaf}", whole=True, remade=("username", "credential_type", "credential_config")
    ),
    "vault.identity_entity": rest("identity/entity/name/{name}"),
    "vault.identity_group": _group,
    "vault.identity_entity_alias": _alias("entity"),
    "vault.identity_group_alias": _alias("group"),
    "vault.oidc_key": rest("identity/oidc/key/{name}"),
    "vault.oidc_scope": rest("identity/oidc/scope/{name}"),
    "vault.oidc_assignment": _assignment,
    "vault.oidc_client": rest("identity/oidc/client/{name}", remade=("key", "client_type")),
    "vault.oidc_provider": rest("identity/oidc/provider/{name}"),
    "vault.object": _object,
}

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
