"""A circuit breaker: a store that fails again and again is left alone for a while, then asked once.

And a limit on how long a call is waited for: a store that hangs must not hold up its reader.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from enum import StrEnum
from types import TracebackType
from typing import Generic, TypeVar

from ..core.errors import BackendError, Conflict, Denied, Missing, Unavailable

R = TypeVar("R")

FAILURES = 3  # in a row: one may be a blip, three are an outage
PAUSE_SECONDS = 15.0  # an election takes a cluster about ten


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Open(Unavailable):
    """The breaker is open: the store was not asked."""


def is_fault(error: BaseException) -> bool:
    """Whether a store is to blame. One that says no, or that there is nothing, is well."""
    return isinstance(error, BackendError) and not isinstance(error, Denied | Conflict | Missing)


class Breaker:
    """Closed: all calls go through. Open: none. Half-open: exactly one, and its outcome decides. Safe in threads."""

    def __init__(
        self, name: str, failures: int = FAILURES, pause: float = PAUSE_SECONDS, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._name = name
        self._limit = failures
        self._pause = pause
        self._ticks = ticks
        self._lock = threading.Lock()
        self._failures = 0
        self._opened: float | None = None
        self._probing = False
        self._era = 0  # counts changes of state: what was begun in an earlier one decides nothing

    @property
    def state(self) -> State:
        with self._lock:
            if self._opened is None:
                return State.CLOSED
            return State.HALF_OPEN if self._ticks() - self._opened >= self._pause else State.OPEN

    def call(self, ask: Callable[[], R]) -> R:
        """Ask, or raise Open. Raises what `ask` raises."""
        era = self._admit()
        well = False
        try:
            answer = ask()
            well = True
        except BackendError as error:
            well = not is_fault(error)
            raise
        finally:  # a probe that ends in any other way, Ctrl-C too, must make room for the next
            self._settle(era, well)
        return answer

    def _admit(self) -> int:
        with self._lock:
            if self._opened is not None:
                left = self._pause - (self._ticks() - self._opened)
                if left > 0 or self._probing:
                    raise Open(f"{self._name} failed {self._failures} times and is not asked for {max(left, 0):.0f} s more")
                self._probing = True
            return self._era

    def _settle(self, era: int, well: bool) -> None:
        with self._lock:
            if era != self._era:
                return
            probed, self._probing = self._probing, False
            self._failures = 0 if well else self._failures + 1
            if well and self._opened is not None:
                self._opened, self._era = None, era + 1
            elif not well and (probed or self._failures >= self._limit):
                self._opened, self._era = self._ticks(), era + 1


class _Outcome(Generic[R]):
    """Carries what a call returns or raises from its thread to the one that waits."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.answer: list[R] = []
        self.error: BaseException | None = None

    def __enter__(self) -> None: ...

    def __exit__(self, _sort: object, error: BaseException | None, _trace: TracebackType | None) -> bool:
        self.error = error
        self.done.set()
        return True


def within(name: str, seconds: float, ask: Callable[[], R]) -> R:
    """Return or raise what `ask` does; Unavailable when it takes longer. It is then left to end by itself."""
    outcome: _Outcome[R] = _Outcome()

    def run() -> None:
        with outcome:
            outcome.answer.append(ask())

    # A daemon: one that hangs for good must not keep the process from ending.
    threading.Thread(target=run, name=f"ask {name}", daemon=True).start()
    if not outcome.done.wait(seconds):
        raise Unavailable(f"{name} did not answer within {seconds:.0f} s")
    if outcome.error is not None:
        raise outcome.error
    return outcome.answer[0]
