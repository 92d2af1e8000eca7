"""The limit on work at once, in simulated time: the same numbers on every machine."""

from __future__ import annotations

import pytest

from .overload import simulate


@pytest.fixture(scope="module")
def unloaded() -> float:
    return simulate(lambda _now: 0.3, seconds=30).slowest


@pytest.mark.parametrize("load", [1.5, 3, 10])
def test_overload_of_any_size_leaves_goodput_and_answers_in_time(load: float, unloaded: float) -> None:
    found = simulate(lambda _now: load)
    assert found.goodput >= 0.95
    assert found.slowest <= 3 * unloaded


def test_overload_that_lasts_is_never_taken_for_what_is_usual(unloaded: float) -> None:
    found = simulate(lambda _now: 3, seconds=300, workers=4)
    assert found.goodput >= 0.95
    assert found.slowest <= 3 * unloaded


def test_nine_tenths_of_what_can_be_done_is_let_in() -> None:
    found = simulate(lambda _now: 0.9)
    assert found.refused <= 0.03


def test_service_that_can_do_much_at_once_soon_may() -> None:
    found = simulate(lambda _now: 0.9, workers=100, mean=0.1)
    assert found.refused <= 0.03
    assert found.goodput >= 0.85


def test_peak_that_ends_leaves_nothing_behind(unloaded: float) -> None:
    found = simulate(lambda now: 5 if now < 20 else 0.5, seconds=60)
    after = simulate(lambda now: 5 if now < 20 else 0.5, seconds=20)
    assert found.limit >= after.limit / 2
    assert found.slowest <= 3 * unloaded
