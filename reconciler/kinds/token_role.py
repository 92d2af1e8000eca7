"""`vault.token_role`: roles of the built-in token auth method. Names have no mount."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from reconciler.core.kind import Kind, Ref
from reconciler.core.resource import Spec
from reconciler.core.values import FoldedSet, Seconds, Text

from .listed import Folder, plain
from .token_fields import Count, TokenCidrs


class TokenRole(Spec):
    """What tokens may be made with a role. Durations in seconds; the server reads policy names without regard to case."""

    allowed_policies: FoldedSet = ()
    allowed_policies_glob: FoldedSet = ()
    disallowed_policies: FoldedSet = ()
    disallowed_policies_glob: FoldedSet = ()
    allowed_entity_aliases: FoldedSet = ()
    orphan: bool = False
    renewable: bool = True
    path_suffix: Text = ""
    token_explicit_max_ttl: Seconds = 0
    token_period: Seconds = 0
    token_num_uses: Count = 0
    token_bound_cidrs: TokenCidrs = ()
    token_no_default_policy: bool = False
    token_type: Literal["default-service", "default-batch", "service", "batch"] = "default-service"


ROLES = Folder("auth/token/roles", plain(TokenRole))


def _refs(_name: str, spec: TokenRole) -> Iterator[Ref]:
    for policy in (*spec.allowed_policies, *spec.disallowed_policies):
        yield Ref("allowed_policies" if policy in spec.allowed_policies else "disallowed_policies", "vault.policy", policy, soft=True)


def _problems(_name: str, spec: TokenRole) -> Iterator[str]:
    if spec.token_type == "batch" and (spec.token_period or spec.renewable or not spec.orphan):
        yield "token_type batch needs orphan: true, renewable: false and no token_period"


TOKEN_ROLE = Kind(
    name="vault.token_role",
    paths=("auth/token/roles/+",),
    backend="vault",
    spec=TokenRole,
    read=ROLES.read,
    write=ROLES.write,
    refs=_refs,
    check=_problems,
)
