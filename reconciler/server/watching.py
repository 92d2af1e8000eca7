"""Asks every instance and store how it is, again and again, and remembers the answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ..core.errors import ReconcilerError
from ..core.health import Health, State

PROBE_SECONDS = 10.0
JOIN_SECONDS = 5.0
STALE_AFTER = 60.0  # a probe that hangs for so long says as much as one that fails

Probe = Callable[[], Sequence[Health]]


class Seen(NamedTuple):
    """The last answers, and when they came, by the monotonic clock."""

    checks: tuple[Health, ...] = ()
    at: float = 0.0


class Watch:
    """A thread that probes. `told` is called after each round."""

    def __init__(
        self,
        probe: Probe,
        *,
        seconds: float = PROBE_SECONDS,
        told: Callable[[Sequence[Health]], None] = lambda _checks: None,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._probe = probe
        self._seconds = seconds
        self._told = told
        self._ticks = ticks
        self._seen = Seen()
        self._began = ticks()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def join(self) -> None:
        """Wait for the probes that are under way, for a while: one that hangs must not hold up the end."""
        self._thread.join(JOIN_SECONDS)

    def checks(self) -> tuple[Health, ...]:
        """How everything is, as far as is known. Probes that do not come back are themselves a failure."""
        seen = self._seen
        age = self._ticks() - (seen.at or self._began)
        if not seen.checks and age <= STALE_AFTER:
            return (Health("probes", State.DOWN, error="the first probes have not come back yet"),)
        if age > STALE_AFTER:
            return (*seen.checks, Health("probes", State.DOWN, error=f"no probe has come back for {age:.0f} s"))
        return seen.checks

    @property
    def ready(self) -> bool:
        return all(one.healthy for one in self.checks())

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                found = tuple(self._probe())
            except ReconcilerError as error:
                found = (Health("environment", State.DOWN, error=str(error)),)
            self._seen = Seen(found, self._ticks())
            self._told(found)
            self._stopping.wait(self._seconds)
