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
        self._banned: tuple[Ban, Bans] | None = None  # the ban that was asked last, which is nearly always the only one

    async def take(self, checks: Sequence[Check]) -> Sequence[Verdict]:
        return self.decide(checks)

    async def strike(self, ban: Ban, key: bytes, jitter: int) -> Verdict:
        return self._bans(ban).strike(key, self._clock(), jitter)

    async def prove(self, ban: Ban, key: bytes) -> None:
        self._bans(ban).prove(key, self._clock())

    def decide(self, checks: Sequence[Check]) -> Sequence[Verdict]:
        """The same as `take`, for plain calls."""
        now, tables, verdicts = self._clock(), self._tables, []
        admitted, last = True, len(checks) - 1
        for place, (rule, key, cost) in enumerate(checks):
            table = tables.get(rule.name)
            if table is None or table.rule is not rule:
                table = self._renewed(table, rule)
            # The last is counted at once where all others admit: with most requests it is the only one that is counted.
            verdict = table.take(key, now, cost) if place == last and admitted else table.look(key, now, cost)
            admitted = admitted and verdict[0]
            verdicts.append(verdict)
        if not admitted:
            return [uncounted(verdict, check) for verdict, check in zip(verdicts, checks, strict=True)]
        for place, (rule, key, cost) in enumerate(checks[:-1]):
            if cost:
                verdicts[place] = tables[rule.name].take(key, now, cost)
        return verdicts

    def _table(self, rule: Rule) -> Table:
        table = self._tables.get(rule.name)
        if table is None or table.rule is not rule:
            table = self._renewed(table, rule)
        return table

    def take_one(self, rule: Rule, key: bytes, cost: int, ban: Ban | None, site: bytes) -> Verdict | None:
        """What `decide` says of one rule, if nothing is known of the address, else None: so it is with nearly every request."""
        now = self._clock()
        if ban is not None:
            banned = self._banned
            if not (banned[1] if banned is not None and banned[0] is ban else self._bans(ban)).is_stranger(site, now):
                return None
        table = self._tables.get(rule.name)
        if table is None or table.rule is not rule:
            table = self._renewed(table, rule)
        return table.take(key, now, cost)

    def _renewed(self, table: Table | None, rule: Rule) -> Table:
        """A rule that was declared otherwise begins anew."""
        if table is not None and table.rule == rule:
            table.rule = rule
            return table
        table = _new(rule)
        self._tables[rule.name] = table
        self._banned = None  # it may be of this name
        for one in self._tables.values():
            one.resize(self._memory // len(self._tables))
        return table

    def _bans(self, ban: Ban) -> Bans:
        table = self._table(ban)
        if not isinstance(table, Bans):
            raise TypeError(f"{ban.name} is the name of a limit too")
        self._banned = ban, table
        return table


def uncounted(verdict: Verdict, check: Check) -> Verdict:
    """What a rule that admits says when another one refuses: nothing was taken from it."""
    rule, _, cost = check
    counted = verdict.admitted and not isinstance(rule, Ban)
    return verdict._replace(remaining=verdict.remaining + cost, after=0) if counted else verdict


def _new(rule: Rule) -> Table:
    if isinstance(rule, Ban):
        return Bans(rule)
    if isinstance(rule, Bucket):
        return Buckets(rule)
    return FixedWindows(rule) if isinstance(rule, FixedWindow) else SlidingWindows(rule)
