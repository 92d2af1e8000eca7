"""Who gains or loses what by a change of policies, roles, groups and entities.

The subject is whoever names the policy: a member of a group is told of only where the group's own line does not say it
(it joined or left, or another policy of its own makes the difference).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import NamedTuple

from reconciler.core.address import Address

from .book import Book
from .compare import Difference, Policies, Shapes, differences
from .holders import ALIAS, ENTITY, POLICY, SUBJECTS, USER, Holders, Specs
from .vault_acl import Policy


class Effect(NamedTuple):
    """What one subject gains and loses on one family of paths, and by which policies."""

    subject: Address
    path: str
    gains: tuple[str, ...]
    loses: tuple[str, ...]
    via: tuple[Address, ...]


class Side(NamedTuple):
    """One of the two states that are compared."""

    holders: Holders
    book: Book


def effects(before: Specs, after: Specs, changed: Collection[Address], now: datetime | None = None) -> tuple[Effect, ...]:
    """Compare two states. `changed`: the addresses whose specs differ, which are all that is looked at, with who depends on them."""
    old_book = Book(before, now)
    old, new = Side(Holders(before), old_book), Side(Holders(after), Book(after, now, old_book))
    direct = _direct(old.holders, new.holders, changed)
    indirect = _members(direct, (old.holders, new.holders)) - direct
    told: dict[Address, list[Effect]] = {}
    compare = _Comparison(old, new)
    for subject in sorted(direct):
        if found := compare.of(subject):
            told[subject] = found
    for subject in sorted(indirect):
        said = _said_of_groups(subject, (old.holders, new.holders), told)
        if found := [one for one in compare.of(subject) if (one.path, one.gains, one.loses) not in said]:
            told[subject] = found
    return tuple(one for subject in sorted(told) for one in told[subject])


def _direct(old: Holders, new: Holders, changed: Collection[Address]) -> set[Address]:
    """Changed subjects, and those that name a changed policy; the policy itself where nobody is known to name it."""
    policies = {address for address in changed if address.kind == POLICY}
    found = {address for address in changed if address.kind in SUBJECTS}
    found |= {Address(USER, address.name, address.place) for address in changed if address.kind == ALIAS}
    naming = [*old.naming(policies), *new.naming(policies)] if policies else []
    found |= {subject for subject, _ in naming}
    return found | (policies - {policy for _, policy in naming})


def _members(subjects: Iterable[Address], sides: Iterable[Holders]) -> set[Address]:
    """Everybody who has policies through these subjects, before or after."""
    found: set[Address] = set()
    waiting = list(subjects)
    while waiting:
        holder = waiting.pop()
        fresh = {member for side in sides for member in side.members(holder)} - found
        found |= fresh
        waiting.extend(fresh)
    return found


def _said_of_groups(subject: Address, sides: Iterable[Holders], told: Mapping[Address, list[Effect]]) -> set[tuple[object, ...]]:
    through = {holder for side in sides for holder in side.through(subject)}
    return {(one.path, one.gains, one.loses) for holder in through for one in told.get(holder, ())}


class _Comparison:
    """Compares what a subject holds in both states; equal pairs of sets are compared once."""

    def __init__(self, old: Side, new: Side) -> None:
        self._old = old
        self._new = new
        self._shapes = Shapes()
        self._done: dict[tuple[Policies, Policies], tuple[Difference, ...]] = {}

    def of(self, subject: Address) -> list[Effect]:
        old, new = self._held(subject)
        key = (tuple(old.values()), tuple(new.values()))
        found = self._done.get(key)
        if found is None:
            found = self._done[key] = differences(*key, subject.place.namespace, self._shapes)
        if not found:
            return []
        names = {policy: address for side in (old, new) for address, policy in side.items()}
        return [Effect(subject, one.path, one.gains, one.loses, tuple(sorted({names[policy] for policy in one.by}))) for one in found]

    def _held(self, subject: Address) -> tuple[dict[Address, Policy], dict[Address, Policy]]:
        """The policies of both states. Who logs in at all has `default`: it is no news of a role that is made or deleted."""
        old, new = list(self._old.holders.held(subject)), list(self._new.holders.held(subject))
        default = Address(POLICY, "default", subject.place)
        if subject not in self._old.holders.specs and default in new:
            old = [default]
        if subject not in self._new.holders.specs and default in old:
            new = [default]
        if self._reworded(subject):
            return _filled(self._old, subject, old), _filled(self._new, subject, new)
        return {name: self._old.book.policy(name) for name in old}, {name: self._new.book.policy(name) for name in new}

    def _reworded(self, subject: Address) -> bool:
        """Whether templates give an entity other paths than before: else they are compared as they are written."""
        if subject.kind != ENTITY:
            return False
        old, new = self._old.holders.specs.get(subject), self._new.holders.specs.get(subject)
        return old is not None and new is not None and old.metadata != new.metadata


def _filled(side: Side, entity: Address, names: Iterable[Address]) -> dict[Address, Policy]:
    who = side.holders.identity(entity)
    return {name: side.book.policy(name, who) for name in names}
