"""`vault.approle_role`: roles of AppRole auth methods. Names are MOUNT/ROLE; the server lower-cases the role."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Annotated

from pydantic import AfterValidator

from reconciler.backends.vault.client import VaultClient
from reconciler.core.change import Action, Change
from reconciler.core.kind import Kind
from reconciler.core.secret import Reveal
from reconciler.core.values import Seconds, StringSet

from .listed import Folder, body_of, plain
from .token_fields import Count, TokenFields, fold_leaf, role_refs, token_problems


def _networks(given: tuple[str, ...]) -> tuple[str, ...]:
    for network in given:
        if "/" not in network:
            raise ValueError(f"{network!r} has no mask (the server takes {network}/32 here)")
        ipaddress.ip_interface(network)
    return given


class ApproleRole(TokenFields):
    """A machine's login by role id and secret id. Lists are sets; durations in seconds."""

    bind_secret_id: bool = True
    secret_id_bound_cidrs: Annotated[StringSet, AfterValidator(_networks)] = ()
    secret_id_num_uses: Count = 0
    secret_id_ttl: Seconds = 0
    local_secret_ids: bool = False


ROLES = Folder("auth/{mount}/role", plain(ApproleRole), frozenset({"approle"}))


def _write(client: VaultClient, change: Change[ApproleRole], reveal: Reveal) -> None:
    if change.after is None or change.before is None or change.action is Action.REPLACE:
        ROLES.write(client, change, reveal)
    else:
        # The server refuses `local_secret_ids` in any update, even an equal one.
        body = {name: value for name, value in body_of(change.after, reveal).items() if name != "local_secret_ids"}
        client.write(ROLES.at(change.address.name), body)


def _problems(name: str, spec: ApproleRole) -> Iterator[str]:
    yield from token_problems(name, spec)
    if not (spec.bind_secret_id or spec.secret_id_bound_cidrs or spec.token_bound_cidrs):
        yield "without bind_secret_id a role needs secret_id_bound_cidrs or token_bound_cidrs"


APPROLE_ROLE = Kind(
    name="vault.approle_role",
    paths=("auth/{mount}/role/+",),
    backend="vault",
    spec=ApproleRole,
    read=ROLES.read,
    write=_write,
    refs=role_refs,
    check=_problems,
    fold=fold_leaf,
    immutable=frozenset({"local_secret_ids"}),
)
