"""Counts of buckets and windows in memory, one table a rule. `limits.lua` decides the same; a property test holds them together."""

from __future__ import annotations

from array import array
from typing import Protocol

from .crowd import Shape
from .generations import Generations
from .limits import GRAINS, Bucket, FixedWindow, Rule, SlidingWindow, Verdict, verdict_of

# What one key takes at most, in bytes: itself, its state, and a place in both maps. A test measures them.
BUCKET_BYTES = 200
WINDOW_BYTES = 300
RUN_BYTES = 18


class Table(Protocol):
    """The counts of one rule."""

    rule: Rule

    def look(self, key: bytes, now: int, cost: int) -> Verdict:
        """Whether so many more are admitted, and what is left then. Counts nothing."""

    def take(self, key: bytes, now: int, cost: int) -> Verdict:
        """The same, and count them if they are admitted."""

    def resize(self, memory: int) -> None:
        """Take no new keys beyond so many bytes."""


class Buckets:
    """Of each key, when its bucket is full again."""

    def __init__(self, rule: Bucket) -> None:
        self.rule: Rule = rule
        self._shape = Shape(rule.interval, rule.depth, rule.waits)
        self._interval, self._depth, self._waits = rule.interval, rule.depth, rule.waits
        self._keys: Generations[int] = Generations(rule.depth, self._shape)

    def resize(self, memory: int) -> None:
        self._keys.resize(memory, BUCKET_BYTES)

    def take(self, key: bytes, now: int, cost: int) -> Verdict:
        keys = self._keys
        full_at = keys.young.get(key)
        if full_at is None or now >= keys.turn:
            full_at = keys.find(key, now)
            if full_at is None:
                if keys.outside(key, now):
                    return keys.crowd.take(key, now, cost)
                full_at = now
        # From here on as Shape.judge, written out: a call would be a third of all this.
        depth, interval = self._depth, self._interval
        ahead = full_at - now
        if ahead < 0:
            ahead = 0
        elif ahead > depth:
            ahead, keys.young[key] = depth, now + depth
        after = ahead + interval * cost
        if after > depth:
            return verdict_of(Verdict, (False, (depth - ahead) // interval, after - depth, ahead))
        keys.young[key] = now + after
        return verdict_of(Verdict, (True, (depth - after) // interval, ahead if self._waits else 0, after))

    def look(self, key: bytes, now: int, cost: int) -> Verdict:
        full_at = self._keys.find(key, now)
        if full_at is None:
            return self._keys.crowd.look(key, now, cost)
        if full_at - now > self._depth:
            full_at = self._keys.young[key] = now + self._depth
        return self._shape.judge(full_at - now, cost)


class FixedWindows:
    """Of each key, when its window began and how many came in it. One that begins in the future begins now: the clock was set back."""

    def __init__(self, rule: FixedWindow) -> None:
        self.rule: Rule = rule
        self._limit, self._per = rule.limit, rule.per
        self._keys: Generations[tuple[int, int]] = Generations(rule.per, _shape(rule))

    def resize(self, memory: int) -> None:
        self._keys.resize(memory, WINDOW_BYTES)

    def take(self, key: bytes, now: int, cost: int) -> Verdict:
        window = self._keys.find(key, now)
        if window is None and self._keys.outside(key, now):
            return self._keys.crowd.take(key, now, cost)
        verdict = self._judge(self._settled(window, key, now), now, cost)
        if verdict.admitted:
            self._keys.young[key] = (now + verdict.reset - self._per, self._limit - verdict.remaining)
        return verdict

    def look(self, key: bytes, now: int, cost: int) -> Verdict:
        window = self._keys.find(key, now)
        if window is None and self._keys.outside(key, now):
            return self._keys.crowd.look(key, now, cost)
        return self._judge(self._settled(window, key, now), now, cost)

    def _settled(self, window: tuple[int, int] | None, key: bytes, now: int) -> tuple[int, int]:
        if window is None or now - window[0] >= self._per:
            return now, 0
        if window[0] > now:
            window = self._keys.young[key] = (now, window[1])
        return window

    def _judge(self, window: tuple[int, int], now: int, cost: int) -> Verdict:
        start, count = window
        left, free = start + self._per - now, self._limit - count
        if free < cost:
            return verdict_of(Verdict, (False, max(free, 0), left, left))
        return verdict_of(Verdict, (True, free - cost, 0, left))


class SlidingWindows:
    """Of each key how many came in all, then runs of (time of the last, how many): what came within one grain is forgotten together.

    So it is never more than the limit in any window, and never less than all but a sixtieth of it.
    """

    def __init__(self, rule: SlidingWindow) -> None:
        self.rule: Rule = rule
        self._limit, self._per, self._grain = rule.limit, rule.per, rule.grain
        self._keys: Generations[array[int]] = Generations(rule.per, _shape(rule))

    def resize(self, memory: int) -> None:
        self._keys.resize(memory, WINDOW_BYTES + RUN_BYTES * min(self._limit, GRAINS + 1))

    def take(self, key: bytes, now: int, cost: int) -> Verdict:
        keys = self._keys
        log = keys.young.get(key)
        if log is None or now >= keys.turn:
            log = keys.find(key, now)
            if log is None:
                if keys.outside(key, now):
                    return keys.crowd.take(key, now, cost)
                keys.young[key] = array("q", (cost, now, cost))
                return verdict_of(Verdict, (True, self._limit - cost, 0, self._per))
        # From here on as `_judge`, written out.
        per, last = self._per, log[-2]
        if log[1] <= now - per or last > now:
            self._settle(log, now)
            last = log[-2]
        count = log[0] + cost
        if count > self._limit:
            return self._refusal(log, now, cost)
        log[0] = count
        if last // self._grain == now // self._grain:
            log[-2] = now
            log[-1] += cost
        else:
            log.extend((now, cost))
        return verdict_of(Verdict, (True, self._limit - count, 0, per))

    def look(self, key: bytes, now: int, cost: int) -> Verdict:
        log = self._keys.find(key, now)
        if log is not None:
            return self._judge(log, now, cost)
        if self._keys.outside(key, now):
            return self._keys.crowd.look(key, now, cost)
        return verdict_of(Verdict, (True, self._limit - cost, 0, self._per))

    def _judge(self, log: array[int], now: int, cost: int) -> Verdict:
        if log[1] <= now - self._per or log[-2] > now:
            self._settle(log, now)
        free = self._limit - log[0]
        if free >= cost:
            return verdict_of(Verdict, (True, free - cost, 0, self._per))
        return self._refusal(log, now, cost)

    def _refusal(self, log: array[int], now: int, cost: int) -> Verdict:
        free = self._limit - log[0]
        above, place = cost - free, 1
        while above > log[place + 1]:  # the runs that are in the way
            above -= log[place + 1]
            place += 2
        return verdict_of(Verdict, (False, max(free, 0), log[place] + self._per - now, log[-2] + self._per - now))

    def _settle(self, log: array[int], now: int) -> None:
        """Drop the runs that are over. Those of the future came now: the clock was set back. One is left, if of nobody."""
        place, edge = 1, now - self._per
        while place < len(log) and log[place] <= edge:
            log[0] -= log[place + 1]
            place += 2
        del log[1:place]
        future = 0
        while len(log) > 1 and log[-2] > now:
            future += log.pop()
            log.pop()
        if future or len(log) == 1:
            log.extend((now, future))


def _shape(rule: FixedWindow | SlidingWindow) -> Shape:
    interval = -(-rule.per // rule.limit)
    return Shape(interval, interval * rule.limit)
