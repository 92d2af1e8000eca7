"""`vault.secrets_engine` and `vault.auth_method`: what is mounted where, and how it is tuned."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, model_validator

from reconciler.backends.vault.client import VaultClient
from reconciler.core.change import Action, Change
from reconciler.core.errors import BackendError, Denied
from reconciler.core.kind import Gap, Kind, Live, Names, Reading
from reconciler.core.resource import Spec
from reconciler.core.secret import Reveal
from reconciler.core.values import Seconds, StringMap, StringSet, Text

from .listed import understood
from .waiting import until

# What the API nests in `config`, which our specs have flat.
_CONFIG = (
    "default_lease_ttl",
    "max_lease_ttl",
    "force_no_cache",
    "listing_visibility",
    "audit_non_hmac_request_keys",
    "audit_non_hmac_response_keys",
    "passthrough_request_headers",
    "allowed_response_headers",
    "token_type",
    "user_lockout_config",
)
_AT_CREATION = ("type", "description", "options", "local", "seal_wrap", "external_entropy_access", "plugin_version")
# Nobody can mount these: whatever a server version adds of its own, under whichever path, is one of them.
_SERVERS_OWN = frozenset({f"{own}{type_}" for own in ("", "ns_") for type_ in ("system", "identity", "cubbyhole", "token")})
# The server takes these when a mount is made and never again.
_IMMUTABLE = frozenset({"type", "local", "seal_wrap", "external_entropy_access"})
_TTLS = ("default_lease_ttl", "max_lease_ttl")

_LOSES = {
    "kv": "every secret below {name}/",
    "transit": "every key of {name}/, and with it whatever was encrypted with one",
    "pki": "every CA key and issuer of {name}/",
    "ssh": "the CA key of {name}/",
    "database": "every connection and role of {name}/, and its leases",
    "totp": "every key of {name}/",
}


def _visibility(given: object) -> object:
    return "" if given in (None, "hidden") else given  # the server treats both alike


class Lockout(Spec):
    """When failed logins lock a user out. Zero means the server's own default."""

    lockout_threshold: int = 0
    lockout_duration: Seconds = 0
    lockout_counter_reset_duration: Seconds = 0
    lockout_disable: bool = False

    @model_validator(mode="before")
    @classmethod
    def _from_server(cls, given: Any) -> Any:
        """The server takes `lockout_x` and returns `user_lockout_x`."""
        return {name.removeprefix("user_"): value for name, value in given.items()} if isinstance(given, Mapping) else given


class MountSpec(Spec):
    """What secrets engines and auth methods have in common. A TTL of 0 is the server's own default."""

    type: str
    description: Text = ""
    default_lease_ttl: Seconds = 0
    max_lease_ttl: Seconds = 0
    listing_visibility: Annotated[Literal["", "unauth"], BeforeValidator(_visibility)] = ""
    audit_non_hmac_request_keys: StringSet = ()
    audit_non_hmac_response_keys: StringSet = ()
    passthrough_request_headers: StringSet = ()
    allowed_response_headers: StringSet = ()
    options: StringMap = {}
    local: bool = False
    seal_wrap: bool = False
    external_entropy_access: bool = False
    plugin_version: Text = ""


