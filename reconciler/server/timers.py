"""What the server tells itself: look at the branch, for drift, at the evidence, forget what is old. Once for all replicas."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from ..core.errors import Unavailable
from .events import Events, News
from .notes import Notes

log = logging.getLogger(__name__)

BRANCH_SECONDS = 60.0
DRIFT_SECONDS = 15 * 60.0
EVIDENCE_SECONDS = 3600.0
FORGET_SECONDS = 6 * 3600.0
FORGOTTEN = ("order/", "pull/", "fork/", "reviewed/")
KEPT_SECONDS = 90 * 86400.0  # a pull request that nobody touched for so long is planned anew
TICK_SECONDS = 1.0


class Timers:
    """Rings by the database's clock: the number of an interval is part of the event's key, so each rings once."""

    def __init__(
        self,
        events: Events,
        notes: Notes,
        wake: Callable[[], None],
        *,
        branch_seconds: float = BRANCH_SECONDS,
        drift_seconds: float = DRIFT_SECONDS,
        evidence_seconds: float = EVIDENCE_SECONDS,
        forget: Callable[[], None] = lambda: None,
    ) -> None:
        self._events = events
        self._notes = notes
        self._wake = wake
        self._forget = forget
        every = {"branch": branch_seconds, "drift": drift_seconds, "evidence": evidence_seconds}
        self._every = {subject: seconds for subject, seconds in every.items() if seconds}
        self._rung: dict[str, int] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="timers", daemon=True)

    def start(self) -> None:
        """Ring once at once: much may have happened while nobody listened."""
        self._thread.start()

    def alive(self) -> bool:
        """Whether it still rings; else only a new start helps."""
        return self._thread.is_alive()

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while True:
            try:
                self._ring()
            except Unavailable as error:
                log.warning("timers: %s", error)
            if self._stopping.wait(TICK_SECONDS):
                return

    def _ring(self) -> None:
        for subject, seconds in self._every.items():
            slot = self._events.slot(seconds)
            if self._rung.get(subject) != slot:
                if self._events.add(News(f"timer/{subject}/{seconds:g}/{slot}", "timer", "look", subject)):
                    self._wake()
                self._rung[subject] = slot
        slot = self._events.slot(FORGET_SECONDS)
        if self._rung.get("forget") != slot:
            self._events.forget()
            self._forget()
            for folder in FORGOTTEN:
                self._notes.forget(folder, KEPT_SECONDS)
            self._rung["forget"] = slot
