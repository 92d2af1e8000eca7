from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.address import Address
from reconciler.core.change import Change
from reconciler.core.errors import BackendError, Denied, LeaseLost
from reconciler.core.order import Graph
from reconciler.engine.execute import INTERRUPTED, WRITERS, Outcome, Result, execute

from ..core.kinds import BoxSpec, box, change
from ..core.strategies import graphs

Write = Callable[[Change[Any]], Change[Any]]


def creates(order: Graph) -> list[Change[Any]]:
    return [change(address, None, BoxSpec()) for address in sorted(order)]


def independent(count: int) -> Graph:
    return {box(f"{number:03}"): set() for number in range(count)}


def as_planned(done: Change[Any]) -> Change[Any]:
    return done


def failing(*names: str) -> Write:
    def write(one: Change[Any]) -> Change[Any]:
        if one.address.name in names:
            raise BackendError(f"{one.address.name} was refused")
        return one

    return write


def outcomes(results: tuple[Result, ...]) -> dict[str, str]:
    return {result.change.address.name: result.outcome.value for result in results}


def waits_for(order: Graph, address: Address) -> set[Address]:
    """All that must be done before an address, at any distance."""
    found: set[Address] = set()
    left = [*order[address]]
    while left:
        one = left.pop()
        if one not in found:
            found.add(one)
            left.extend(order[one])
    return found


@given(graphs())
@settings(max_examples=60)
def test_nothing_begins_before_what_it_waits_for_has_ended(order: Graph) -> None:
    ended: list[Address] = []

    def write(one: Change[Any]) -> Change[Any]:
        assert order[one.address] <= set(ended)
        ended.append(one.address)
        return one

    results = execute(creates(order), order, write)
    assert [result.outcome for result in results] == [Outcome.APPLIED] * len(order)
    assert sorted(ended) == [result.change.address for result in results] == sorted(order)


@given(graphs(), st.sets(st.integers(0, 11)))
@settings(max_examples=60)
def test_a_failure_skips_what_needs_it_and_nothing_else(order: Graph, numbers: set[int]) -> None:
    bad = {address for address in order if int(address.name[1:]) in numbers}
    begun: list[Address] = []

    def write(one: Change[Any]) -> Change[Any]:
        begun.append(one.address)
        return failing(*(address.name for address in bad))(one)

    for result in execute(creates(order), order, write):
        blocked = bad & waits_for(order, result.change.address)
        if blocked:
            assert result.outcome is Outcome.SKIPPED
            assert result.change.address not in begun
        else:
            assert result.outcome is (Outcome.FAILED if result.change.address in bad else Outcome.APPLIED)


def test_what_is_skipped_says_for_want_of_what() -> None:
    a, b, c = box("a"), box("b"), box("c")
    failed, skipped, last = execute(creates({a: set(), b: {a}, c: {b}}), {a: set(), b: {a}, c: {b}}, failing("a"))
    assert failed.error == "a was refused"
    assert skipped.error == "needs test.box/a, which was not done"
    assert last.error == "needs test.box/b, which was not done"


def test_writes_go_on_side_by_side() -> None:
    together = threading.Barrier(WRITERS, timeout=20)

    def write(one: Change[Any]) -> Change[Any]:
        together.wait()  # breaks, and so fails the change, unless all writers are here at once
        return one

    results = execute(creates(independent(WRITERS)), independent(WRITERS), write)
    assert set(outcomes(results).values()) == {"applied"}


def test_no_more_are_under_way_than_there_are_writers() -> None:
    lock, under_way, most = threading.Lock(), 0, 0

    def write(one: Change[Any]) -> Change[Any]:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.002)
        with lock:
            under_way -= 1
        return one

    execute(creates(independent(4 * WRITERS)), independent(4 * WRITERS), write)
    assert most <= WRITERS


def test_after_an_interruption_those_in_flight_finish_and_the_rest_is_skipped() -> None:
    stop, all_in_flight = threading.Event(), threading.Barrier(WRITERS, timeout=20)
    written: list[Address] = []

    def write(one: Change[Any]) -> Change[Any]:
        all_in_flight.wait()
        stop.set()
        written.append(one.address)
        return one

    order = {**independent(3 * WRITERS), box("last"): {box("000")}}
    results = execute(creates(order), order, write, stopping=stop.is_set)
    applied = [result.change.address for result in results if result.outcome is Outcome.APPLIED]
    assert len(applied) == WRITERS
    assert sorted(written) == sorted(applied)
    rest = [result for result in results if result.change.address not in applied]
    assert {(result.outcome, result.error) for result in rest} == {(Outcome.SKIPPED, INTERRUPTED)}
    assert box("last") in {result.change.address for result in rest}


def test_interrupted_before_the_first_nothing_is_written() -> None:
    results = execute(creates(independent(5)), independent(5), failing(), stopping=lambda: True)
    assert {(result.outcome, result.error) for result in results} == {(Outcome.SKIPPED, INTERRUPTED)}


@pytest.mark.parametrize("error", [KeyError("s3cr3t"), ValueError("s3cr3t"), RuntimeError("s3cr3t"), AssertionError("s3cr3t")])
def test_a_mistake_in_one_kind_fails_its_change_alone_and_tells_no_text(error: Exception) -> None:
    def write(one: Change[Any]) -> Change[Any]:
        if one.address.name == "000":
            raise error
        return one

    results = execute(creates(independent(3)), independent(3), write)
    assert outcomes(results) == {"000": "failed", "001": "applied", "002": "applied"}
    assert results[0].error.startswith(f"internal error, {type(error).__name__} at test_execute.py:")
    assert "s3cr3t" not in results[0].error


@pytest.mark.parametrize(
    "error",
    [Denied("may not update sys/x", path="sys/x", capability="update"), LeaseLost("the lease is over"), BackendError("500 from sys/x")],
)
def test_errors_in_words_are_kept_in_their_words(error: Exception) -> None:
    def write(_one: Change[Any]) -> Change[Any]:
        raise error

    (result,) = execute(creates(independent(1)), independent(1), write)
    assert (result.outcome, result.error) == (Outcome.FAILED, str(error))


def test_a_result_holds_the_change_as_it_was_done() -> None:
    (result,) = execute(creates(independent(1)), independent(1), lambda one: replace(one, after=BoxSpec(ttl=1)))
    assert result.change.after == BoxSpec(ttl=1)


def test_edges_to_what_is_not_to_be_done_hold_nothing_up() -> None:
    order = {box("a"): {box("narrowed out")}, box("b"): {box("a")}}
    assert outcomes(execute(creates(order), order, as_planned)) == {"a": "applied", "b": "applied"}
    assert execute([], {}, as_planned) == ()


def test_progress_is_told_once_a_change() -> None:
    told: list[tuple[int, int]] = []
    order = {box("a"): set(), box("b"): {box("a")}, box("c"): set()}
    execute(creates(order), order, failing("a"), progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]
