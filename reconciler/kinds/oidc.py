"""`vault.oidc_key`, `oidc_scope`, `oidc_assignment`, `oidc_client`, `oidc_provider`: Vault as an identity provider."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BeforeValidator

from reconciler.backends.vault.client import VaultClient
from reconciler.core.change import Change
from reconciler.core.kind import Kind, Live, Names, Reading, Ref
from reconciler.core.resource import Spec
from reconciler.core.secret import Reveal
from reconciler.core.values import Seconds, StringSet, Text, show_duration

from .identity_names import ids_by_name, member_refs, with_names
from .listed import Body, Folder, plain


def _template(given: object) -> object:
    """The server takes base64 too, and keeps what it says."""
    if not isinstance(given, str) or "{" in given or not given:
        return given or ""
    try:
        return base64.b64decode(given, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return given


class OidcKey(Spec):
    """A named signing key. `allowed_client_ids` are ids: `{ref: vault.oidc_client/app, attribute: id}`, or `*`."""

    algorithm: str = "RS256"
    rotation_period: Seconds = 86400
    verification_ttl: Seconds = 86400
    allowed_client_ids: StringSet = ()


class OidcScope(Spec):
    """Claims that a client may ask for."""

    template: Annotated[Text, BeforeValidator(_template)] = ""
    description: Text = ""


class OidcAssignment(Spec):
    """Who may use a client: entities and groups by name, or `*`."""

    entities: StringSet = ()
    groups: StringSet = ()

    live_names = {"entities": "entity_ids", "groups": "group_ids"}


class OidcClient(Spec):
    """An application. Its client secret is made by the server and never read here."""

    key: str = "default"
    client_type: Literal["confidential", "public"] = "confidential"
    redirect_uris: StringSet = ()
    assignments: StringSet = ()
    authorization_code: bool = True
    client_credentials: bool = False
    access_token_ttl: Seconds = 86400
    id_token_ttl: Seconds = 86400


class OidcProvider(Spec):
    """An issuer. Without `issuer` it is the server's own address, whatever that is."""

    issuer: str | None = None
    allowed_client_ids: StringSet = ()
    scopes_supported: StringSet = ()


def _parse_client(body: Body) -> Live[OidcClient]:
    client_id = str(body.get("client_id", ""))
    return Live(OidcClient.from_live(body), attributes={"id": client_id, "client_id": client_id})


def _parse_provider(body: Body) -> Live[OidcProvider]:
    issuer = str(body.get("issuer", ""))
    # Declared as scheme and host; the server answers the whole URL.
    return Live(OidcProvider.from_live({**body, "issuer": issuer.partition("/v1/")[0]}), attributes={"issuer": issuer})


KEYS = Folder("identity/oidc/key", plain(OidcKey))
SCOPES = Folder("identity/oidc/scope", plain(OidcScope))
ASSIGNMENTS = Folder("identity/oidc/assignment", plain(OidcAssignment))
CLIENTS = Folder("identity/oidc/client", _parse_client, whole=True)  # the list leaves out the client secrets
PROVIDERS = Folder("identity/oidc/provider", _parse_provider)


def _read_assignments(client: VaultClient, names: Names) -> Reading[OidcAssignment]:
    return with_names(client, ASSIGNMENTS.read(client, names), {"entities": "entity", "groups": "group"})


def _write_assignment(client: VaultClient, change: Change[OidcAssignment], _reveal: Reveal) -> None:
    path = ASSIGNMENTS.at(change.address.name)
    if change.after is None:
        client.delete(path)
    else:
        entities = ids_by_name(client, "entity", change.after.entities)
        groups = ids_by_name(client, "group", change.after.groups)
        client.write(path, {"entity_ids": entities, "group_ids": groups})


def _write_provider(client: VaultClient, change: Change[OidcProvider], reveal: Reveal) -> None:
    # An issuer that is not declared any more goes back to the server's own address.
    after = change.after.model_copy(update={"issuer": change.after.issuer or ""}) if change.after is not None else None
    PROVIDERS.write(client, replace(change, after=after), reveal)


def _key_problems(_name: str, spec: OidcKey) -> Iterator[str]:
    if spec.rotation_period < 60:
        yield f"rotation_period {show_duration(spec.rotation_period)} is shorter than the minute that the server asks for"
    if spec.verification_ttl > 10 * spec.rotation_period:
        yield "verification_ttl is larger than ten times rotation_period"


def _scope_problems(name: str, _spec: OidcScope) -> Iterator[str]:
    if name == "openid":
        yield "the scope openid is reserved by the server"


def _assignment_refs(_name: str, spec: OidcAssignment) -> Iterator[Ref]:
    yield from member_refs("entities", "vault.identity_entity", spec.entities)
    yield from member_refs("groups", "vault.identity_group", spec.groups)


def _client_problems(_name: str, spec: OidcClient) -> Iterator[str]:
    if spec.client_credentials and spec.client_type == "public":
        yield "client_credentials needs client_type: confidential"


def _client_refs(_name: str, spec: OidcClient) -> Iterator[Ref]:
    yield Ref("key", "vault.oidc_key", spec.key)
    for assignment in spec.assignments:
        yield Ref("assignments", "vault.oidc_assignment", assignment)


def _provider_refs(_name: str, spec: OidcProvider) -> Iterator[Ref]:
    for scope in spec.scopes_supported:
        yield Ref("scopes_supported", "vault.oidc_scope", scope)


OIDC_KEY = Kind(
    name="vault.oidc_key",
    paths=("identity/oidc/key/+",),
    backend="vault",
    spec=OidcKey,
    read=KEYS.read,
    write=KEYS.write,
    check=_key_problems,
    builtin=("default",),
)
OIDC_SCOPE = Kind(
    name="vault.oidc_scope",
    paths=("identity/oidc/scope/+",),
    backend="vault",
    spec=OidcScope,
    read=SCOPES.read,
    write=SCOPES.write,
    check=_scope_problems,
)
OIDC_ASSIGNMENT = Kind(
    name="vault.oidc_assignment",
    paths=("identity/oidc/assignment/+",),
    looks=("identity/entity/*", "identity/group/*"),
    backend="vault",
    spec=OidcAssignment,
    read=_read_assignments,
    write=_write_assignment,
    refs=_assignment_refs,
    builtin=("allow_all",),
)
OIDC_CLIENT = Kind(
    name="vault.oidc_client",
    paths=("identity/oidc/client/+",),
    backend="vault",
    spec=OidcClient,
    read=CLIENTS.read,
    write=CLIENTS.write,
    refs=_client_refs,
    check=_client_problems,
    immutable=frozenset({"key", "client_type"}),
)
OIDC_PROVIDER = Kind(
    name="vault.oidc_provider",
    paths=("identity/oidc/provider/+",),
    backend="vault",
    spec=OidcProvider,
    read=PROVIDERS.read,
    write=_write_provider,
    refs=_provider_refs,
    builtin=("default",),
    runtime=frozenset({"issuer"}),
)
