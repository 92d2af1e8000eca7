"""What is remembered of addresses that failed to prove who they are: bans that double, are forgotten, and spare who proved himself."""

from __future__ import annotations

from typing import NamedTuple

from .crowd import Shape
from .generations import Generations
from .limits import Ban, Rule, Verdict

BAN_BYTES = 480


class Record(NamedTuple):
    """`failures` since `start`; how often it was banned lately; when the ban ends; until when it is trusted. Times in microseconds."""

    start: int = 0
    failures: int = 0
    level: int = 0
    until: int = 0
    trusted: int = 0


CLEAN = Record()


def length(rule: Ban, level: int) -> int:
    """How long the ban after `level` earlier ones lasts."""
    return min(rule.base << level, rule.longest)


def level_at(rule: Ban, record: Record, now: int) -> int:
    """How many earlier bans still count: the last is forgotten after as long again as it lasted, then the one before, and so on."""
    level, quiet = record.level, now - record.until
    while level > 0 and quiet >= length(rule, level - 1):
        level -= 1
        quiet -= length(rule, level)
    return level


def struck(rule: Ban, record: Record, now: int, jitter: int) -> Record:
    """The record after one more failure. One that is banned or trusted is left alone. `jitter`: thousandths."""
    if now < record.trusted or now < record.until:
        return record
    start, failures = (now, 1) if now - record.start >= rule.within else (record.start, record.failures + 1)
    if failures < rule.after:
        return record._replace(start=start, failures=failures)
    level = level_at(rule, record, now)
    lasts = length(rule, level)
    lasts = min(lasts + lasts * jitter // 1000, rule.longest)
    deepest = level > 0 and length(rule, level - 1) >= rule.longest
    return Record(now, 0, level if deepest else level + 1, now + lasts, record.trusted)


def sane(rule: Ban, record: Record, now: int) -> Record:
    """Cut what only a clock that was set back can have left ahead: or it would hold for as long as the clock was wrong."""
    if record.start <= now and record.until - now <= rule.longest and record.trusted - now <= rule.trust:
        return record
    until, trusted = min(record.until, now + rule.longest), min(record.trusted, now + rule.trust)
    return record._replace(start=min(record.start, now), until=until, trusted=trusted)


class Bans:
    """Records of addresses. The failures of those there is no room for are counted in the crowd."""

    def __init__(self, rule: Ban) -> None:
        self.rule: Rule = rule
        self._ban = rule
        # A record speaks until its ban is over and its levels are forgotten, which takes less than twice the longest.
        interval = -(-rule.within // rule.after)
        shape = Shape(interval, interval * rule.after)
        self._keys: Generations[Record] = Generations(max(3 * rule.longest, rule.within, rule.trust), shape)

    def resize(self, memory: int) -> None:
        self._keys.resize(memory, BAN_BYTES)

    def is_stranger(self, key: bytes, now: int) -> bool:
        """Whether nothing is known of an address, nor of any that shares its place in the crowd."""
        keys = self._keys
        return keys.nobody() or (keys.find(key, now) is None and not keys.crowd.knows(key, now))

    def look(self, key: bytes, now: int, cost: int) -> Verdict:
        """How an address stands."""
        record = self._keys.find(key, now)
        if record is not None:
            record = self._keys.young[key] = sane(self._ban, record, now)
            return self._verdict(record, now)
        well, _, wait, _ = self._keys.crowd.look(key, now, 1)
        return Verdict(well, self._ban.after, wait, 0)

    def take(self, key: bytes, now: int, cost: int) -> Verdict:
        """Asking is free."""
        return self.look(key, now, cost)

    def strike(self, key: bytes, now: int, jitter: int) -> Verdict:
        record = self._keys.find(key, now)
        if record is None and self._keys.outside(key, now):
            self._keys.crowd.take(key, now, 1)
            return self.look(key, now, 0)
        record = struck(self._ban, sane(self._ban, record or CLEAN, now), now, jitter)
        self._keys.young[key] = record
        return self._verdict(record, now)

    def prove(self, key: bytes, now: int) -> None:
        # Kept even where there is no room: who proves himself is known, and few.
        self._keys.find(key, now)
        self._keys.young[key] = Record(trusted=now + self._ban.trust)

    def _verdict(self, record: Record, now: int) -> Verdict:
        left = max(record.until - now, 0)
        return Verdict(left == 0, self._ban.after - record.failures, left, max(record.trusted - now, 0))
