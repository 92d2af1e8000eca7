from __future__ import annotations

from typing import Any

from hypothesis import given

from reconciler.core.change import Action, Change
from reconciler.core.errors import BackendError
from reconciler.core.order import Graph
from reconciler.engine.execute import Outcome, Result
from reconciler.engine.undo import undo

from ..core.kinds import BoxSpec, box, change
from ..core.strategies import graphs


def applied(order: Graph) -> tuple[Result, ...]:
    return tuple(Result(change(address, None, BoxSpec()), Outcome.APPLIED) for address in sorted(order))


@given(graphs())
def test_what_was_done_last_is_taken_back_first(order: Graph) -> None:
    gone: list[Any] = []

    def write(one: Change[Any]) -> Change[Any]:
        assert one.action is Action.DELETE
        assert all(later in gone for later, before in order.items() if one.address in before)
        gone.append(one.address)
        return one

    results = undo(order, applied(order), write)
    assert all(result.outcome is Outcome.UNDONE for result in results)
    assert set(gone) == set(order)


def test_what_cannot_be_taken_back_and_what_it_stands_on_stay_applied_and_say_so() -> None:
    order: Graph = {box("mount"): set(), box("role"): {box("mount")}, box("other"): set()}

    def write(one: Change[Any]) -> Change[Any]:
        if one.address == box("role"):
            raise BackendError("refused")
        return one

    results = {result.change.address.name: (result.outcome, result.error) for result in undo(order, applied(order), write)}
    assert results["role"] == (Outcome.APPLIED, "could not be undone: refused")
    assert results["mount"][0] is Outcome.APPLIED
    assert "needs test.box/role" in results["mount"][1]
    assert results["other"] == (Outcome.UNDONE, "")


def test_only_what_was_applied_is_taken_back() -> None:
    order: Graph = {box("a"): set(), box("b"): set()}
    results = (Result(change(box("a"), None, BoxSpec()), Outcome.FAILED, "no"), Result(change(box("b"), None, BoxSpec()), Outcome.SKIPPED))
    assert undo(order, results, lambda one: one) == results
