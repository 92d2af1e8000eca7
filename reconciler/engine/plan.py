"""Make a plan: survey, fill in what only the server knows, compare, order, ask the guards."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reconciler.core.address import Address
from reconciler.core.change import Action, Change
from reconciler.core.diff import Difference, Survey, diff
from reconciler.core.errors import Usage
from reconciler.core.guard import Circumstances, Refusal, lifted, refusals, standing
from reconciler.core.kind import Kinds, Names
from reconciler.core.order import Graph, graph, in_order
from reconciler.core.owned import Owned
from reconciler.core.plan import Header, Plan
from reconciler.core.resource import Resource, ServerValue, fill_in, server_values
from reconciler.core.secret import NOT_COMPARED, Secret
from reconciler.ledger.records import State

from .access import access_of
from .access_lints import lint_notes
from .lockout import Own, self_lockout, written_last
from .lockout_aws import aws_lockout
from .references import check_references
from .scope import Scope, narrowed, readings_for
from .survey import Ahead, survey, unknowns
from .world import Wish, World


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and what its apply needs: the order, and what was compared and found equal."""

    plan: Plan
    order: Graph
    unchanged: Mapping[Address, Resource[Any]]
    values: Mapping[Address, tuple[ServerValue, ...]]
    known: Mapping[ServerValue, str]


def make_plan(
    world: World,
    wish: Wish,
    state: State,
    *,
    ahead: Ahead | None = None,
    targets: Collection[Address] = (),
    reviewed: Collection[str] | None = None,
    allow: Collection[str] = (),
    rolling_back: bool = False,
    scope: Scope | None = None,
) -> Planned:
    """Compare a commit with live. Writes nothing. Raises Invalid for references to what will not exist.

    `scope` narrows what is read; `targets`, and the addresses of a saved plan that was `reviewed`, what the guards are asked of.
    """
    asked, kept = narrowed(wish, state, scope)
    values = {address: found for address, found in _values(asked) if found}
    readings = _read(world, wish, state, _addresses(world.kinds, asked, kept, values), scope, ahead)
    resources, known, found = _compare(world, asked, kept, readings, values)
    changes = {change.address: change for change in found.changes}
    notes = {*asked.notes, *found.notes, *check_references(world.kinds, wish, asked.dangling, readings, values, changes)}
    order = graph(world.kinds, found.changes, _waits(values))
    order = _narrowed(order, targets, {*wish.resources, *state.owned}) if targets else order
    notes |= {f"{address}: not in the plan that was saved, so not applied" for address in order if not _in(address, reviewed)}
    order = _only(order, reviewed)
    own = _own_logins(world, wish, readings, [changes[address] for address in order])
    order = written_last(order, own.policies)
    ordered = tuple(changes[address] for address in in_order(order))
    missing = unknowns(world.kinds, readings, found.unknown)
    said = refusals(ordered, _circumstances(world, wish, state, own.refusals, complete=not missing, rolling_back=rolling_back))
    today = world.now().date()
    lints = lint_notes(wish.resources, readings, ordered)
    notes |= {*_uncompared(world.kinds, resources, state.owned), *lifted(said, wish.approvals, today), *lints}
    plan = Plan(
        Header(wish.project, wish.environment, wish.commit, wish.dirty),
        ordered,
        unchanged=found.unchanged,
        unmanaged=found.unmanaged if scope is None else _strangers(found, wish, state),
        refusals=standing(said, allow, wish.approvals, today),
        unknown=missing,
        notes=tuple(sorted(notes)),
        access=access_of(readings, ordered, world.now()),
    )
    return Planned(plan, order, _settled(resources, found, targets, reviewed), values, known)


def _read(world: World, wish: Wish, state: State, addresses: Iterable[Address], scope: Scope | None, ahead: Ahead | None) -> Survey:
    names = readings_for(world.kinds, addresses, scope, wish.resources)
    return ahead.survey(names) if ahead else survey(world.kinds, names, world.clients, state.declared, world.progress)


def _own_logins(world: World, wish: Wish, readings: Survey, changes: Sequence[Change[Any]]) -> Own:
    return self_lockout(world, wish, readings, changes).joined(aws_lockout(world, wish, readings, changes))


def _strangers(found: Difference, wish: Wish, state: State) -> tuple[Address, ...]:
    """What is unmanaged, not what was only left out."""
    return tuple(address for address in found.unmanaged if address not in wish.resources and address not in state.owned)


def _circumstances(
    world: World, wish: Wish, state: State, locked_out: tuple[Refusal, ...], *, complete: bool, rolling_back: bool
) -> Circumstances:
    return Circumstances(
        kinds=world.kinds,
        owned=state.owned,
        limits=wish.limits.stricter(state.limits) if state.limits else wish.limits,
        desired=len(wish.resources),
        # A rollback is meant to go back; these two guards are about going forth again.
        undone={} if rolling_back else state.undone,
        astray=wish.astray(state.applied[-1]) if state.applied and not rolling_back else "",
        instances=wish.instances,
        complete=complete,
        dirty=wish.unsaved,
        locked_out=locked_out,
    )


