"""References: what declared objects need of each other. Offline, what is not declared can only be noted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from reconciler.core.address import Address
from reconciler.core.errors import Problem
from reconciler.core.kind import Kinds, Ref
from reconciler.core.order import Graph, Index, cycle_problem, find_cycle, refs_of
from reconciler.core.resource import Resource, server_values

from .wording import suggestion

Resources = Mapping[Address, Resource[Any]]


class References(NamedTuple):
    """What is wrong, what cannot be known without a server, and which references name nothing declared."""

    problems: tuple[Problem, ...]
    notes: tuple[str, ...]
    dangling: tuple[tuple[Address, Ref], ...]


def check_references(resources: Resources, kinds: Kinds, expressive: Collection[Address]) -> References:
    """Resolve every reference. `expressive`: the addresses whose documents hold expressions, so that others are not searched."""
    index = Index(resources)
    hard: Graph = {}
    dangling: list[tuple[Address, Ref]] = []
    for address, resource in resources.items():
        for ref in refs_of(kinds, address, resource.spec):
            found = index.find(address.place, ref)
            if found is None:
                if not ref.hint and ref.kind in kinds:
                    dangling.append((address, ref))
            elif found != address and not ref.soft:
                hard.setdefault(address, set()).add(found)
    left = tuple(_not_builtin(dangling, kinds))
    problems, missing = _server_values(resources, kinds, expressive, hard)
    cycle = find_cycle(hard)
    if cycle:
        problems = (*problems, cycle_problem(cycle)._replace(where=str(resources[cycle[0]].origin)))
    return References(problems, (*_notes(left), *missing), left)


def _not_builtin(dangling: Iterable[tuple[Address, Ref]], kinds: Kinds) -> Iterator[tuple[Address, Ref]]:
    known: dict[tuple[str, str], bool] = {}  # thousands of roles name the policy `default`
    for address, ref in dangling:
        for name in _names(ref):
            if (ref.kind, name) not in known:
                known[ref.kind, name] = kinds[ref.kind].is_builtin(name)
        if not any(known[ref.kind, name] for name in _names(ref)):
            yield address, ref


def _names(ref: Ref) -> list[str]:
    """The names that a reference could mean: for a path within a mount, every path above it."""
    if not ref.within:
        return [ref.name]
    parts = ref.name.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]


def _server_values(
    resources: Resources, kinds: Kinds, expressive: Collection[Address], hard: Graph
) -> tuple[tuple[Problem, ...], list[str]]:
    problems: list[Problem] = []
    missing: list[str] = []
    for address in sorted(expressive):
        origin = str(resources[address].origin)
        for value in dict.fromkeys(server_values(resources[address].spec)):
            if value.address.kind not in kinds:
                near = suggestion(value.address.kind, kinds)
                problems.append(Problem(origin, str(address), f"ref() names the unknown kind `{value.address.kind}`", near))
            elif value.address in resources:
                hard.setdefault(address, set()).add(value.address)
            else:
                missing.append(f"{value.address} is not declared here; {address} needs its {value.attribute}")
    return tuple(problems), missing


def _notes(dangling: Iterable[tuple[Address, Ref]]) -> Iterator[str]:
    """One line for one missing name, however many need it."""
    needed: dict[str, list[Address]] = {}
    for address, ref in dangling:
        mount, below, _ = ref.name.partition("/")
        name = f"{mount}/..." if ref.within and below else ref.name
        needed.setdefault(str(Address(ref.kind, name, address.place)), []).append(address)
    for name, by in sorted(needed.items()):
        yield f"{name} is not declared here; needed by {by[0]}" + (f" and {len(by) - 1:,} more" if len(by) > 1 else "")
