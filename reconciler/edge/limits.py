"""Limits as they are declared, the rules that counters keep for them, and what counters answer.

Four algorithms come down to three rules. All times are whole microseconds and all counts whole numbers below 2^53: memory and Redis,
whose scripts know only doubles, then come to the same decision, always.

    token_bucket    Bucket         `burst` may come at once, refilled at the rate
    leaky_bucket    Bucket, waits  the same, but what comes faster than the rate waits its turn: behind it requests are never closer
    fixed_window    FixedWindow    `limit` from a key's first request on; up to twice as many where two windows meet
    sliding_window  SlidingWindow  `limit` in any window, wherever it begins
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

LARGEST = 1_000_000  # a second: a microsecond between two requests is the finest that is kept
LONGEST_SECONDS = 86_400  # counters live as long as their window; a limit a month is a quota, not protection
LONGEST_REFILL_SECONDS = 30 * LONGEST_SECONDS
MICROSECONDS = 1_000_000
GRAINS = 60  # runs that a sliding window is kept in at most: what comes within a sixtieth of it is forgotten together

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/ -]{0,127}")
_KEY = re.compile(r"ip|principal|webhook|header:[A-Za-z0-9-]{1,64}")


class Algorithm(StrEnum):
    TOKEN_BUCKET = "token_bucket"
    SLIDING_WINDOW = "sliding_window"
    FIXED_WINDOW = "fixed_window"
    LEAKY_BUCKET = "leaky_bucket"


@dataclass(frozen=True, slots=True)
class Bucket:
    """`interval`: microseconds that one request takes up. `depth`: how far ahead of the clock a key may be, in microseconds."""

    name: str
    interval: int
    depth: int
    waits: bool = False


@dataclass(frozen=True, slots=True)
class FixedWindow:
    """At most `limit` within `per` microseconds of a key's first request."""

    name: str
    limit: int
    per: int


@dataclass(frozen=True, slots=True)
class SlidingWindow:
    """At most `limit` within any `per` microseconds."""

    name: str
    limit: int
    per: int

    @property
    def grain(self) -> int:
        return -(-self.per // GRAINS)


@dataclass(frozen=True, slots=True)
class Ban:
    """An address with `after` failed proofs within `within` is refused for `base`, then for twice that, and so on up to `longest`.

    A ban is forgotten after as long again as it lasted. One that proved itself is not banned for `trust`. Times in microseconds.
    """

    name: str = "(ban)"  # as no limit can be named
    after: int = 10
    base: int = 60 * MICROSECONDS
    longest: int = 86_400 * MICROSECONDS
    within: int = 600 * MICROSECONDS
    trust: int = 86_400 * MICROSECONDS


Counted = Bucket | FixedWindow | SlidingWindow
Rule = Counted | Ban


Check = tuple[Rule, bytes, int]
"""One rule asked for one key, at a cost. A Ban is asked at none. (Plain, since one with names takes longer to make than to decide.)"""


class Verdict(NamedTuple):
    """What a rule says of a key, with times in microseconds."""

    admitted: bool
    remaining: int  # requests, or of a Ban failures, that are left
    after: int  # refused: when the same is admitted; admitted: how long it must wait before it goes on
    reset: int  # until nothing is remembered; of a Ban: how long the key is trusted


verdict_of = tuple.__new__  # Verdict(...) at a third of the cost


class Counters(Protocol):
    """Where counts are kept."""

    async def take(self, checks: Sequence[Check]) -> Sequence[Verdict]:
        """Count a request in all rules, or in none if one refuses it. Never raises: what cannot be reached is stood in for."""

    async def strike(self, ban: Ban, key: bytes, jitter: int) -> Verdict:
        """Count a failed proof. `jitter`: by how many thousandths a ban that follows is longer."""

    async def prove(self, ban: Ban, key: bytes) -> None:
        """Trust a key, and lift its ban."""


@dataclass(frozen=True, slots=True)
class Limit:
    """How many requests a key may send to some routes. `per` in seconds; `burst` how many may come at once, 0: as many as the limit.

    `routes` are patterns in which `*` stands for any text. Raises ValueError, saying what is wrong.
    """

    name: str
    limit: int
    per: float = 60.0
    burst: int = 0
    algorithm: Algorithm = Algorithm.SLIDING_WINDOW
    key: str = "ip"
    routes: tuple[str, ...] = ("/*",)
    adaptive: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "algorithm", Algorithm(self.algorithm))
        if not _NAME.fullmatch(self.name):
            raise ValueError(f"limit {self.name!r}: a name has letters, digits and . _ / - only")
        if not 0.001 <= self.per <= LONGEST_SECONDS:
            raise ValueError(f"limit {self.name}: per must be up to a day, not {self.per} s")
        if not 1 <= self.limit <= LARGEST * min(self.per, 1) or not 0 <= self.burst <= LARGEST:
            raise ValueError(f"limit {self.name}: limit and burst must be at most {LARGEST:,}, and limit at least 1")
        if self.burst * self.per > self.limit * LONGEST_REFILL_SECONDS:
            raise ValueError(f"limit {self.name}: a bucket of {self.burst:,} would take more than 30 days to refill")
        if not _KEY.fullmatch(self.key):
            raise ValueError(f"limit {self.name}: key {self.key!r} is none of ip, principal, webhook, header:NAME")

    def rules(self, times: int = 1) -> tuple[Counted, ...]:
        """What counters keep for it; for somebody who may send `times` as much, apart from all others."""
        name = f"{self.name}*{times}" if times > 1 else self.name
        limit, burst = self.limit * times, self.burst * times
        per = round(self.per * MICROSECONDS)
        interval = -(-per // limit)  # rounded up: never more than declared
        if self.algorithm in (Algorithm.TOKEN_BUCKET, Algorithm.LEAKY_BUCKET):
            return (Bucket(name, interval, interval * (burst or limit), self.algorithm == Algorithm.LEAKY_BUCKET),)
        window = FixedWindow if self.algorithm == Algorithm.FIXED_WINDOW else SlidingWindow
        counted = window(name, limit, per)
        if not 0 < burst < limit:
            return (counted,)
        return (counted, Bucket(f"{name} burst", interval, interval * burst))


def capacity(rule: Rule) -> int:
    """How much may come at once."""
    if isinstance(rule, Ban):
        return rule.after
    return rule.depth // rule.interval if isinstance(rule, Bucket) else rule.limit


def shared(rule: Rule, share: int) -> Rule:
    """What one of `share` replicas may admit by itself, at least one. Bans are the same for each."""
    if share == 1 or isinstance(rule, Ban):
        return rule
    if isinstance(rule, Bucket):
        interval = rule.interval * share
        return Bucket(rule.name, interval, max(capacity(rule) // share, 1) * interval, rule.waits)
    return type(rule)(rule.name, max(rule.limit // share, 1), rule.per)


def split(limits: Sequence[Limit]) -> tuple[tuple[Limit, ...], tuple[Limit, ...]]:
    """Those to be asked before anything is proven, and those for who has proven something.

    A webhook's or a principal's own limit is for the second: before, anybody could use it up in their name.
    """
    proven = tuple(limit for limit in limits if limit.key in ("principal", "webhook"))
    return tuple(limit for limit in limits if limit not in proven), proven
