"""`vault.policy`: who may do what on which paths. Written as rules or as HCL, compared by meaning."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, model_validator

from reconciler.access.hcl import PolicyError
from reconciler.access.policy_text import read_policy
from reconciler.access.rules import Rules, canonical, render
from reconciler.backends.vault.client import VaultClient
from reconciler.core.change import Change
from reconciler.core.errors import BackendError, Denied
from reconciler.core.kind import Kind, Live, Names, Reading
from reconciler.core.resource import Spec
from reconciler.core.secret import Reveal

from .listed import Folder

_SETTINGS = ("cas_required", "allow_wildcards_in_identity_templates", "allow_slashes_in_identity_templates")
# OpenBao hands out the policy "root" without a text and refuses to change it; the last two are Vault's, and never listed.
_BUILTIN = ("root", "default", "response-wrapping", "control-group")


def _moment(given: object) -> str:
    """A point in time as the server returns it: UTC, in whole seconds. Empty means never."""
    if given in (None, ""):
        return ""
    # YAML parsers may have made a datetime of it.
    try:
        at = given if isinstance(given, datetime) else datetime.fromisoformat(str(given))
    except ValueError:
        raise ValueError(f"{given!r} is not a time (write 2027-01-31T12:00:00Z)") from None
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at.tzinfo else f"{at:%Y-%m-%dT%H:%M:%S}Z"


class PolicySpec(Spec):
    """The rules of a policy, whichever way they were written."""

    rules: Annotated[Rules, AfterValidator(canonical)] = ()
    hcl: str = ""
    """In YAML the text instead of rules, which it is turned into; on live what only the server can read."""
    cas_required: bool = False
    allow_wildcards_in_identity_templates: bool = False
    allow_slashes_in_identity_templates: bool = False
    expiration: Annotated[str, BeforeValidator(_moment)] = ""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, given: Any) -> Any:
        if not isinstance(given, Mapping) or not given.get("hcl"):
            return given
        if given.get("rules"):
            raise ValueError("takes either rules or hcl, not both")
        if not isinstance(given["hcl"], str):
            raise ValueError("hcl must be text")
        try:
            return {**given, "hcl": "", "rules": read_policy(given["hcl"])}
        except PolicyError as error:
            raise ValueError(f"hcl: {error}") from None


def _live(body: Mapping[str, Any]) -> Live[PolicySpec]:
    text = body.get("policy", body.get("rules")) or ""
    rules: Rules = ()
    with suppress(PolicyError):  # what we cannot read is compared by its text
        rules, text = read_policy(text), ""
    # Unvalidated on purpose: read_policy returns the canonical form, and thousands of policies are read for one plan.
    spec = PolicySpec.model_construct(
        rules=rules,
        hcl=text,
        cas_required=bool(body.get("cas_required")),
        allow_wildcards_in_identity_templates=bool(body.get("allow_wildcards_in_identity_templates")),
        allow_slashes_in_identity_templates=bool(body.get("allow_slashes_in_identity_templates")),
        expiration=_moment(body.get("expiration")),
    )
    return Live(spec, sys.intern(str(body.get("version") or "")))


_FOLDER = Folder("sys/policies/acl", _live, keep=lambda name: name not in _BUILTIN)


def _read(client: VaultClient, names: Names) -> Reading[PolicySpec]:
    """All texts in one request where the server has it (OpenBao), else one by one."""
    try:
        listing = client.list("sys/policies/detailed/acl")
    except Denied:
        listing = None
    except BackendError as error:
        # What servers say that do not know the path.
        if error.status not in (400, 404, 405):
            raise
        listing = None
    if listing is None or not listing.key_info:
        return _FOLDER.read(client, names)
    # The server lists every policy here, so a name that is not listed does not exist.
    bodies = {name: body for name, body in listing.key_info.items() if name not in _BUILTIN}
    # Each body goes once it is parsed, in the order in which they came: together they are larger than what is made of them.
    del listing
    asked = [name for name in bodies if names.everything or name in names.wanted]
    live = {name: _live(bodies.pop(name)) for name in asked}
    return Reading(live, (), frozenset(bodies))


def _write(client: VaultClient, change: Change[PolicySpec], _reveal: Reveal) -> None:
    path = f"sys/policies/acl/{change.address.name}"
    after = change.after
    if after is None:
        client.delete(path)
        return
    body: dict[str, Any] = {"policy": after.hcl or render(after.rules)}
    if client.dialect == "openbao":
        # An omitted setting is reset by the server.
        body |= {name: value for name in _SETTINGS if (value := getattr(after, name))}
        body |= {"expiration": after.expiration} if after.expiration else {}
        cas = change.version or ("-1" if change.before is None else "")
        body |= {"cas": int(cas)} if cas else {}
    client.write(path, body)


def _check(_name: str, spec: PolicySpec) -> Iterator[str]:
    if not spec.rules and not spec.hcl:
        yield "has no rules: the server refuses an empty policy (add a rule, or remove the document)"


POLICY = Kind(
    name="vault.policy",
    paths=("sys/policies/acl/*",),
    looks=("sys/policies/detailed/acl",),
    backend="vault",
    spec=PolicySpec,
    read=_read,
    write=_write,
    check=_check,
    fold=str.lower,
    builtin=_BUILTIN,
)
