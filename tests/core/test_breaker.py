"""The breaker, in threads and in coroutines."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from reconciler.core.breaker import Breaker, Open, State
from reconciler.core.errors import Conflict, Denied, Missing, ReconcilerError, Unavailable

DOWN = Unavailable("it is down")


class Ticks:
    """A clock that is moved by hand."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


def fail(error: BaseException = DOWN) -> None:
    raise error


def opened(ticks: Ticks) -> Breaker:
    """A breaker that is half-open."""
    breaker = Breaker("first", 1, 15, ticks)
    with pytest.raises(Unavailable):
        breaker.call(fail)
    ticks.now += 15
    return breaker


def test_three_failures_in_a_row_open_it_and_two_with_a_success_between_do_not(ticks: Ticks) -> None:
    breaker = Breaker("first", ticks=ticks)
    for _ in range(2):
        with pytest.raises(Unavailable):
            breaker.call(fail)
    assert breaker.call(lambda: "well") == "well"
    for _ in range(2):
        with pytest.raises(Unavailable):
            breaker.call(fail)
    assert breaker.state == State.CLOSED
    with pytest.raises(Unavailable):
        breaker.call(fail)
    assert breaker.state.value == "open"
    with pytest.raises(Open, match="first failed 3 times and is not asked for 15 s more"):
        breaker.call(lambda: "not asked")


@pytest.mark.parametrize(
    "error", [Denied("no", path="x", capability="read"), Conflict("taken"), Missing("not there"), ReconcilerError("it was tampered with")]
)
def test_answers_that_say_no_are_no_failures(ticks: Ticks, error: ReconcilerError) -> None:
    breaker = Breaker("first", 1, 15, ticks)
    with pytest.raises(type(error)):
        breaker.call(lambda: fail(error))
    assert breaker.state == State.CLOSED


def test_half_open_breaker_lets_exactly_one_thread_through(ticks: Ticks) -> None:
    breaker = opened(ticks)
    assert breaker.state == State.HALF_OPEN
    inside, go = threading.Barrier(2), threading.Event()

    def slow() -> str:
        inside.wait()
        go.wait()
        return "well"

    with ThreadPoolExecutor(1) as pool:
        probe = pool.submit(breaker.call, slow)
        inside.wait()
        for _ in range(20):
            with pytest.raises(Open):
                breaker.call(lambda: "not asked")
        go.set()
        assert probe.result() == "well"
    assert breaker.call(lambda: "asked again") == "asked again"


def test_half_open_breaker_lets_exactly_one_of_a_hundred_coroutines_through(ticks: Ticks) -> None:
    breaker = opened(ticks)
    asked = []

    async def ask(number: int) -> None:
        with breaker.attempt():
            asked.append(number)
            await asyncio.sleep(0)

    async def all_at_once() -> list[BaseException | None]:
        return await asyncio.gather(*(ask(number) for number in range(100)), return_exceptions=True)

    answers = asyncio.run(all_at_once())
    assert asked == [0]
    assert [type(answer) for answer in answers] == [type(None)] + [Open] * 99
    assert breaker.state == State.CLOSED


def test_probe_that_fails_or_is_interrupted_opens_the_breaker_again(ticks: Ticks) -> None:
    breaker = opened(ticks)
    for error in (DOWN, KeyboardInterrupt(), ValueError("a mistake of ours"), DOWN):
        with pytest.raises(type(error)):
            breaker.call(lambda error=error: fail(error))  # type: ignore[misc]  # mypy has no type for a lambda's default
        with pytest.raises(Open):
            breaker.call(lambda: "not asked")
        ticks.now += 15


def test_whoever_gives_up_waiting_says_nothing_of_the_one_asked(ticks: Ticks) -> None:
    breaker = Breaker("first", 1, 15, ticks)
    with pytest.raises(asyncio.CancelledError):
        breaker.call(lambda: fail(asyncio.CancelledError()))
    assert breaker.state == State.CLOSED


def test_late_failure_of_another_era_does_not_open_a_breaker_again(ticks: Ticks) -> None:
    breaker = Breaker("first", 1, 15, ticks)
    inside, go = threading.Barrier(2), threading.Event()

    def late() -> None:
        inside.wait()
        go.wait()
        fail()

    with ThreadPoolExecutor(1) as pool:
        straggler = pool.submit(breaker.call, late)
        inside.wait()
        with pytest.raises(Unavailable):
            breaker.call(fail)
        ticks.now += 15
        breaker.call(lambda: "well")
        go.set()
        with pytest.raises(Unavailable):
            straggler.result()
    assert breaker.state == State.CLOSED
