"""Time, as the lock needs it: a counter that goes on while a machine sleeps, and the calendar."""

from __future__ import annotations

import datetime
import time
from typing import Protocol


class Clock(Protocol):
    """Injected wherever time decides something."""

    def ticks(self) -> float:
        """Seconds that never go back, and go on while the machine sleeps. Comparable only on one machine and boot."""

    def now(self) -> datetime.datetime:
        """The calendar time in UTC. May be wrong, and may jump."""

    def sleep(self, seconds: float) -> None: ...


class SystemClock:
    """The machine's own clocks."""

    def __init__(self) -> None:
        # CLOCK_MONOTONIC stands still on a sleeping Linux machine: a laptop would wake up believing in its old lease.
        # Where CLOCK_BOOTTIME is missing (macOS), CLOCK_MONOTONIC counts sleep.
        self._source: int = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

    def ticks(self) -> float:
        return time.clock_gettime(self._source)

    def now(self) -> datetime.datetime:
        return datetime.datetime.now(datetime.UTC)

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def iso(moment: datetime.datetime) -> str:
    """Write a UTC moment to the second, as ledgers and people read it."""
    return moment.astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
