"""What a plan changes in who may do what: gathers what the pure functions of `reconciler.access` need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from reconciler.access.beneath import Beneath
from reconciler.access.effect import Effect, effects
from reconciler.access.holders import VAULT_KINDS
from reconciler.access.iam_effect import IamEffect, iam_effects
from reconciler.access.iam_roles import IAM_KINDS
from reconciler.core.address import Address, Place
from reconciler.core.change import Action, Change
from reconciler.core.diff import Survey

KV_SECRET, SECRETS_ENGINE = "vault.kv_secret", "vault.secrets_engine"
KINDS = (*VAULT_KINDS, *IAM_KINDS)
"""Kinds that say anything about who may do what."""
_WRITES = (Action.CREATE, Action.UPDATE, Action.REPLACE, Action.DELETE)


def access_of(readings: Survey, changes: Iterable[Change[Any]], now: datetime) -> tuple[Mapping[str, Any], ...]:
    """The effective access changes of a plan, as its JSON has them. Empty where nothing changes that access depends on."""
    written = [change for change in changes if change.action in _WRITES]
    mine = [change for change in written if change.address.kind in KINDS]
    if not mine:
        return ()
    before = specs_of(readings)
    after = following(before, mine)
    changed = {change.address for change in mine}
    count = _Counts(readings, written)
    found = [as_json(effect, count.of(effect)) for effect in effects(before, after, changed, now)]
    return (*found, *(as_json(effect, None) for effect in iam_effects(before, after, changed)))


def following(before: Mapping[Address, Any], changes: Iterable[Change[Any]]) -> dict[Address, Any]:
    """The specs after some changes."""
    after = dict(before)
    for change in changes:
        if change.after is not None:
            after[change.address] = change.after
        elif change.action is Action.DELETE:
            after.pop(change.address, None)
    return after


def specs_of(readings: Survey) -> dict[Address, Any]:
    """What a survey read of everything that says who may do what."""
    found: dict[Address, Any] = {}
    for (kind, place), reading in readings.items():
        if kind in KINDS:
            for name, live in reading.live.items():
                found[Address(kind, name, place)] = live.spec
    return found


def as_json(effect: Effect | IamEffect, secrets: int | None) -> dict[str, Any]:
    """One entry of a plan's `access`."""
    return {
        "subject": str(effect.subject),
        "path": effect.path,
        "gains": list(effect.gains),
        "loses": list(effect.loses),
        "via": [str(policy) for policy in effect.via],
        "secrets": secrets,
    }


class _Counts:
    """Counts secrets beneath paths, place by place, when first asked."""

    def __init__(self, readings: Survey, changes: Iterable[Change[Any]]) -> None:
        self._readings = readings
        self._changes = [change for change in changes if change.address.kind in (KV_SECRET, SECRETS_ENGINE)]
        self._places: dict[Place, Beneath] = {}

    def of(self, effect: Effect) -> int | None:
        place = effect.subject.place
        if place not in self._places:
            self._places[place] = Beneath(self._names(KV_SECRET, place), set(self._names(SECRETS_ENGINE, place)))
        return self._places[place].count(effect.path)

    def _names(self, kind: str, place: Place) -> Iterator[str]:
        """What exists, and what will."""
        reading = self._readings.get((kind, place))
        known = {*reading.live, *reading.seen} if reading is not None else set()
        made = (change.address for change in self._changes if change.after is not None)
        yield from known | {address.name for address in made if (address.kind, address.place) == (kind, place)}