def _settled(
    resources: Mapping[Address, Resource[Any]], found: Difference, targets: Collection[Address], reviewed: Collection[str] | None
) -> Mapping[Address, Resource[Any]]:
    """What the apply may take as done: compared, found equal, and not beside what was asked for."""
    if reviewed is not None:
        return {}
    open_ones = {*(change.address for change in found.changes), *found.unknown}
    asked = targets or resources
    return {address: resource for address, resource in resources.items() if address in asked and address not in open_ones}


def _uncompared(kinds: Kinds, resources: Mapping[Address, Resource[Any]], owned: Mapping[Address, Owned]) -> Iterator[str]:
    """What this login cannot compare is said: an apply may find it changed, where the plan shows nothing."""
    names = []
    for address, resource in resources.items():
        for name in kinds[address.kind].secrets if address in owned else ():
            secret = getattr(resource.spec, name)
            if isinstance(secret, Secret) and not secret.mark:
                names.append(f"{name} of {address}")
    if names:
        yield f"{NOT_COMPARED}: {', '.join(sorted(names))} (the key that they are compared by may not be read, or they are not set here)"


def _values(wish: Wish) -> Iterator[tuple[Address, tuple[ServerValue, ...]]]:
    for address in sorted(wish.expressive):
        yield address, tuple(dict.fromkeys(server_values(wish.resources[address].spec)))


def _addresses(kinds: Kinds, wish: Wish, state: State, values: Mapping[Address, tuple[ServerValue, ...]]) -> Iterator[Address]:
    """Everything that the survey must answer for."""
    yield from wish.resources
    yield from state.owned
    yield from state.claims
    for found in values.values():
        yield from (value.address for value in found)
    for address, ref in wish.dangling:
        if ref.kind in kinds:
            yield Address(ref.kind, ref.name, address.place)


def _compare(
    world: World, wish: Wish, state: State, readings: Survey, values: Mapping[Address, tuple[ServerValue, ...]]
) -> tuple[Mapping[Address, Resource[Any]], Mapping[ServerValue, str], Difference]:
    """Diff with the server values that are known; those of objects about to be replaced are not."""
    marked = _marked(world, wish.resources)
    replaced: set[Address] = set()
    while True:
        known = _known(readings, values, replaced)
        resources = dict(marked)
        for address in values:
            resources[address] = marked[address]._replace(spec=fill_in(marked[address].spec, known))
        found = diff(world.kinds, resources, readings, state.owned, state.claims)
        again = {change.address for change in found.changes if change.action is Action.REPLACE}
        if not {value.address for value in known} & again:
            return resources, known, found
        replaced |= again


def _known(readings: Survey, values: Mapping[Address, tuple[ServerValue, ...]], replaced: Collection[Address]) -> dict[ServerValue, str]:
    known = {}
    for value in {value for found in values.values() for value in found}:
        reading = readings.get((value.address.kind, value.address.place))
        live = reading.live.get(value.address.name) if reading else None
        if live is not None and value.address not in replaced and value.attribute in live.attributes:
            known[value] = live.attributes[value.attribute]
    return known


def _marked(world: World, resources: Mapping[Address, Resource[Any]]) -> Mapping[Address, Resource[Any]]:
    """Give each write-only field the mark of its source, by which it is compared."""
    found: dict[Address, dict[str, Secret]] = {}
    for address, resource in resources.items():
        fields = world.kinds[address.kind].secrets
        secrets = {name: secret for name in fields if isinstance(secret := getattr(resource.spec, name), Secret)}
        if secrets:
            found[address] = secrets
    if not found:
        return resources
    marks = world.sources.marks(secret for secrets in found.values() for secret in secrets.values())
    marked = dict(resources)
    for address, secrets in found.items():
        updates = {name: secret.model_copy(update={"mark": marks[secret.source]}) for name, secret in secrets.items()}
        marked[address] = resources[address]._replace(spec=resources[address].spec.model_copy(update=updates))
    return marked


def _waits(values: Mapping[Address, tuple[ServerValue, ...]]) -> dict[Address, list[Address]]:
    return {address: [value.address for value in found] for address, found in values.items()}


def _narrowed(order: Graph, targets: Iterable[Address], known: Collection[Address]) -> Graph:
    """The part of a graph that the targets need: themselves and what must be done before them."""
    strangers = [str(address) for address in targets if address not in known]
    if strangers:
        raise Usage("--target names what is neither declared nor owned: " + ", ".join(sorted(strangers)))
    kept: Graph = {}
    waiting = [address for address in targets if address in order]
    while waiting:
        address = waiting.pop()
        if address not in kept:
            kept[address] = order[address]
            waiting.extend(order[address])
    return kept


def _in(address: Address, reviewed: Collection[str] | None) -> bool:
    return reviewed is None or str(address) in reviewed


def _only(order: Graph, reviewed: Collection[str] | None) -> Graph:
    """The part of a graph that was reviewed. What waited for something by way of what is left out still waits for it."""
    if reviewed is None:
        return order
    through: Graph = {}
    for address in in_order(order):
        through[address] = set().union(*({one} if str(one) in reviewed else through[one] for one in order[address]))
    return {address: before for address, before in through.items() if str(address) in reviewed}


__all__ = ["Change", "Names", "Planned", "make_plan"]
