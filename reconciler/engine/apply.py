"""Apply: under the lock, re-plan, ask the guards, claim, write, record.

The ledger's head is written twice: once before the first change (claims, and that this run began) and once at the
end. Killed in between, the next plan reads the truth from the servers and knows from the claims what is ours.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from reconciler.core.address import Address
from reconciler.core.change import Action, Change
from reconciler.core.diff import kept_value, leave_out
from reconciler.core.errors import BackendError, LeaseLost, Missing, Refused, Stale
from reconciler.core.kind import AnyKind, Names
from reconciler.core.order import graph
from reconciler.core.owned import Claim, Owned
from reconciler.core.plan import Plan, change_json, stale_addresses
from reconciler.core.resource import Resource, ServerValue, dump, fill_in, fingerprint
from reconciler.core.run import ObjectRecord, RunRecord
from reconciler.core.secret import Secret
from reconciler.ledger.records import State
from reconciler.ledger.stack import after_run

from .execute import Outcome, Result, execute
from .plan import Planned, make_plan, with_notes
from .world import Wish, World


@dataclass(frozen=True, slots=True)
class Orders:
    """How an apply is to be done."""

    actor: str
    sort: str = "apply"  # or "rollback"
    allow: Collection[str] = ()
    targets: Collection[Address] = ()
    expect_digest: str = ""
    expect_changes: tuple[Mapping[str, Any], ...] | None = None  # a saved plan's
    undo_on_failure: bool = False
    stopping: Callable[[], bool] = lambda: False
    confirm: Callable[[Plan], bool] = lambda _plan: True


@dataclass(frozen=True, slots=True)
class Applied:
    """What a run did."""

    run: str
    planned: Planned
    results: tuple[Result, ...] = ()
    declined: bool = False
    unrecorded: str = ""  # why the ledger does not know of the end of this run

    @property
    def failed(self) -> bool:
        return bool(self.unrecorded) or any(result.outcome is not Outcome.APPLIED for result in self.results)

    @property
    def wrote(self) -> bool:
        return any(result.outcome is not Outcome.SKIPPED for result in self.results)

    @property
    def records(self) -> tuple[ObjectRecord, ...]:
        return _records(self.results)


def apply(world: World, wish: Wish, fence: int, orders: Orders, run: str) -> Applied:
    """Apply a commit under a lease, whose fence the ledger is told.

    Raises Refused (a guard said no, or it is not the plan that was reviewed); then nothing was written.
    """
    state, version = world.ledger.load()
    planned = make_plan(world, wish, state, targets=orders.targets, allow=orders.allow, rolling_back=orders.sort == "rollback")
    planned = _expected(planned, orders)
    if planned.plan.refusals:
        raise Refusal(planned.plan)
    if planned.plan.changes and not orders.confirm(planned.plan):
        return Applied(run, planned, declined=True)
    record = _began(world, wish, orders, planned.plan, run, state)
    begun = state
    if planned.plan.changes:
        begun = replace(state, claims={**state.claims, **_claims(world, planned.plan, run)}, runs=(record, *state.runs))
        version = world.ledger.save(begun, version, state, fence)
    results = _carry_out(world, planned, orders)
    undone: tuple[Result, ...] = ()
    if orders.undo_on_failure and any(result.outcome is Outcome.FAILED for result in results):
        undone = _undo(world, planned, results)
        results = _merged(results, undone)
    ended = _ended(world, wish, orders, planned, begun, record, results)
    try:
        world.ledger.save(ended, version, begun, fence, objects=_records(results))
    except (BackendError, LeaseLost) as error:
        # What was written is written; the claims of the first head tell the next run what of it is ours.
        return Applied(run, planned, results, unrecorded=str(error))
    world.ledger.collect()
    return Applied(run, planned, results)


class Refusal(Refused):
    """A guard said no. Carries the plan, which is still shown."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        super().__init__("\n".join(f"refused by {one.guard}: {one.address}: {one.message}" for one in plan.refusals))


