"""`vault.jwt_role`: roles of JWT and OIDC auth methods. Names are MOUNT/ROLE; the server lower-cases the role."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema

from reconciler.core.kind import Kind
from reconciler.core.values import Seconds, StringMap, StringSet, Text, parse_duration

from .listed import Folder, plain
from .token_fields import Count, TokenFields, fold_leaf, role_refs, token_problems


def _leeway(given: object) -> int:
    """Negative means "no leeway", which is not the same as 0, "the default leeway"."""
    text = str(given).strip()
    return -1 if text.startswith("-") else parse_duration(given)


def _claims(given: object) -> object:
    """One allowed value and a list of one are the same bound; lists have no order."""
    if not isinstance(given, Mapping):
        return given
    return {
        str(claim): tuple(sorted(set(bound), key=repr)) if isinstance(bound, list | tuple) else (bound,)
        for claim, bound in sorted(given.items())
    }


Leeway = Annotated[int, BeforeValidator(_leeway), WithJsonSchema({"type": ["integer", "string"], "description": "a duration; -1: none"})]
Claims = Annotated[
    dict[str, tuple[Any, ...]],  # a claim may be of any JSON type
    BeforeValidator(_claims),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["string", "number", "boolean", "array"]}}),
]


class JwtRole(TokenFields):
    """Who a JWT must belong to, and what login gives. `bound_claims` maps a claim to one or several allowed values."""

    role_type: Literal["oidc", "jwt"] = "oidc"
    user_claim: str
    user_claim_json_pointer: bool = False
    bound_audiences: StringSet = ()
    bound_subject: Text = ""
    bound_claims: Claims = {}
    bound_claims_type: Literal["string", "glob"] = "string"
    claim_mappings: StringMap = {}
    groups_claim: Text = ""
    allowed_redirect_uris: StringSet = ()
    callback_mode: Text = "client"
    poll_interval: Count = 0
    oidc_scopes: StringSet = ()
    oidc_disable_confirmation: bool = False
    oauth2_metadata: StringSet = ()
    max_age: Seconds = 0
    clock_skew_leeway: Leeway = 0
    expiration_leeway: Leeway = 0
    not_before_leeway: Leeway = 0
    token_policies_template_claims: bool = False
    verbose_oidc_logging: bool = False


ROLES = Folder("auth/{mount}/role", plain(JwtRole), frozenset({"jwt", "oidc"}))


def _problems(name: str, spec: JwtRole) -> Iterator[str]:
    yield from token_problems(name, spec)
    if spec.role_type == "oidc" and not spec.allowed_redirect_uris:
        yield "role_type oidc (the default) needs allowed_redirect_uris; write role_type: jwt for logins of machines"
    if spec.role_type == "jwt" and not (spec.bound_audiences or spec.bound_subject or spec.bound_claims or spec.token_bound_cidrs):
        yield "anybody whom the issuer knows could log in: set bound_audiences, bound_subject, bound_claims or token_bound_cidrs"


JWT_ROLE = Kind(
    name="vault.jwt_role",
    paths=("auth/{mount}/role/+",),
    backend="vault",
    spec=JwtRole,
    read=ROLES.read,
    write=ROLES.write,
    refs=role_refs,
    check=_problems,
    fold=fold_leaf,
)
