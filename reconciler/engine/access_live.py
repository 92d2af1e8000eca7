"""Who may do what on the servers themselves: reads everything that access depends on, in every namespace."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from reconciler.access.holders import POLICY, VAULT_KINDS
from reconciler.access.iam_roles import POLICY as IAM_POLICY
from reconciler.access.iam_roles import ROLE, SECRET
from reconciler.core.address import Address, Place
from reconciler.core.diff import Survey
from reconciler.core.errors import BackendError, Denied
from reconciler.core.order import NAMESPACE

from .access import specs_of
from .inventory import Territory, take_inventory
from .world import World


class Seen(NamedTuple):
    """The specs of everything that decides about access, and what of it could not be read."""

    specs: dict[Address, Any]
    unread: tuple[str, ...]


def live_access(world: World, backend: str, instance: str, *, secrets: bool = False) -> Seen:
    """Read one instance. `secrets`: with the policies of AWS secrets, which cost a request each. Raises BackendError."""
    wanted = {"vault": (*VAULT_KINDS, NAMESPACE), "aws": (ROLE, IAM_POLICY, *([SECRET] if secrets else []))}[backend]
    kinds = {name: world.kinds[name] for name in wanted}
    found = take_inventory(kinds, [Territory(backend, instance)], world.clients, (), world.progress)
    for reason in found.unreached.values():
        raise BackendError(reason)
    places = {place for kind, place in found.readings if kind == POLICY}
    return Seen({**specs_of(found.readings), **dict(_defaults(world, places))}, tuple(_unread(found.readings)))


def _defaults(world: World, places: Iterable[Place]) -> Iterator[tuple[Address, Any]]:
    """The policy `default` of each namespace, which is no kind's: it may have been rewritten."""
    for place in sorted(places):
        try:
            body = world.clients.client("vault", place).read("sys/policies/acl/default")
        except Denied:
            continue
        if body and body.get("policy"):
            yield Address(POLICY, "default", place), world.kinds[POLICY].spec.model_validate({"hcl": body["policy"]})


def _unread(readings: Survey) -> Iterator[str]:
    for (kind, place), reading in sorted(readings.items()):
        for gap in reading.gaps:
            yield f"{kind} {gap.prefix or '(all)'} in {place}: lacks {gap.reason or f'{gap.capability} on {gap.path}'}"
