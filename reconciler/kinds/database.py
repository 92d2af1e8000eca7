"""`vault.database_connection`, `vault.database_role`, `vault.database_static_role`. Names are MOUNT/NAME."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from reconciler.backends.vault.client import VaultClient
from reconciler.core.change import Change
from reconciler.core.kind import Kind, Live, Ref
from reconciler.core.resource import Spec
from reconciler.core.secret import Reveal, Secret
from reconciler.core.values import Seconds, Statements, StringMap, StringSet, Text, show_duration

from .listed import Body, Folder, body_of, plain, unchanged_secrets

ENGINES = frozenset({"database"})
_MASK = "xxxxx"
# `user:password@` after a scheme or at the start (MySQL), and `password=...` (libpq); templates and masks are none.
_INLINE_PASSWORD = re.compile(r"((?:^|://)[^/@:\s]*:|password=)(?!\{\{|xxxxx)([^/@\s]+(?=@)|(?<==)\S+)")
Count = Annotated[int, Field(ge=0)]


class DatabaseConnection(Spec):
    """How the engine reaches a database. The fields after `verify_connection` go to the plugin, each where it has a meaning.

    Values of secret fields are sent when they change, so that a root password that the server has rotated stays.
    """

    plugin_name: str
    plugin_version: Text = ""
    allowed_roles: StringSet = ()
    password_policy: Text = ""
    root_rotation_statements: Statements = ()
    verify_connection: bool = True

    connection_url: Text = ""
    username: Text = ""
    password: Secret | None = None
    username_template: Text = ""
    disable_escaping: bool = False
    password_authentication: Text = ""
    max_open_connections: int = 0
    max_idle_connections: int = 0
    max_connection_lifetime: Seconds = 0
    host: Text = ""
    hosts: Text = ""
    port: Count = 0
    url: Text = ""
    tls: bool = False
    insecure_tls: bool = False
    connect_timeout: Seconds = 0
    protocol_version: Count = 0
    local_datacenter: Text = ""
    consistency: Text = ""
    persistence_mode: Text = ""
    auth_type: Text = ""
    write_concern: Text = ""
    contained_db: bool = False
    ca_cert: Text = ""
    client_cert: Text = ""
    tls_ca: Text = ""
    tls_certificate: Text = ""
    tls_server_name: Text = ""
    tls_skip_verify: bool = False
    skip_verification: bool = False
    socket_keep_alive: Seconds = 0
    insecure: bool = False
    ca_path: Text = ""
    use_old_xpack: bool = False
    base64pem: Text = ""
    bucket_name: Text = ""
    project_id: Text = ""
    public_key: Text = ""
    client_key: Secret | None = None
    private_key: Secret | None = None
    tls_certificate_key: Secret | None = None
    pem_bundle: Secret | None = None
    pem_json: Secret | None = None
    service_account_json: Secret | None = None

    live_names = {"root_rotation_statements": "root_credentials_rotate_statements"}


_ENGINE_FIELDS = (
    "plugin_name",
    "plugin_version",
    "allowed_roles",
    "password_policy",
    "root_rotation_statements",
    "verify_connection",
)
_SECRETS = ("password", "client_key", "private_key", "tls_certificate_key", "pem_bundle", "pem_json", "service_account_json")


def _parse_connection(body: Body) -> Live[DatabaseConnection]:
    details = body.get("connection_details") or {}
    # The server masks the password in some forms of URL, and shows it in others.
    details = {**details, "connection_url": _INLINE_PASSWORD.sub(rf"\1{_MASK}", str(details.get("connection_url") or ""))}
    flat = {**{name: value for name, value in details.items() if value != ""}, **body}
    for name in _SECRETS:
        flat.pop(name, None)  # some plugins' keys come back in clear
    return Live(DatabaseConnection.from_live(flat))


CONNECTIONS = Folder("{mount}/config", _parse_connection, ENGINES)


def _write_connection(client: VaultClient, change: Change[DatabaseConnection], reveal: Reveal) -> None:
    path = CONNECTIONS.at(change.address.name)
    if change.after is None:
        client.delete(path)
        return
    after = unchanged_secrets(change).after or change.after
    body = body_of(after, reveal)
    plugin = {name: body.pop(name) for name in list(body) if name not in _ENGINE_FIELDS}
    client.write(path, body | _plugin_fields(plugin, change.before))


def _plugin_fields(body: Mapping[str, Any], before: DatabaseConnection | None) -> dict[str, Any]:
    """What the plugin is to be told: what is set, and what was set before and is not any more.

    An equal URL is left out: the server may have shown it with a masked password, which must not be written back.
    """
    told: dict[str, Any] = {}
    for name, value in body.items():
        old = getattr(before, name) if before is not None else None
        unsaid = name == "connection_url" and value == old
        if (value or old) and not unsaid:
            told[name] = value
    return told


def _connection_refs(name: str, spec: DatabaseConnection) -> Iterator[Ref]:
    yield Ref("name", "vault.secrets_engine", name, within=True)
    if spec.password_policy:
        yield Ref("password_policy", "vault.password_policy", spec.password_policy, soft=True)


def _asks(live: DatabaseConnection) -> Iterator[str]:
    """Whoever logs in by name has a password; so has a URL with a place for one."""
    if live.username or "{{password}}" in live.connection_url:
        yield "password"


def _connection_problems(_name: str, spec: DatabaseConnection) -> Iterator[str]:
    if _INLINE_PASSWORD.search(spec.connection_url):
        yield "connection_url holds a password (write {{username}}:{{password}}@ there, and password: {from: ...})"


DATABASE_CONNECTION = Kind(
    name="vault.database_connection",
    paths=("{mount}/config/+",),
    backend="vault",
    spec=DatabaseConnection,
    read=CONNECTIONS.read,
    write=_write_connection,
    refs=_connection_refs,
    check=_connection_problems,
    asks=_asks,
    kept=frozenset({"verify_connection"}),
)

# What the server fills in for a type of credential; the same as leaving it out.
_CREDENTIAL_DEFAULTS = {"rsa_private_key": {"format": "pkcs8", "key_bits": "2048"}}
_PASSWORD_KEYS = frozenset({"password_policy"})


class _Credentials(Spec):
    """The credentials that a role hands out."""

    db_name: str
    credential_type: Literal["password", "rsa_private_key", "client_certificate"] = "password"
    credential_config: StringMap = {}

    @field_validator("credential_config")
    @classmethod
    def _without_defaults(cls, given: dict[str, str], known: ValidationInfo) -> dict[str, str]:
        kind = known.data.get("credential_type", "password")
        defaults = _CREDENTIAL_DEFAULTS.get(kind, {})
        # A role that was of another type keeps that type's settings, without effect.
        return {
            key: value
            for key, value in given.items()
            if value and defaults.get(key) != value and (kind != "password" or key in _PASSWORD_KEYS)
        }


class DatabaseRole(_Credentials):
    """Users made on demand, each for a lease."""

    creation_statements: Statements = ()
    revocation_statements: Statements = ()
    rollback_statements: Statements = ()
    renew_statements: Statements = ()
    default_ttl: Seconds = 0
    max_ttl: Seconds = 0


class DatabaseStaticRole(_Credentials):
    """A user that the database has, whose password the engine rotates. Writing one contacts the database."""

    username: str
    rotation_period: Seconds
    rotation_statements: Statements = ()


ROLES = Folder("{mount}/roles", plain(DatabaseRole), ENGINES)
STATIC_ROLES = Folder("{mount}/static-roles", plain(DatabaseStaticRole), ENGINES)


def _role_refs(name: str, spec: _Credentials) -> Iterator[Ref]:
    yield Ref("name", "vault.secrets_engine", name, within=True)
    yield Ref("db_name", "vault.database_connection", f"{name.rpartition('/')[0]}/{spec.db_name}")
    if policy := spec.credential_config.get("password_policy"):
        yield Ref("credential_config", "vault.password_policy", policy, soft=True)


def _role_problems(_name: str, spec: DatabaseRole) -> Iterator[str]:
    if 0 < spec.max_ttl < spec.default_ttl:
        yield f"default_ttl {show_duration(spec.default_ttl)} is larger than max_ttl {show_duration(spec.max_ttl)}"


def _static_problems(_name: str, spec: DatabaseStaticRole) -> Iterator[str]:
    if spec.rotation_period < 5:
        yield f"rotation_period {show_duration(spec.rotation_period)} is shorter than the 5s that the server asks for"


DATABASE_ROLE = Kind(
    name="vault.database_role",
    paths=("{mount}/roles/+",),
    backend="vault",
    spec=DatabaseRole,
    read=ROLES.read,
    write=ROLES.write,
    refs=_role_refs,
    check=_role_problems,
    immutable=frozenset({"credential_type", "credential_config"}),  # an old configuration stays when an empty one is written
)
DATABASE_STATIC_ROLE = Kind(
    name="vault.database_static_role",
    paths=("{mount}/static-roles/+",),
    backend="vault",
    spec=DatabaseStaticRole,
    read=STATIC_ROLES.read,
    write=STATIC_ROLES.write,
    refs=_role_refs,
    check=_static_problems,
    immutable=frozenset({"username", "credential_type", "credential_config"}),
)