class SecretsEngineSpec(MountSpec):
    """A secrets engine. `kv-v2` is `kv` with `options: {version: "2"}`, as the server has it."""

    force_no_cache: bool = False

    @model_validator(mode="before")
    @classmethod
    def _spell_out_kv(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or given.get("type") not in ("kv", "kv-v1", "kv-v2"):
            return given
        options = dict(given.get("options") or {})
        if given["type"] == "kv-v2":
            options["version"] = "2"
        if str(options.get("version", "1")) == "1":
            options.pop("version", None)  # the server's default, which it returns only if it was written
        return {**given, "type": "kv", "options": options}


class AuthMethodSpec(MountSpec):
    """An auth method."""

    token_type: Annotated[
        Literal["default-service", "default-batch", "service", "batch"],
        BeforeValidator(lambda given: given or "default-service"),
    ] = "default-service"
    user_lockout_config: Lockout = Lockout()


M = TypeVar("M", bound=MountSpec)


def _live(spec: type[M], body: Mapping[str, Any]) -> Live[M]:
    flat = {**body, **(body.get("config") or {})}
    attributes = {name: str(body[name]) for name in ("accessor", "uuid") if name in body}
    return Live(spec.from_live(flat), "", attributes)


def _read(spec: type[M], builtin: frozenset[str], auth: bool, client: VaultClient, names: Names) -> Reading[M]:
    path = "sys/auth" if auth else "sys/mounts"
    found = client.auth_mounts() if auth else client.mounts()
    if found is None:
        return Reading({}, (Gap("", path, "read"),) if names.wanted or names.everything else ())
    ours = {name: body for name, body in found.items() if name not in builtin and body.get("type") not in _SERVERS_OWN}
    read = ours if names.everything else {name: body for name, body in ours.items() if name in names.wanted}
    live, gaps = understood(read, lambda _: path, partial(_live, spec))
    return Reading(live, gaps, frozenset(ours) - read.keys())


def _write(folder: str, client: VaultClient, change: Change[M], _reveal: Reveal) -> None:
    name, before, after = change.address.name, change.before, change.after
    path = f"{folder}/{name}"
    try:
        if after is None or change.action is Action.REPLACE:
            client.delete(path)
            until(lambda: f"{name}/" not in (client.read(folder) or {}), f"{name}/ shall be gone")
            before = None
        if after is not None:
            _make(client, path, after) if before is None else _tune(client, path, before, after)
            if after.type == "kv" and after.options.get("version") == "2":
                until(partial(_upgraded, client, name), f"the KV mount {name}/ shall be ready as version 2")
    finally:
        client.forget_mounts()


def _make(client: VaultClient, path: str, after: MountSpec) -> None:
    fields = after.__dict__
    config = {name: fields[name] for name in _CONFIG if name in fields and name != "user_lockout_config"}
    client.write(path, {**{name: fields[name] for name in _AT_CREATION}, "config": config})
    if fields.get("user_lockout_config", Lockout()) != Lockout():
        client.write(f"{path}/tune", {"user_lockout_config": _lockout(fields["user_lockout_config"])})  # refused at creation


def _tune(client: VaultClient, path: str, before: MountSpec, after: MountSpec) -> None:
    old, new = before.__dict__, after.__dict__
    body = {name: new[name] for name in ("description", *_CONFIG) if name in new and name not in ("force_no_cache", "user_lockout_config")}
    # The server knows the default TTL by this word; a 0 would be one of its spellings too, but not on every version.
    body |= {name: new[name] or "system" for name in _TTLS}
    if new["options"] != old["options"]:
        # Options are merged by the server; an empty value takes one away.
        body["options"] = {name: new["options"].get(name, "") for name in {**old["options"], **new["options"]}}
    if new["plugin_version"] != old["plugin_version"]:
        body["plugin_version"] = new["plugin_version"]
    if new.get("user_lockout_config") != old.get("user_lockout_config"):
        body["user_lockout_config"] = _lockout(new["user_lockout_config"])
    client.write(f"{path}/tune", body)


def _lockout(lockout: Lockout) -> dict[str, Any]:
    """The server wants every number here as a string."""
    return {name: value if isinstance(value, bool) else str(value) for name, value in lockout.__dict__.items()}


def _upgraded(client: VaultClient, name: str) -> bool:
    """A KV mount is made, or made version 2, in the background; until then all its paths answer 400."""
    try:
        return client.read(f"{name}/config") is not None
    except Denied:
        return True  # nobody can tell with this login
    except BackendError as error:
        if error.status == 400:
            return False
        raise


def _check(name: str, spec: MountSpec, *, builtin: frozenset[str], reserved: tuple[str, ...]) -> Iterator[str]:
    if name in builtin or name.startswith(reserved):
        yield f"{name}/ belongs to the server itself"
    if "//" in name or any(character.isspace() for character in name):
        yield f"{name!r} is not a mount path (no blanks, no empty parts)"
    if not spec.type:
        yield "has no type"
    if spec.max_lease_ttl and spec.default_lease_ttl > spec.max_lease_ttl:
        yield "default_lease_ttl is greater than max_lease_ttl"
    if spec.type == "kv" and spec.options.get("version", "1") not in ("1", "2"):
        yield f"a KV mount has version 1 or 2, not {spec.options['version']!r}"


def _downgrades(live: MountSpec, desired: MountSpec) -> bool:
    return live.type == "kv" and live.options.get("version") == "2" and desired.options.get("version") != "2"


def _loses_secrets(name: str, spec: MountSpec) -> str:
    return _LOSES.get(spec.type, "everything below {name}/").format(name=name)


def _loses_logins(name: str, _spec: MountSpec) -> str:
    return f"every role, user and login of auth/{name}/, and the accessor that aliases and policies name"


def _path(name: str) -> str:
    return name.strip("/")


def _spell_kv(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """`kv-v2` for `kv` with its option, as people know it."""
    if fields.get("type") != "kv" or fields.get("options") != {"version": "2"}:
        return fields
    return {name: "kv-v2" if name == "type" else value for name, value in fields.items() if name != "options"}


_ENGINES = frozenset({"sys", "identity", "cubbyhole"})
_METHODS = frozenset({"token"})
_KIND: Callable[..., Kind[Any, VaultClient]] = partial(Kind, backend="vault", fold=_path, mount=True)

SECRETS_ENGINE: Kind[SecretsEngineSpec, VaultClient] = _KIND(
    name="vault.secrets_engine",
    paths=("sys/mounts/*",),
    looks=("{mount}/config",),
    spec=SecretsEngineSpec,
    read=partial(_read, SecretsEngineSpec, _ENGINES, False),
    write=partial(_write, "sys/mounts"),
    check=partial(_check, builtin=_ENGINES, reserved=("sys/", "identity/", "cubbyhole/", "auth/")),
    builtin=tuple(sorted(_ENGINES)),
    immutable=_IMMUTABLE | {"force_no_cache"},
    replaces=_downgrades,
    spell=_spell_kv,
    loses=_loses_secrets,
)
AUTH_METHOD: Kind[AuthMethodSpec, VaultClient] = _KIND(
    name="vault.auth_method",
    paths=("sys/auth/*",),
    spec=AuthMethodSpec,
    read=partial(_read, AuthMethodSpec, _METHODS, True),
    write=partial(_write, "sys/auth"),
    check=partial(_check, builtin=_METHODS, reserved=("token/",)),
    builtin=tuple(sorted(_METHODS)),
    immutable=_IMMUTABLE,
    loses=_loses_logins,
)