def _expected(planned: Planned, orders: Orders) -> Planned:
    """Hold the plan against what was reviewed. Raises Stale."""
    plan = planned.plan
    if orders.expect_digest and plan.digest != orders.expect_digest:
        raise Stale(f"the plan is now {plan.digest}, not {orders.expect_digest} as reviewed: plan and review again")
    if orders.expect_changes is None:
        return planned
    stale = stale_addresses(orders.expect_changes, map(change_json, plan.changes))
    if stale:
        raise Stale("the saved plan is stale; these changes would come out otherwise now: " + ", ".join(stale))
    reviewed = {change["address"] for change in orders.expect_changes}
    kept = tuple(change for change in plan.changes if str(change.address) in reviewed)
    extra = tuple(str(change.address) for change in plan.changes if str(change.address) not in reviewed)
    notes = [f"{address}: changed since the plan was saved; not applied" for address in extra]
    return with_notes(replace(planned, plan=replace(plan, changes=kept)), notes)


def _began(world: World, wish: Wish, orders: Orders, plan: Plan, run: str, state: State) -> RunRecord:
    return RunRecord(
        id=run,
        sort=orders.sort,
        commit=wish.commit,
        previous=state.applied[-1] if state.applied else "",
        started=_now(world),
        finished="",
        outcome="running",
        digest=plan.digest,
        actor=orders.actor,
        summary=plan.summary,
    )


def _now(world: World) -> str:
    return world.now().strftime("%Y-%m-%dT%H:%M:%SZ")


def _claims(world: World, plan: Plan, run: str) -> dict[Address, Claim]:
    """One claim a create: by it a run that is killed leaves nothing unowned behind."""
    return {
        change.address: Claim(fingerprint(change.after, leave_out(world.kinds[change.address.kind])), run)
        for change in plan.changes
        if change.action in (Action.CREATE, Action.REPLACE) and change.after is not None
    }


def _carry_out(world: World, planned: Planned, orders: Orders) -> tuple[Result, ...]:
    def write(change: Change[Any]) -> Change[Any]:
        complete = _completed(world, planned, change)
        _write(world, complete)
        return complete

    def progress(done: int, total: int) -> None:
        world.progress("applying", done, total)

    return execute(planned.plan.changes, planned.order, write, stopping=orders.stopping, progress=progress)


def _write(world: World, change: Change[Any]) -> None:
    kind = world.kinds[change.address.kind]
    if not kind.declared and change.action not in (Action.ADOPT, Action.FORGET):
        kind.write(world.clients.client(kind.backend, change.address.place), change, world.sources.reveal)


def _remarked(world: World, change: Change[Any]) -> Change[Any]:
    """Remember the value that was written: a generated one had no mark when it was planned, a source may have moved."""
    updates = {}
    for name in world.kinds[change.address.kind].secrets if change.after is not None else ():
        secret = getattr(change.after, name)
        if isinstance(secret, Secret) and (mark := world.sources.used_mark(secret)):
            updates[name] = secret.model_copy(update={"mark": mark})
    return replace(change, after=change.after.model_copy(update=updates)) if updates and change.after is not None else change


def _completed(world: World, planned: Planned, change: Change[Any]) -> Change[Any]:
    """Fill in the server values that became known while this run went on."""
    open_values = [value for value in planned.values.get(change.address, ()) if value not in planned.known]
    if not open_values or change.after is None:
        return change
    known = {value: _look_up(world, value) for value in open_values}
    return replace(change, after=fill_in(change.after, known))


def _look_up(world: World, value: ServerValue) -> str:
    kind, place = world.kinds[value.address.kind], value.address.place
    reading = kind.read(world.clients.client(kind.backend, place), Names(frozenset({value.address.name})))
    live = reading.live.get(value.address.name)
    if live is None or value.attribute not in live.attributes:
        raise Missing(f"{value.address} has no {value.attribute} to refer to", path=str(value.address))
    return live.attributes[value.attribute]


def _undo(world: World, planned: Planned, results: Iterable[Result]) -> tuple[Result, ...]:
    """Take back what was applied, in reverse. What this run itself created may be deleted whatever it holds."""
    backwards = [_reversed(result.change) for result in results if result.outcome is Outcome.APPLIED]

    def write(change: Change[Any]) -> Change[Any]:
        _write(world, change)
        return change

    return execute(backwards, graph(world.kinds, backwards), write)


_OPPOSITE = {
    Action.CREATE: Action.DELETE,
    Action.DELETE: Action.CREATE,
    Action.UPDATE: Action.UPDATE,
    Action.REPLACE: Action.REPLACE,
    Action.ADOPT: Action.FORGET,
    Action.FORGET: Action.ADOPT,
}


