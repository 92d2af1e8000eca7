"""A limit on requests in work at once that finds itself: Gradient2, as Netflix's concurrency-limits has it, and a probe.

The limit grows by a little while answers come as fast as they usually do, and shrinks as they slow down: what would only wait is refused
at once, and what is taken on is answered in time. Alone, Gradient2 takes an overload that lasts for what is usual, and then lets all in.
So what is usual does not grow while many are refused; instead, a probe with a quarter as many in work tells now and then whether answers
are slow because they wait for each other, or because they take longer.
"""

from __future__ import annotations

import math
from collections.abc import Callable

LEAST, FIRST, MOST = 2, 20, 1000
TOLERANCE = 1.5  # how much slower than usual is still usual
SMOOTHING = 0.2
SAMPLE = 50  # requests that a window follows to their end: all who began in turn, since those that end first are the fast ones
PATIENCE_SECONDS = 10.0  # how long it waits for the last of them
USUAL_WINDOWS = 600  # over how many windows the usual time is averaged
OVERLOADED = 0.1  # of a window's requests: with more refused, what is usual does not grow
PROBE_SECONDS = 30.0
VITAL_TIMES = 4  # health and webhooks are refused last: only past this many times the limit


class Gradient2:
    """Of one class of routes. Ask whether it is `full`, then `enter`, and `leave` with the ticket. `clock` in seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._estimate = float(FIRST)
        self._usual = 0.0  # seconds an answer takes, over many windows
        self._windows = 0
        self._probed = -PROBE_SECONDS  # a start in the midst of an overload is probed at once
        self._probing = False
        self._starting = True  # the limit grows by steps that grow until it was once too high
        self.working = 0
        self._tickets = 0
        # Of the window: its first ticket (0: not begun), how many ended, how many of them were timed, for how long in all.
        self._first = self._ended = self._timed = self._refused = 0
        self._sum, self._began, self._most_working = 0.0, clock(), 0

    @property
    def limit(self) -> int:
        return max(int(self._estimate) // 4, 1) if self._probing else int(self._estimate)

    def full(self, vital: bool = False) -> bool:
        """Whether too many are in work for another one, which is then refused."""
        full = self.working >= self.limit * (VITAL_TIMES if vital else 1)
        self._refused += full
        return full

    def enter(self) -> int:
        """Begin a request and return its ticket."""
        if self._first == 0 and not (self._probing and self.working >= self.limit):  # a probe begins once few are in work
            self._first, self._began = self._tickets + 1, self._clock()
        self.working += 1
        self._most_working = max(self._most_working, self.working)
        self._tickets += 1
        return self._tickets

    def leave(self, ticket: int, seconds: float | None) -> None:
        """End one that took so long; None where that says nothing of how busy we are."""
        self.working -= 1
        if self._first and self._first <= ticket < self._first + SAMPLE:
            self._ended += 1
            if seconds is not None:
                self._timed += 1
                self._sum += seconds
        if self._ended == SAMPLE or (self._timed and self._clock() - self._began > PATIENCE_SECONDS):
            if self._timed:
                self._learn(self._sum / self._timed)
            self._begin()

    def _begin(self) -> None:
        self._first = self._ended = self._timed = self._refused = 0
        self._sum, self._began, self._most_working = 0.0, self._clock(), self.working

    def _learn(self, lately: float) -> None:
        """End a window in which answers took so long."""
        self._windows += 1
        overloaded = self._refused > OVERLOADED * self._ended
        if self._probing:
            self._usual, self._probed, self._probing = lately, self._clock(), False
            return
        if lately < self._usual or not overloaded or self._windows == 1:
            self._usual += (lately - self._usual) * 2 / (min(self._windows, USUAL_WINDOWS) + 1)  # a plain mean at first
        if self._most_working >= self._estimate / 2:  # what few take says nothing of how many could be borne
            gradient = max(0.5, min(1.0, TOLERANCE * self._usual / max(lately, 1e-6)))
            self._starting = self._starting and gradient == 1.0
            room = self._estimate if self._starting else math.sqrt(self._estimate) / 2
            grown = self._estimate * gradient + room
            self._estimate = min(max(self._estimate + (grown - self._estimate) * SMOOTHING, LEAST), MOST)
        self._probing = overloaded and self._clock() - self._probed >= PROBE_SECONDS
