"""Apply: under the lock, re-plan, ask the guards, claim, write, record.

The ledger's head is written twice: once before the first change (claims, and that this run began) and once at the
end. Killed in between, the next plan reads the truth from the servers and knows from the claims what is ours.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from reconciler.audit.journal import RunRecorder
from reconciler.core.change import Action, Change
from reconciler.core.errors import Missing, ReconcilerError, Refused, Stale
from reconciler.core.kind import Names
from reconciler.core.plan import Plan, stale_addresses
from reconciler.core.resource import ServerValue, fill_in
from reconciler.core.run import ObjectRecord
from reconciler.ledger.records import State

from .execute import Outcome, Result, execute
from .orders import Orders
from .plan import Planned, make_plan
from .record import began, claims, ended, records
from .recorded import Recorded, answer_what_was_left, begin_run
from .undo import undo
from .world import Wish, World


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
        return records(self.results)


def apply(world: World, wish: Wish, fence: int, orders: Orders, run: str, recorder: RunRecorder) -> Applied:
    """Apply a commit under a lease, whose fence the ledger is told. The audit log is told before and after each change.

    Raises Refused (a guard said no, or it is not the plan that was reviewed); then nothing was written.
    """
    state, version = world.ledger.load()
    planned = make_plan(
        world,
        wish,
        state,
        targets=orders.targets,
        reviewed=None if orders.expect_changes is None else {change["address"] for change in orders.expect_changes},
        allow=orders.allow,
        rolling_back=orders.sort == "rollback",
    )
    _must_be_expected(planned.plan, orders)
    if planned.plan.refusals:
        raise Refusal(planned.plan)
    if planned.plan.changes and not orders.confirm(planned.plan):
        return Applied(run, planned, declined=True)
    with orders.finishing() as stopping:
        return _run(world, wish, fence, orders, run, planned, (state, version), stopping, recorder)


def _run(
    world: World,
    wish: Wish,
    fence: int,
    orders: Orders,
    run: str,
    planned: Planned,
    read: tuple[State, str],
    stopping: Callable[[], bool],
    recorder: RunRecorder,
) -> Applied:
    """Claim, write, record. `read`: the ledger as it was read, and its version."""
    state, version = read
    former = world.ledger.last_applied({change.address for change in planned.plan.changes}) if orders.sort == "rollback" else {}
    record = began(world, wish, orders, planned.plan, run, state)
    answer_what_was_left(recorder, wish, planned)
    begun, intent = state, ""
    if planned.plan.changes:
        intent = begin_run(recorder, wish, orders, planned)
        begun = replace(state, claims={**state.claims, **claims(world, planned.plan, run)}, runs=(record, *state.runs))
        version = world.ledger.save(begun, version, state, fence)
    results = _carried_out(world, planned, orders, stopping, recorder)
    last = ended(world, wish, orders, planned, begun, record, results, former)
    if intent:
        recorder.outcome_soon(intent, last.runs[0].outcome)
    try:
        world.ledger.save(last, version, begun, fence, objects=records(results))
    except ReconcilerError as error:
        # What was written is written; the claims of the first head tell the next run what of it is ours.
        return Applied(run, planned, results, unrecorded=str(error))
    world.ledger.collect()
    return Applied(run, planned, results)


def _carried_out(world: World, planned: Planned, orders: Orders, stopping: Callable[[], bool], recorder: RunRecorder) -> tuple[Result, ...]:
    """Write; take it back where that was asked for and something failed."""
    recorded = Recorded(recorder, orders.sort)
    results = _carry_out(world, planned, stopping, recorded)
    recorded.withdraw(results)
    if orders.undo_on_failure and any(result.outcome is Outcome.FAILED for result in results):
        back = Recorded(recorder, "undo")
        results = undo(planned.order, results, back.around(lambda change: _write(world, change)), announce=back.announce)
    return results


class Refusal(Refused):
    """A guard said no. Carries the plan, which is still shown."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        super().__init__("\n".join(f"refused by {one.guard}: {one.address}: {one.message}" for one in plan.refusals))


class StalePlan(Stale):
    """The plan is not the one that was reviewed. Carries it, to be shown as it is now."""

    def __init__(self, plan: Plan, message: str) -> None:
        self.plan = plan
        super().__init__(message)


def _must_be_expected(plan: Plan, orders: Orders) -> None:
    """Hold the plan against what was reviewed. Raises StalePlan."""
    if orders.expect_digest and plan.digest != orders.expect_digest:
        raise StalePlan(plan, f"the plan is now {plan.digest}, not {orders.expect_digest} as reviewed: plan and review again")
    stale = stale_addresses(orders.expect_changes or (), plan.shown)
    if stale:
        raise StalePlan(plan, "the saved plan is stale; these changes would come out otherwise now: " + ", ".join(stale))


def _carry_out(world: World, planned: Planned, stopping: Callable[[], bool], recorded: Recorded) -> tuple[Result, ...]:
    def write(change: Change[Any]) -> Change[Any]:
        return _write(world, _completed(world, planned, change))

    def progress(done: int, total: int) -> None:
        world.progress("applying", done, total)

    changes, order = planned.plan.changes, planned.order
    return execute(changes, order, recorded.around(write), announce=recorded.announce, stopping=stopping, progress=progress)


def _write(world: World, change: Change[Any]) -> Change[Any]:
    kind = world.kinds[change.address.kind]
    if not kind.declared and change.action not in (Action.ADOPT, Action.FORGET):
        kind.write(world.clients.client(kind.backend, change.address.place), change, world.sources.reveal)
    return change


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


def new_run() -> str:
    """An id for a run: random, short enough to say aloud."""
    return secrets.token_hex(6)
