"""Which login applies: the role that it is given by, and whether this very run has it."""

from __future__ import annotations

from typing import Any

from reconciler.core.address import Address, Place
from reconciler.desired.environments import Environment, VaultInstance

_ROLES = {
    "approle": "vault.approle_role",
    "jwt": "vault.jwt_role",
    "kubernetes": "vault.kubernetes_role",
    "cert": "vault.cert_role",
}


def own_login(environment: Environment, purpose: str, *, administrator: bool) -> dict[str, Any]:
    """The fields of a `Wish` that tell of the apply login of each instance."""
    place = environment.ledger
    roles = {name: role for name, declared in environment.vault.items() if (role := _role(name, declared)) is not None}
    mine = {name for name, declared in environment.vault.items() if purpose == "apply" or declared.auth.plan == declared.auth.apply}
    return {
        "apply_roles": roles,
        "own_tokens": frozenset() if administrator else frozenset(mine),
        "aws_roles": {
            name: Address("aws.iam_role", declared.role_arn.rpartition("/")[2], Place(name))
            for name, declared in environment.aws.items()
            if declared.role_arn
        },
        "own_aws": frozenset(environment.aws) if purpose == "apply" and not administrator else frozenset(),
        "ledger": ("", "") if place.s3 or place.file else (place.vault, place.mount),
    }


def _role(instance: str, declared: VaultInstance) -> Address | None:
    """The role, where the environment names it and it lies in a namespace that is managed here."""
    auth, own = declared.auth.apply, declared.namespace.strip("/")
    namespace = own if auth.namespace is None else auth.namespace.strip("/")
    below = f"{namespace}/".removeprefix(f"{own}/").strip("/") if own else namespace
    inside = namespace == own or not own or namespace.startswith(f"{own}/")
    if auth.method not in _ROLES or not auth.role or not inside:
        return None
    # Servers fold the names of roles.
    return Address(_ROLES[auth.method], f"{auth.path}/{auth.role.lower()}", Place(instance, below))
