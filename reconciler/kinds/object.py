"""`vault.object`: any other API path. Only the keys that are declared are compared and shown.

Its name is the path. Paths that hand out secrets, mint credentials or act are refused, and so are those of other kinds: an
object that two documents describe would never come to rest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reconciler.backends.vault.client import VaultClient
from reconciler.core.change import Change
from reconciler.core.errors import BackendError, Denied
from reconciler.core.kind import Gap, Kind, Live, Names, Reading, Ref
from reconciler.core.resource import Spec
from reconciler.core.secret import Reveal
from reconciler.core.values import canonical_json, parse_duration

from .mount_config import longest

# Paths of other kinds, and the kind to use.
_OTHER_KINDS: tuple[tuple[str, str], ...] = (
    (r"sys/(policies/acl|policy)(/.*)?", "vault.policy"),
    (r"sys/policies/password(/.*)?", "vault.password_policy"),
    (r"sys/mounts(/.*)?", "vault.secrets_engine"),
    (r"sys/auth(/.*)?", "vault.auth_method"),
    (r"sys/namespaces(/.*)?", "vault.namespace"),
    (r"sys/quotas/rate-limit(/.*)?", "vault.rate_limit_quota"),
    (r"sys/audit(/.*)?", "vault.audit_device"),
    (r"identity/entity(/.*)?", "vault.identity_entity"),
    (r"identity/group(/.*)?", "vault.identity_group"),
    (r"identity/entity-alias(/.*)?", "vault.identity_entity_alias"),
    (r"identity/group-alias(/.*)?", "vault.identity_group_alias"),
    (r"identity/oidc/key/.*", "vault.oidc_key"),
    (r"identity/oidc/scope/.*", "vault.oidc_scope"),
    (r"identity/oidc/assignment/.*", "vault.oidc_assignment"),
    (r"identity/oidc/client/.*", "vault.oidc_client"),
    (r"identity/oidc/provider/[^/]+", "vault.oidc_provider"),
    (r"auth/token/roles/.*", "vault.token_role"),
)
# What these mounts hold is managed by kinds of its own; the type is known only on the server, so this is asked there.
_OTHER_KINDS_BY_TYPE: Mapping[str, tuple[tuple[str, str], ...]] = {
    "approle": ((r"role/[^/]+", "vault.approle_role"),),
    "jwt": ((r"role/[^/]+", "vault.jwt_role"), (r"config", "vault.auth_config")),
    "oidc": ((r"role/[^/]+", "vault.jwt_role"), (r"config", "vault.auth_config")),
    "kubernetes": ((r"role/[^/]+", "vault.kubernetes_role"), (r"config", "vault.auth_config")),
    "cert": ((r"certs/[^/]+", "vault.cert_role"), (r"config", "vault.auth_config")),
    "userpass": ((r"users/[^/]+", "vault.userpass_user"),),
    "transit": ((r"keys/[^/]+(/config)?", "vault.transit_key"), (r"config/keys", "vault.engine_config")),
    "pki": ((r"roles/[^/]+", "vault.pki_role"), (r"config/(urls|crl|auto-tidy|cluster|acme)", "vault.engine_config")),
    "ssh": ((r"roles/[^/]+", "vault.ssh_role"), (r"config/ca", "vault.engine_config")),
    "database": (
        (r"config/[^/]+", "vault.database_connection"),
        (r"roles/[^/]+", "vault.database_role"),
        (r"static-roles/[^/]+", "vault.database_static_role"),
    ),
}
# Below sys/: what acts, or tells more than configuration.
_SYS_ACTING = re.compile(
    r"sys/(seal|unseal|step-down|init|re(key|new|voke|mount|wrap)|rotate|generate-root|raw|wrapping|leases|tools|internal|storage"
    r"|pprof|monitor|metrics|in-flight-req|host-info|capabilities|decode-token|audit-hash|workflows/execute)\b.*"
)
# Elsewhere: segments at which a read returns a secret or mints one, or a write acts instead of storing.
_ACTING = re.compile(
    r"(static-)?creds?|sts|key|issue|sign(-[a-z]+)?|export|code|login|token|(custom-)?secret-id|seal|unseal|datakey|encrypt|decrypt|rewrap"
    r"|hmac|verify|random|hash|backup|restore|cubbyhole|rotate(-[a-z]+)?|revoke(-[a-z]+)?|tidy|lookup|introspect|generate"
)
# What follows these is a name that somebody chose, such as a role called "code".
_NAME_FOLLOWS = frozenset({"role", "roles", "users", "groups", "keys", "certs", "config", "map"})
_KV_DATA = re.compile(r"[^/]+(/.+)?/(data|subkeys|undelete|destroy|delete|metadata)/.+")
_ENGINES, _METHODS = "sys/mounts", "sys/auth"
_SECRET_MOUNTS = frozenset({"kv", "generic", "cubbyhole", "totp"})


# Asked plainly, this one answers with its first value under a name that cannot be written.
_MANY_VALUES = "sys/config/ui/headers/"
# What servers answer that a path cannot be read, whoever asks.
_NOT_AN_OBJECT = frozenset({400, 405, 500})


class ObjectSpec(Spec):
    """What is declared of an object."""

    data: dict[str, Any]


def align(desired: ObjectSpec, live: ObjectSpec) -> ObjectSpec:
    """Live as far as desired speaks of it, in desired's spelling where both mean the same."""
    return ObjectSpec.model_construct(data=_align_map(desired.data, live.data))


