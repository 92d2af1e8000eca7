"""The guard `self_lockout` on AWS: a plan must not take from the role that applies it what it needs there.

The role is the one that the environment names to be assumed, else the one that this very run has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from reconciler.access.iam_lockout import iam_losses
from reconciler.access.iam_roles import POLICY, ROLE, Specs, named_in
from reconciler.core.address import Address, Place
from reconciler.core.change import Action, Change
from reconciler.core.diff import Survey
from reconciler.core.errors import BackendError

from .access import following, specs_of
from .lockout import Own, refusal
from .world import Wish, World


def aws_lockout(world: World, wish: Wish, readings: Survey, changes: Sequence[Change[Any]]) -> Own:
    """What the roles that apply depend on, and why the plan may be refused for it."""
    own = Own(frozenset())
    for instance in sorted({change.address.place.instance for change in changes if change.address.kind in (ROLE, POLICY)}):
        role = wish.aws_roles.get(instance) or _role(world, wish, instance)
        if role is not None:
            mine = [change for change in changes if change.address.place.instance == instance and change.action is not Action.ADOPT]
            own = own.joined(_of_role(role, wish, readings, mine))
    return own


def _role(world: World, wish: Wish, instance: str) -> Address | None:
    """The role that this run has, where it is the login that applies and no user."""
    if instance not in wish.own_aws:
        return None
    try:
        name = world.clients.client("aws", Place(instance)).role
    except BackendError:
        return None
    return Address(ROLE, name, Place(instance)) if name else None


def _of_role(role: Address, wish: Wish, readings: Survey, changes: Sequence[Change[Any]]) -> Own:
    before = specs_of(readings)
    after = following(before, changes)
    depends = frozenset({role, *_policies(role, before), *_policies(role, after)})
    culprits = sorted(change.address for change in changes if change.address in depends)
    if not culprits:
        return Own(depends)
    lost = iam_losses(role, before, after, _managed(wish, readings, role.place))
    return Own(depends, refusals=tuple(refusal(culprit, lost) for culprit in culprits if lost))


def _policies(role: Address, specs: Specs) -> Iterator[Address]:
    spec = specs.get(role)
    for arn in (*spec.managed_policies, spec.permissions_boundary) if spec is not None else ():
        named = named_in(arn, role.place) if arn else None
        if named is not None:
            yield named


def _managed(wish: Wish, readings: Survey, place: Place) -> Iterator[tuple[str, str]]:
    """(kind, ARN) of what is declared and there."""
    for (kind, where), reading in readings.items():
        if where == place and kind.startswith("aws."):
            for name, live in reading.live.items():
                if (kind, name, place) in wish.resources and "arn" in live.attributes:
                    yield kind, live.attributes["arn"]
