"""How somebody changes one field of one object behind our back: on the raw API, by no code of ours but the transport."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from typing import Any

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

SHOWN: Mapping[str, str] = {
    "vault.namespace": "sys/namespaces/{name}",
    "vault.policy": "sys/policies/acl/{name}",
    "vault.password_policy": "sys/policies/password/{name}",
    "vault.rate_limit_quota": "sys/quotas/rate-limit/{name}",
    "vault.auth_config": "auth/{name}/config",
    "vault.approle_role": "auth/{mount}/role/{leaf}",
    "vault.jwt_role": "auth/{mount}/role/{leaf}",
    "vault.kubernetes_role": "auth/{mount}/role/{leaf}",
    "vault.cert_role": "auth/{mount}/certs/{leaf}",
    "vault.userpass_user": "auth/{mount}/users/{leaf}",
    "vault.token_role": "auth/token/roles/{name}",
    "vault.transit_key": "{mount}/keys/{leaf}",
    "vault.pki_role": "{mount}/roles/{leaf}",
    "vault.ssh_role": "{mount}/roles/{leaf}",
    "vault.database_role": "{mount}/roles/{leaf}",
    "vault.database_static_role": "{mount}/static-roles/{leaf}",
    "vault.identity_entity": "identity/entity/name/{name}",
    "vault.identity_group": "identity/group/name/{name}",
    "vault.oidc_key": "identity/oidc/key/{name}",
    "vault.oidc_scope": "identity/oidc/scope/{name}",
    "vault.oidc_assignment": "identity/oidc/assignment/{name}",
    "vault.oidc_client": "identity/oidc/client/{name}",
    "vault.oidc_provider": "identity/oidc/provider/{name}",
}
"""Where an object is shown whole."""