def _align_map(desired: Mapping[str, Any], live: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _align(wanted, live[key]) for key, wanted in desired.items() if key in live}


def _align(desired: Any, live: Any) -> Any:
    if isinstance(desired, Mapping) and isinstance(live, Mapping):
        return _align_map(desired, live)
    return desired if _same(desired, live) else live


def _same(desired: Any, live: Any) -> bool:
    """Whether a server would take one for the other: "1h" and 3600, "5" and 5, "a,b" and ["b", "a"], null and nothing, a map as JSON."""
    if desired == live or (not desired and not live):
        return True
    if isinstance(desired, str) and isinstance(live, Mapping):
        return bool(_opened(desired) == live)
    if isinstance(live, list):
        listed = [part.strip() for part in desired.split(",")] if isinstance(desired, str) else desired
        return isinstance(listed, list | tuple) and sorted(map(canonical_json, listed)) == sorted(map(canonical_json, live))
    if isinstance(desired, bool) or isinstance(live, bool):
        return str(desired).lower() == str(live).lower()
    if isinstance(desired, str | int | float) and isinstance(live, str | int | float):
        return str(desired) == str(live) or _seconds(desired) == _seconds(live) is not None
    return False


def _opened(text: str) -> Any:
    """Some endpoints take a map as JSON in a string."""
    try:
        return json.loads(text)
    except ValueError:
        return None


def _seconds(given: str | int | float) -> int | None:
    try:
        return parse_duration(given)
    except ValueError:
        return None


def _read(client: VaultClient, names: Names) -> Reading[ObjectSpec]:
    """Only what is wanted: nothing lists objects of all sorts. What lies in a store of secrets is never asked for."""
    blind = {name: table for name in names.wanted if _mounts(client, table := _table(name)) is None}
    refused = {name: problem for name in names.wanted - blind.keys() if (problem := _forbidden_here(client, name))}
    gaps = [Gap(name, name, "", problem) for name, problem in refused.items()]
    gaps += [Gap(name, table, "read") for name, table in blind.items()]
    live: dict[str, Live[ObjectSpec]] = {}
    for path, body in _bodies(client, sorted(names.wanted - refused.keys() - blind.keys())):
        if isinstance(body, Denied):
            gaps.append(Gap(path, path, "read"))
        elif isinstance(body, BackendError):
            gaps.append(Gap(path, path, "", str(body)))
        elif body is not None:
            live[path] = Live(ObjectSpec.model_construct(data=dict(body)))
    return Reading(live, tuple(sorted(gaps)))


def _bodies(client: VaultClient, paths: Sequence[str]) -> Iterator[tuple[str, Mapping[str, Any] | BackendError | None]]:
    alone = [path for path in paths if path.startswith(_MANY_VALUES)]
    together = [path for path in paths if not path.startswith(_MANY_VALUES)]
    try:
        yield from list(client.read_many(together))
    except BackendError as error:
        if error.status not in _NOT_AN_OBJECT:
            raise
        alone = list(paths)  # nobody knows what is declared as an object: which of them is none must not hide the others
    for path in alone:
        yield path, _body(client, path)


