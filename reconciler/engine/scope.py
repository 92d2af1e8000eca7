"""The scope of a plan for a pull request: what it touches, and what must be read to tell what that does.

Pure: two loaded states go in, so whatever a template, variable, overlay or expression changes is a changed resource.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from reconciler.core.address import Address, Place
from reconciler.core.kind import Kinds, Names
from reconciler.core.order import Index
from reconciler.core.resource import Resource, server_values
from reconciler.ledger.records import State

from .access import KINDS as ACCESS
from .access import KV_SECRET, SECRETS_ENGINE
from .survey import wanted
from .world import Clients, Wish

Resources = Mapping[Address, Resource[Any]]
Key = tuple[str, Place]


class Scope(NamedTuple):
    """What is compared, and what is only read beside it: whoever holds a changed policy is told of it."""

    touched: frozenset[Address]
    context: frozenset[Address] = frozenset()
    note: str = ""


def scope_of(kinds: Kinds, before: Resources, after: Resources, since: str) -> Scope:
    """What differs between two states, and with it what depends on that."""
    touched = {address for address in {*before, *after} if _said(before.get(address)) != _said(after.get(address))}
    moved = (after[address].lifecycle.moved_from for address in touched if address in after)
    touched |= {address for address in moved if address is not None}
    touched |= set(_dependent(kinds, before, after, touched))
    context = frozenset(_beside(kinds, before, after, touched)) - touched
    left = len(after.keys() - touched)
    note = f"only what changed since {since} was compared; {left:,} other declared objects were not (a plan without --changed-since does)"
    return Scope(frozenset(touched), context, note)


def _said(resource: Resource[Any] | None) -> Any:
    """What a document says of an object, wherever it stands."""
    return (resource.spec, resource.lifecycle) if resource is not None else None


def _dependent(kinds: Kinds, before: Resources, after: Resources, touched: Collection[Address]) -> Iterator[Address]:
    """Objects whose own documents are as they were, but not what they mean."""
    mounts = Index(address for address in touched if address.kind in kinds and kinds[address.kind].mount)
    removed = Index(before.keys() - after.keys())
    waiting = {address: {value.address for value in server_values(one.spec)} for address, one in after.items() if address not in touched}
    for address, resource in after.items():
        refs = kinds[address.kind].refs(address.name, resource.spec) if address in waiting else ()
        # What lies below a mount that is made anew is made anew; what names something that goes is in trouble.
        if any(removed.find(address.place, ref) or (ref.within and mounts.find(address.place, ref)) for ref in refs):
            yield address
    reached = set(touched)
    while following := {address for address, needs in waiting.items() if needs & reached} - reached:
        reached |= following  # an accessor of an accessor: a value may move on
    yield from reached - set(touched)


def _beside(kinds: Kinds, before: Resources, after: Resources, touched: Collection[Address]) -> Iterator[Address]:
    """Who names something touched, and what all of those name."""
    whole = {**before, **after}
    index, mine = Index(whole), Index(touched)
    said = [*before.values(), *after.values()]  # who held something counts as much as who will
    near = [one for one in said if one.address in touched or _names(kinds, mine, one)]
    for one in near:
        yield one.address
        for ref in kinds[one.address.kind].refs(one.address.name, one.spec):
            found = index.find(one.address.place, ref)
            if found is not None:
                yield found
        yield from (value.address for value in server_values(one.spec))
    yield from _counted(kinds, index, whole, touched)


def _counted(kinds: Kinds, index: Index, whole: Resources, touched: Collection[Address]) -> Iterator[Address]:
    """What tells how many secrets lie below a path: the mounts, and a secret in each, which brings the list of its mount."""
    places = {address.place for address in touched if address.kind in ACCESS}
    mounts: dict[Address | None, Address] = {}
    for address, resource in whole.items():
        if address.place in places and address.kind == KV_SECRET:
            held = next(iter(kinds[KV_SECRET].refs(address.name, resource.spec)))
            mounts.setdefault(index.find(address.place, held), address)
        elif address.place in places and address.kind == SECRETS_ENGINE:
            yield address
    yield from mounts.values()


def _names(kinds: Kinds, index: Index, resource: Resource[Any]) -> bool:
    address = resource.address
    refs = kinds[address.kind].refs(address.name, resource.spec)
    return any(not ref.within and index.find(address.place, ref) for ref in refs)


def narrowed(wish: Wish, state: State, scope: Scope | None) -> tuple[Wish, State]:
    """The part of a wish, and of what is owned, that is compared."""
    if scope is None:
        return wish, state
    resources = {address: one for address, one in wish.resources.items() if address in scope.touched}
    asked = wish._replace(
        resources=resources,
        dangling=tuple((address, ref) for address, ref in wish.dangling if address in resources),
        expressive=wish.expressive & resources.keys(),
        notes=(*wish.notes, scope.note),
    )
    owned = {address: one for address, one in state.owned.items() if address in scope.touched}
    claims = {address: one for address, one in state.claims.items() if address in scope.touched}
    return asked, replace(state, owned=owned, claims=claims)


def within_reach(clients: Clients, kinds: Kinds, state: State) -> State:
    """The part of what is owned that lies on instances which are there."""

    def there(address: Address) -> bool:
        return address.kind not in kinds or clients.has(kinds[address.kind].backend, address.place.instance)

    return replace(state, owned={address: one for address, one in state.owned.items() if there(address)})


def readings_for(kinds: Kinds, addresses: Iterable[Address], scope: Scope | None, declared: Iterable[Address]) -> dict[Key, Names]:
    """What to read. Readings of a narrow plan know of every declared mount too, as those of a whole one do."""
    if scope is None:
        return wanted(kinds, addresses)
    mounts: dict[Place, set[str]] = {}
    for address in declared:
        if address.kind in kinds and kinds[address.kind].mount:
            mounts.setdefault(address.place, set()).add(address.name)
    names = wanted(kinds, (*addresses, *scope.context))
    return {key: one._replace(mounts=tuple(sorted({*one.mounts, *mounts.get(key[1], ())}))) for key, one in names.items()}
