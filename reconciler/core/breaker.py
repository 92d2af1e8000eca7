"""A circuit breaker: what fails again and again is left alone for a while, then asked once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TypeVar

from .errors import BackendError, Conflict, Denied, Missing, ReconcilerError, Unavailable

R = TypeVar("R")

FAILURES = 3  # in a row: one may be a blip, three are an outage
PAUSE_SECONDS = 15.0  # an election takes a cluster about ten


class State(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Open(Unavailable):
    """The breaker is open: nobody was asked."""


def is_fault(error: BaseException) -> bool:
    """Whether the one asked is to blame. One that says no, that there is nothing, or what is wrong with it, is well."""
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
        with self.attempt():
            return ask()

    @contextmanager
    def attempt(self) -> Iterator[None]:
        """One question, in a `with` around plain calls or awaits alike: how the block ends decides. Raises Open."""
        era = self._admit()
        well: bool | None = None  # nothing was learned: interrupted, or given up by whoever asked
        try:
            yield
            well = True
        except Exception as error:  # raised on; a bug of ours is no fault of whoever was asked
            well = isinstance(error, ReconcilerError) and not is_fault(error)
            raise
        finally:  # a probe that ends in any way, Ctrl-C too, must make room for the next
            self._settle(era, well)

    def _admit(self) -> int:
        with self._lock:
            if self._opened is not None:
                left = self._pause - (self._ticks() - self._opened)
                if left > 0 or self._probing:
                    raise Open(f"{self._name} failed {self._failures} times and is not asked for {max(left, 0):.0f} s more")
                self._probing = True
            return self._era

    def _settle(self, era: int, well: bool | None) -> None:
        with self._lock:
            if era != self._era:
                return
            probed, self._probing = self._probing, False
            if well is None and not probed:
                return
            self._failures = 0 if well else self._failures + 1
            if well and self._opened is not None:
                self._opened, self._era = None, era + 1
            elif not well and (probed or self._failures >= self._limit):
                self._opened, self._era = self._ticks(), era + 1
