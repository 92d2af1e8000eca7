"""Taking back what a run applied, in reverse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from reconciler.core.change import Action, Change
from reconciler.core.order import Graph

from .execute import Outcome, Result, execute


def undo(
    order: Graph,
    results: tuple[Result, ...],
    write: Callable[[Change[Any]], Change[Any]],
    *,
    announce: Callable[[Sequence[Change[Any]]], None] = lambda _changes: None,
) -> tuple[Result, ...]:
    """Take back what was applied, in reverse of the order it was done in, and return the results as they are then.

    What this run itself created may be deleted whatever it holds: nobody had it before.
    """
    backwards = [_reversed(result.change) for result in results if result.outcome is Outcome.APPLIED]
    return _merged(results, execute(backwards, _turned(order), write, announce=announce))


def _turned(order: Graph) -> Graph:
    turned: Graph = {address: set() for address in order}
    for address, before in order.items():
        for one in before:
            turned[one].add(address)
    return turned


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
