"""What the ledger is told of a run: claims before it, ownership and history after it. Pure, but for the clock."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from reconciler.core.address import Address
from reconciler.core.change import Action, Change
from reconciler.core.diff import kept_value, leave_out
from reconciler.core.kind import AnyKind
from reconciler.core.owned import Claim, Owned
from reconciler.core.plan import Plan
from reconciler.core.resource import Resource, dump, dump_fingerprint, fingerprint
from reconciler.core.run import ObjectRecord, RunRecord
from reconciler.core.secret import Secret
from reconciler.ledger.records import State
from reconciler.ledger.stack import after_run

from .execute import Outcome, Result
from .orders import Orders
from .plan import Planned
from .world import Wish, World

Former = Mapping[Address, Mapping[str, Any] | None]
"""What was last declared of objects, as ledgers record it."""


def began(world: World, wish: Wish, orders: Orders, plan: Plan, run: str, state: State) -> RunRecord:
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


def claims(world: World, plan: Plan, run: str) -> dict[Address, Claim]:
    """One claim a create: by it a run that is killed leaves nothing unowned behind."""
    return {
        change.address: Claim(fingerprint(change.after, leave_out(world.kinds[change.address.kind])), run)
        for change in plan.changes
        if change.action in (Action.CREATE, Action.REPLACE) and change.after is not None
    }


def ended(
    world: World,
    wish: Wish,
    orders: Orders,
    planned: Planned,
    state: State,
    begun: RunRecord,
    results: tuple[Result, ...],
    former: Former,
) -> State:
    """The ledger after the run. `former`: what a rollback takes back, as it was declared. Pure, but for the clock."""
    record = begun._replace(finished=_now(world), outcome=_verdict(results), summary=planned.plan.summary)
    # Marks are asked for at the end: two values generated at one path move each other's version.
    done = [_remarked(world, result.change) for result in results if result.outcome is Outcome.APPLIED]
    owned, declared = dict(state.owned), dict(state.declared)
    for change in done:
        _own(world.kinds[change.address.kind], change, owned, declared, record.id)
    _refresh(world, planned, owned, record.id)
    partial = bool(orders.targets) or orders.expect_changes is not None
    claims = _open_claims(state, results, partial=partial or not planned.plan.complete)
    ended = replace(
        state,
        owned=owned,
        declared=declared,
        undone=_undone(state, done, former) if orders.sort == "rollback" else _without(state.undone, done),
        claims={address: claim for address, claim in claims.items() if address not in owned},
        runs=(record, *(run for run in state.runs if run.id != record.id)),
        limits=wish.limits,
    )
    return after_run(ended, record, partial=partial)


def _open_claims(state: State, results: tuple[Result, ...], *, partial: bool) -> dict[Address, Claim]:
    """The claims of what failed half-way; after a partial look, also of what was not looked at.

    Any other came to nothing. Kept, it would make ours what somebody else makes there one day.
    """
    outcomes = {result.change.address: result.outcome for result in results}
    left = Outcome.FAILED if partial else None
    return {address: claim for address, claim in state.claims.items() if outcomes.get(address, left) is Outcome.FAILED}


def _without(undone: Mapping[Address, tuple[str, ...]], done: Iterable[Change[Any]]) -> dict[Address, tuple[str, ...]]:
    gone = {change.address for change in done}
    return {address: prints for address, prints in undone.items() if address not in gone}


def _undone(state: State, done: Iterable[Change[Any]], former: Former) -> dict[Address, tuple[str, ...]]:
    """What this rollback took back, beside what earlier ones did: a second one must not make the first one's welcome again."""
    undone = dict(state.undone)
    for change in done:
        if change.action not in (Action.ADOPT, Action.FORGET):
            found, back = _dump(change.before), dump_fingerprint(_dump(change.after))
            # As it was declared, since live may be spelled otherwise and shows no secrets; and as it was found, since a run
            # that was killed left no record.
            taken = (dump_fingerprint(former.get(change.address, found)), dump_fingerprint(found))
            undone[change.address] = tuple(dict.fromkeys((*undone.get(change.address, ()), *(one for one in taken if one != back))))
    return undone


def _dump(spec: Any) -> dict[str, Any] | None:
    return dump(spec) if spec is not None else None


def _remarked(world: World, change: Change[Any]) -> Change[Any]:
    """Remember the value that was written: a generated one had no mark when it was planned, a source may have moved."""
    updates = {}
    for name in world.kinds[change.address.kind].secrets if change.after is not None else ():
        secret = getattr(change.after, name)
        if isinstance(secret, Secret) and (mark := world.sources.used_mark(secret)):
            updates[name] = secret.model_copy(update={"mark": mark})
    return replace(change, after=change.after.model_copy(update=updates)) if updates and change.after is not None else change


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
    for address, resource in planned.unchanged.items():
        before = owned.get(address)
        if before is not None:
            fresh = _memory(world.kinds[address.kind], address, resource.spec, resource, before.run, before)
            if fresh != before:
                owned[address] = fresh._replace(run=run)


def records(results: Iterable[Result]) -> tuple[ObjectRecord, ...]:
    return tuple(
        ObjectRecord(
            str(result.change.address),
            result.change.action.value,
            _dump(result.change.before),
            _dump(result.change.after),
            result.outcome.value,
            result.error,
        )
        for result in results
    )
