"""A shelf in memory and clocks that are set by hand: for properties over thousands of schedules."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from dataclasses import dataclass, field

from reconciler.core.errors import Conflict, Unavailable
from reconciler.ledger.shelf import Entry

START = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


@dataclass
class MemoryShelf:
    """Counts versions. `lose_answers`: how many of the next writes are done and then answered with an error."""

    entries: dict[str, Entry] = field(default_factory=dict)
    lose_answers: int = 0
    down: bool = False
    writes: int = 0

    def get(self, key: str) -> Entry | None:
        self._reach()
        return self.entries.get(key)

    def put(self, key: str, content: bytes, expected: str) -> str:
        self._reach()
        found = self.entries.get(key)
        if (found.version if found else "") != expected:
            raise Conflict("somebody else was quicker")
        self.writes += 1
        self.entries[key] = Entry(content, str(self.writes))
        if self.lose_answers:
            self.lose_answers -= 1
            raise Unavailable("the answer was lost")
        return str(self.writes)

    def add(self, key: str, content: bytes) -> None:
        self.entries.setdefault(key, Entry(content, "1"))

    def delete(self, key: str) -> None:
        self.entries.pop(key, None)

    def keys(self, prefix: str) -> tuple[str, ...]:
        return tuple(sorted(key for key in self.entries if key.startswith(prefix)))

    def prepare(self) -> None:
        pass

    def _reach(self) -> None:
        if self.down:
            raise Unavailable("no route to the ledger")


@dataclass
class World:
    """The one true time; `passing` is told of every second that passes."""

    time: float = 0.0
    passing: Callable[[], object] = lambda: None

    def pass_by(self, seconds: float) -> None:
        end = round(self.time + seconds, 6)
        while self.time < end:
            self.time = round(min(end, self.time + 1.0), 6)
            self.passing()


@dataclass
class HandClock:
    """A machine's clocks: off by `ticks_off` and `calendar_off` seconds from the one true time."""

    world: World
    ticks_off: float = 0.0
    calendar_off: float = 0.0

    def ticks(self) -> float:
        return self.world.time + self.ticks_off

    def now(self) -> datetime.datetime:
        return START + datetime.timedelta(seconds=self.world.time + self.calendar_off)

    def sleep(self, seconds: float) -> None:
        self.world.pass_by(max(seconds, 0.001))  # a real clock always moves on; a float may be too coarse to