def _body(client: VaultClient, path: str) -> Mapping[str, Any] | BackendError | None:
    try:
        return client.read(path, multivalue="true") if path.startswith(_MANY_VALUES) else client.read(path)
    except BackendError as error:
        if isinstance(error, Denied) or error.status in _NOT_AN_OBJECT:
            return error
        raise


def _table(name: str) -> str:
    """Where the server says what the path is mounted on; empty for paths of the server itself, which are the same everywhere."""
    return "" if name.startswith(("sys/", "identity/")) else _METHODS if name.startswith("auth/") else _ENGINES


def _mounts(client: VaultClient, table: str) -> Mapping[str, Mapping[str, Any]] | None:
    return {} if not table else client.auth_mounts() if table == _METHODS else client.mounts()


def _forbidden_here(client: VaultClient, name: str) -> str:
    """Why this server's mounts forbid the path; empty if they do not."""
    table = _table(name)
    path, mounts = name.removeprefix("auth/"), _mounts(client, table)
    if mounts is None:
        return f"whether it holds secrets is not known (the login may not read {table})"
    mount = longest(path, frozenset(mounts))
    sort, rest = str(mounts.get(mount, {}).get("type", "")), path[len(mount) + 1 :]
    if sort in _SECRET_MOUNTS and table == _ENGINES:
        return f"{mount}/ holds secrets, which are never read or written here (use vault.kv_secret for their settings)"
    return _other_kind(rest, _OTHER_KINDS_BY_TYPE.get(sort, ()))


def _write(client: VaultClient, change: Change[ObjectSpec], _reveal: Reveal) -> None:
    name = change.address.name
    if problem := _forbidden_here(client, name):
        raise BackendError(f"{name}: {problem}", path=name)
    if change.after is None:
        client.delete(name)
    else:
        client.write(name, change.after.data)


def _other_kind(path: str, table: tuple[tuple[str, str], ...]) -> str:
    kind = next((kind for pattern, kind in table if re.fullmatch(pattern, path)), "")
    return f"belongs to another kind (declare it as {kind})" if kind else ""


def _acting(name: str) -> str:
    """The segment that makes a path an action; empty if there is none."""
    parts = name.split("/")
    if parts[0] == "sys":
        return parts[1] if len(parts) > 1 and _SYS_ACTING.fullmatch(name) else ""
    pairs = zip(["", *parts], parts, strict=False)
    return next((part for before, part in pairs if _ACTING.fullmatch(part) and before not in _NAME_FOLLOWS), "")


def _check(name: str, spec: ObjectSpec) -> Iterator[str]:
    if problem := _other_kind(name, _OTHER_KINDS):
        yield f"{name} {problem}"
    elif acting := _acting(name):
        yield f"{name} is not an object: {acting!r} hands out a secret or does something (objects are configuration that is stored)"
    elif _KV_DATA.fullmatch(name) and not name.startswith(("sys/", "auth/", "identity/")):
        yield f"{name} looks like a secret in a KV store, which is never written from git (use vault.kv_secret for its settings)"
    if "//" in name or "?" in name or any(character.isspace() for character in name):
        yield f"{name!r} is not an API path (without /v1/, blanks, empty parts and questions)"
    if not spec.data:
        yield "declares no data"


def _refs(name: str, _spec: ObjectSpec) -> Iterator[Ref]:
    """The mount that the path begins with; soft, since sys/ and identity/ have none."""
    if name.startswith("auth/"):
        yield Ref("name", "vault.auth_method", name.removeprefix("auth/"), soft=True, within=True)
    elif not name.startswith(("sys/", "identity/")):
        yield Ref("name", "vault.secrets_engine", name, soft=True, within=True)


def _loses(name: str, _spec: ObjectSpec) -> str:
    return f"whatever else than the declared keys lies at {name}"


OBJECT = Kind(
    name="vault.object",
    paths=("{name}",),
    backend="vault",
    spec=ObjectSpec,
    read=_read,
    write=_write,
    refs=_refs,
    check=_check,
    align=align,
    fold=lambda name: name.removeprefix("v1/").strip("/"),
    loses=_loses,
)
