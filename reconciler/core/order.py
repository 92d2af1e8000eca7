"""The order of changes: references alone decide it. Deletes go backwards."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from .address import HOME, Address, Place
from .change import Action, Change
from .errors import Invalid, Problem
from .kind import AnyKind, Kinds, Ref
from .secret import Secret

NAMESPACE = "vault.namespace"
ENGINE = "vault.secrets_engine"
AWS_SECRET = "aws.secret"

Graph = dict[Address, set[Address]]
"""Each address with those that must be done before it."""


class Index:
    """Finds which of a set of addresses a reference means."""

    def __init__(self, addresses: Iterable[Address]) -> None:
        self._names: dict[tuple[str, Place], set[str]] = {}
        for address in addresses:
            self._names.setdefault((address.kind, address.place), set()).add(address.name)

    def find(self, place: Place, ref: Ref) -> Address | None:
        """The address that `ref`, held in `place`, points to; None if it is not among them."""
        names = self._names.get((ref.kind, place), ())
        if not ref.within:
            return Address(ref.kind, ref.name, place) if ref.name in names else None
        path = ref.name
        while path and path not in names:
            path = path.rpartition("/")[0]
        return Address(ref.kind, path, place) if path else None

    def namespace_of(self, address: Address) -> Address | None:
        """The namespace object that holds this address, however it is named."""
        path = (
            f"{address.place.namespace}/{address.name.rpartition('/')[0]}".strip("/")
            if address.kind == NAMESPACE
            else address.place.namespace
        )
        instance = address.place.instance
        parent, leaf = "", path
        while leaf:
            found = Address(NAMESPACE, leaf, Place(instance, parent))
            if leaf in self._names.get((NAMESPACE, found.place), ()):
                return found
            head, _, leaf = leaf.partition("/")
            parent = f"{parent}/{head}".strip("/")
        return None


def refs_of(kinds: Kinds, address: Address, spec: Any) -> Iterable[Ref]:
    """The references that a spec holds."""
    return kinds[address.kind].refs(address.name, spec)


def graph(kinds: Kinds, changes: Sequence[Change[Any]], waits: Mapping[Address, Iterable[Address]] | None = None) -> Graph:
    """What must be done before what. `waits` adds edges found elsewhere (values that only the server knows).

    Raises Invalid for a cycle of hard references; soft ones give way.
    """
    by_address = {change.address: change for change in changes}
    index = Index(by_address)
    hard: Graph = {address: set() for address in by_address}
    soft: Graph = {address: set() for address in by_address}
    for change in changes:
        for before, after, is_soft in _edges(kinds, by_address, index, change):
            (soft if is_soft else hard)[after].add(before)
        for needed in (waits or {}).get(change.address, ()):
            if needed in by_address and by_address[needed].action is not Action.DELETE:
                hard[change.address].add(needed)
    for maker, reader in _makers(kinds, changes):
        soft[reader].add(maker)
    cycle = find_cycle(hard)
    if cycle:
        raise Invalid([cycle_problem(cycle)])
    joined = {address: hard[address] | soft[address] for address in hard}
    return joined if find_cycle(joined) is None else _without_soft_cycles(hard, soft)


def cycle_problem(cycle: Sequence[Address]) -> Problem:
    """Say what a cycle of references is, in one line."""
    path = " -> ".join(map(str, (*cycle, cycle[0])))
    return Problem("", "", f"references form a cycle: {path}", "take one of them out")


def _edges(
    kinds: Kinds, by_address: Mapping[Address, Change[Any]], index: Index, change: Change[Any]
) -> Iterator[tuple[Address, Address, bool]]:
    """(first, then, soft) for what one change has to do with the others."""
    address = change.address
    for place, ref in _needed(kinds, address, change.after):
        other = index.find(place, ref)
        if other and other != address and by_address[other].action not in (Action.DELETE, Action.FORGET):
            yield other, address, ref.soft
    for ref in _held(kinds, address, change.before):
        other = index.find(address.place, ref)
        if other and other != address and by_address[other].action is Action.DELETE:
            yield address, other, ref.soft
    moved = change.lifecycle.moved_from
    if moved is not None and moved in by_address and moved != address:
        yield address, moved, True
    holder = index.namespace_of(address)
    if holder and holder != address:
        yield (address, holder, False) if by_address[holder].action is Action.DELETE else (holder, address, False)


def _needed(kinds: Kinds, address: Address, spec: Any) -> Iterator[tuple[Place, Ref]]:
    """What must stand before a spec can be written, and where: what it names, and where its secrets come from."""
    yield from ((address.place, ref) for ref in _held(kinds, address, spec))
    # Sources lie at home, whatever the place of the object that takes a value from them.
    yield from ((HOME, ref) for ref in _sources(kinds[address.kind], spec))


def _sources(kind: AnyKind, spec: Any) -> Iterator[Ref]:
    for name in sorted(kind.secrets):
        secret = getattr(spec, name, None)
        if isinstance(secret, Secret) and secret.scheme == "vault":
            yield Ref(name, ENGINE, secret.location, soft=True, within=True)
        elif isinstance(secret, Secret) and secret.scheme == "aws":
            yield Ref(name, AWS_SECRET, secret.location, soft=True)


def _makers(kinds: Kinds, changes: Iterable[Change[Any]]) -> Iterator[tuple[Address, Address]]:
    """(who generates a value, who takes it from where it is kept): before the first apply it is not there."""
    taken = []
    for change in changes:
        for name in sorted(kinds[change.address.kind].secrets) if change.after is not None else ():
            if isinstance(secret := getattr(change.after, name), Secret):
                taken.append((change.address, secret))
    makers = {secret.source: address for address, secret in taken if secret.generate}
    for address, secret in taken:
        maker = makers.get(secret.source)
        if maker and not secret.generate and maker != address:
            yield maker, address


def _held(kinds: Kinds, address: Address, spec: Any) -> Iterable[Ref]:
    return refs_of(kinds, address, spec) if spec is not None else ()


def find_cycle(graph: Graph) -> list[Address] | None:
    """Some cycle of the graph, each waiting for the next; None if there is none."""
    left = _tangled(graph)
    if not left:
        return None
    path: dict[Address, None] = {}  # a set that keeps its order
    here = min(left)
    while here not in path:
        path[here] = None
        here = min(left[here])
    cycle = list(path)[list(path).index(here) :]
    first = cycle.index(min(cycle))
    return cycle[first:] + cycle[:first]


def _tangled(graph: Graph) -> Graph:
    """The part of the graph that waits for itself: what is left when everything that can start has ended."""
    left = graph.keys() - set(in_order(graph))
    return {address: graph[address] & left for address in left}


def _followers(graph: Graph) -> Graph:
    followers: Graph = {}
    for address, before in graph.items():
        for one in before:
            followers.setdefault(one, set()).add(address)
    return followers


def _without_soft_cycles(hard: Graph, soft: Graph) -> Graph:
    """Leave out the soft edges inside the tangle: without them only hard ones are left there, which have no cycle."""
    waits = _tangled({address: hard[address] | soft[address] for address in hard})
    # Peeled from the other end too: what only comes after a cycle keeps its soft edges.
    tangle = _tangled({address: set() for address in waits} | _followers(waits))
    return {
        address: hard[address] | {before for before in soft[address] if address not in tangle or before not in tangle} for address in hard
    }


def in_order(graph: Graph) -> list[Address]:
    """The addresses, each after all that it waits for; ties by address. What waits for itself is left out."""
    waiting = {address: len(before & graph.keys()) for address, before in graph.items()}
    followers = _followers(graph)
    ready = [address for address, count in waiting.items() if not count]
    heapq.heapify(ready)
    order = []
    while ready:
        address = heapq.heappop(ready)
        order.append(address)
        for follower in followers.get(address, ()):
            waiting[follower] -= 1
            if not waiting[follower]:
                heapq.heappush(ready, follower)
    return order