def _reversed(change: Change[Any]) -> Change[Any]:
    return Change(change.address, _OPPOSITE[change.action], change.after, change.before, lifecycle=change.lifecycle)


def _merged(results: tuple[Result, ...], undone: tuple[Result, ...]) -> tuple[Result, ...]:
    back = {result.change.address: result for result in undone}
    merged = []
    for result in results:
        reverse = back.get(result.change.address)
        if reverse is None:
            merged.append(result)
        elif reverse.outcome is Outcome.APPLIED:
            merged.append(Result(result.change, Outcome.UNDONE))
        else:
            merged.append(Result(result.change, Outcome.APPLIED, f"could not be undone: {reverse.error}"))
    return tuple(merged)


def _ended(
    world: World, wish: Wish, orders: Orders, planned: Planned, state: State, begun: RunRecord, results: tuple[Result, ...]
) -> State:
    """The ledger after the run. Pure, but for the clock."""
    outcome = _verdict(results)
    record = begun._replace(finished=_now(world), outcome=outcome, summary=planned.plan.summary)
    # Marks are asked for at the end: two values generated at one path move each other's version.
    done = [_remarked(world, result.change) for result in results if result.outcome is Outcome.APPLIED]
    owned, declared, undone = dict(state.owned), dict(state.declared), dict(state.undone)
    for change in done:
        _own(world.kinds[change.address.kind], change, owned, declared, record.id)
        undone.pop(change.address, None)
        if orders.sort == "rollback" and change.action not in (Action.ADOPT, Action.FORGET):
            undone[change.address] = fingerprint(change.before) if change.before is not None else ""
    _refresh(world, planned, owned, record.id)
    settled = {result.change.address for result in results if result.outcome is not Outcome.FAILED}
    claims = {address: claim for address, claim in state.claims.items() if address not in settled and address not in owned}
    runs = (record, *(run for run in state.runs if run.id != record.id))
    ended = replace(state, owned=owned, declared=declared, undone=undone, claims=claims, runs=runs, limits=wish.limits)
    return after_run(ended, record, partial=bool(orders.targets) or orders.expect_changes is not None)


def _verdict(results: tuple[Result, ...]) -> str:
    if any(result.outcome is Outcome.UNDONE for result in results):
        return "undone"
    return "failed" if any(result.outcome is not Outcome.APPLIED for result in results) else "applied"


def _own(kind: AnyKind, change: Change[Any], owned: dict[Address, Owned], declared: dict[Address, Any], run: str) -> None:
    if change.after is None:
        owned.pop(change.address, None)
        declared.pop(change.address, None)
        return
    owned[change.address] = _memory(kind, change.address, change.after, change, run, owned.get(change.address))
    if kind.declared:
        declared[change.address] = dump(change.after)


def _memory(kind: AnyKind, address: Address, spec: Any, holder: Change[Any] | Resource[Any], run: str, before: Owned | None) -> Owned:
    kept = {name: kept_value(getattr(spec, name)) for name in (*kind.kept, *kind.secrets) if getattr(spec, name) is not None}
    for name, value in kept.items():
        secret, last = getattr(spec, name), before.kept.get(name) if before else None
        if isinstance(secret, Secret) and not secret.mark and isinstance(last, Mapping) and last.get("source") == secret.source:
            kept[name] = last  # this login could not compare it; what was known stays known
        else:
            kept[name] = value
    return Owned(holder.lifecycle, kind.loses(address.name, spec), kept, run)


def _refresh(world: World, planned: Planned, owned: dict[Address, Owned], run: str) -> None:
    """An unchanged object may have another lifecycle now: the last applied one decides from here on."""
    changing = {change.address for change in planned.plan.changes}
    for address, resource in planned.resources.items():
        before = owned.get(address)
        if before is not None and address not in changing:
            fresh = _memory(world.kinds[address.kind], address, resource.spec, resource, before.run, before)
            if fresh != before:
                owned[address] = fresh._replace(run=run)


def _records(results: Iterable[Result]) -> tuple[ObjectRecord, ...]:
    return tuple(
        ObjectRecord(
            str(result.change.address),
            result.change.action.value,
            dump(result.change.before) if result.change.before is not None else None,
            dump(result.change.after) if result.change.after is not None else None,
            result.outcome.value,
            result.error,
        )
        for result in results
    )


def new_run() -> str:
    """An id for a run: random, short enough to say aloud."""
    return uuid.uuid4().hex[:12]
