"""`vault.ssh_role`: what an SSH engine signs or hands out. Names are MOUNT/ROLE. The endpoint replaces: every field is sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from reconciler.backends.vault.client import VaultClient
from reconciler.core.change import Change
from reconciler.core.kind import Kind, Ref
from reconciler.core.resource import Spec
from reconciler.core.secret import Reveal
from reconciler.core.values import Seconds, StringMap, StringSet, Text, show_duration

from .listed import Folder, body_of, plain


def _issuer(given: object) -> object:
    """An empty reference is the default issuer."""
    return given or "default"


def _lengths(given: object) -> object:
    """One length and a list of one are the same."""
    if not isinstance(given, Mapping):
        return given
    return {str(key): tuple(sorted(lengths)) if isinstance(lengths, list | tuple) else (lengths,) for key, lengths in sorted(given.items())}


KeyLengths = Annotated[dict[str, tuple[int, ...]], BeforeValidator(_lengths)]


class SshRole(Spec):
    """Signed keys (`key_type: ca`) or one-time passwords (`otp`). What the server keeps as `a,b` is a set here."""

    key_type: Literal["ca", "otp"]
    default_user: Text = ""
    allowed_users: StringSet = ()
    port: Annotated[int, Field(ge=1, le=65535)] = 22
    cidr_list: StringSet = ()
    exclude_cidr_list: StringSet = ()
    ttl: Seconds = 0
    max_ttl: Seconds = 0
    not_before_duration: Seconds = 30
    allow_user_certificates: bool = False
    allow_host_certificates: bool = False
    allow_bare_domains: bool = False
    allow_subdomains: bool = False
    allow_user_key_ids: bool = False
    allow_empty_principals: bool = False
    allow_commas_in_identity_templates: bool = False
    allow_wildcards_in_identity_templates: bool = False
    allowed_domains: StringSet = ()
    allowed_domains_template: bool = False
    allowed_users_template: bool = False
    default_user_template: bool = False
    default_extensions_template: bool = False
    allowed_critical_options: StringSet = ()
    allowed_extensions: StringSet = ()
    default_critical_options: StringMap = {}
    default_extensions: StringMap = {}
    allowed_user_key_lengths: KeyLengths = {}
    algorithm_signer: Text = "default"
    issuer_ref: Annotated[str, BeforeValidator(_issuer)] = "default"
    key_id_format: Text = ""


ROLES = Folder("{mount}/roles", plain(SshRole), frozenset({"ssh"}))
_OTP_FIELDS = ("key_type", "default_user", "allowed_users", "port", "cidr_list", "exclude_cidr_list")
_OTP_ONLY = ("port", "cidr_list", "exclude_cidr_list")


def _body(spec: SshRole, reveal: Reveal) -> dict[str, Any]:
    body = body_of(spec, reveal)
    return {name: ",".join(value) if isinstance(value, tuple) else value for name, value in body.items() if _applies(spec, name)}


def _applies(spec: SshRole, name: str) -> bool:
    return name in _OTP_FIELDS if spec.key_type == "otp" else name not in _OTP_ONLY


def _write(client: VaultClient, change: Change[SshRole], reveal: Reveal) -> None:
    path = ROLES.at(change.address.name)
    if change.after is None:
        client.delete(path)
    else:
        client.write(path, _body(change.after, reveal))


def _refs(name: str, _spec: SshRole) -> Iterator[Ref]:
    yield Ref("name", "vault.secrets_engine", name, within=True)


def _problems(_name: str, spec: SshRole) -> Iterator[str]:
    if 0 < spec.max_ttl < spec.ttl:
        yield f"ttl {show_duration(spec.ttl)} is larger than max_ttl {show_duration(spec.max_ttl)}"
    if spec.key_type == "ca" and not (spec.allow_user_certificates or spec.allow_host_certificates):
        yield "key_type ca needs allow_user_certificates or allow_host_certificates"
    if spec.key_type == "otp" and not spec.default_user:
        yield "key_type otp needs default_user"
    for name, shape in SshRole.model_fields.items():
        if getattr(spec, name) != shape.default and not _applies(spec, name):
            yield f"{name} has no meaning with key_type {spec.key_type} (remove it)"


SSH_ROLE = Kind(
    name="vault.ssh_role",
    paths=("{mount}/roles/+",),
    backend="vault",
    spec=SshRole,
    read=ROLES.read,
    write=_write,
    refs=_refs,
    check=_problems,
)
