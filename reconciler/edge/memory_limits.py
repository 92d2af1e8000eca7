"""Counters in this process: for one replica, for tests, and for while Redis is away."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from .bans import Bans
from .limits import Ban, Bucket, Check, FixedWindow, Rule, Verdict
from .tables import Buckets, FixedWindows, SlidingWindows, Table

MEMORY = 16 << 20  # bytes for all that is remembered of keys, however many there are


def microseconds() -> int:
    """The time since the machine started: nobody sets this clock."""
    return time.monotonic_ns() // 1000


class MemoryCounters:
    """Keeps to `memory` bytes, without a thread. One event loop's or one thread's; `clock` gives microseconds."""

    def __init__(self, memory: int = MEMORY, clock: Callable[[], int] = microseconds) -> None:
        self._memory = memory
        self._clock = clock
        self._tables: dict[str, Table] = {}

    async def take(self, checks: Sequence[Check]) -> Sequence[Verdict]:
        return self.decide(checks)

    async def strike(self, ban: Ban, key: bytes, jitter: int) -> Verdict:
        return self._bans(ban).strike(key, self._clock(), jitter)

    async def prove(self, ban: Ban, key: bytes) -> None:
        self._bans(ban).prove(key, self._clock())

    def decide(self, checks: Sequence[Check]) -> Sequence[Verdict]:
        """The same as `take`, for plain calls."""
        now = self._clock()
        if len(checks) == 1:
            rule, key, cost = checks[0]
            table = self._tables.get(rule.name)
            if table is None or table.rule is not rule:
                table = self._table(rule)
            return (table.take(key, now, cost),)
        verdicts = [self._table(rule).look(key, now, cost) for rule, key, cost in checks]
        if all(verdict.admitted for verdict in verdicts):
            return [self._table(rule).take(key, now, cost) for rule, key, cost in checks]
        return [uncounted(verdict, check) for verdict, check in zip(verdicts, checks, strict=True)]

    def _table(self, rule: Rule) -> Table:
        table = self._tables.get(rule.name)
        if table is not None and table.rule == rule:
            table.rule = rule
            return table
        return self._add(rule)

    def _add(self, rule: Rule) -> Table:
        """A rule that was declared otherwise begins anew."""
        table = _new(rule)
        self._tables[rule.name] = table
        for one in self._tables.values():
            one.resize(self._memory // len(self._tables))
        return table

    def _bans(self, ban: Ban) -> Bans:
        table = self._table(ban)
        if not isinstance(table, Bans):
            raise TypeError(f"{ban.name} is the name of a limit too")
        return table


def uncounted(verdict: Verdict, check: Check) -> Verdict:
    """What a rule that admits says when another one refuses: nothing was taken from it."""
    counted = verdict.admitted and not isinstance(check.rule, Ban)
    return verdict._replace(remaining=verdict.remaining + check.cost, after=0) if counted else verdict


def _new(rule: Rule) -> Table:
    if isinstance(rule, Ban):
        return Bans(rule)
    if isinstance(rule, Bucket):
        return Buckets(rule)
    return FixedWindows(rule) if isinstance(rule, FixedWindow) else SlidingWindows(rule)
