"""What limits cost and hold, beside the libraries that do the same: `python -m tests.bench.edge` prints it."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from unittest.mock import patch

import limits as limits_library
from limits.strategies import FixedWindowRateLimiter, MovingWindowRateLimiter, RateLimiter, SlidingWindowCounterRateLimiter
from throttled import RateLimiterType, Throttled, rate_limiter
from throttled.store import MemoryStore

from reconciler.edge.limits import Algorithm, Counted, Limit
from reconciler.edge.memory_limits import MemoryCounters, microseconds
from reconciler.edge.tables import Buckets
from tests.edge.overload import simulate

from .results import Row

KEYS = 1000  # clients that take turns
DECISIONS = 100_000
FLOOD = 10_000_000  # distinct keys
IDLE = range(KEYS)  # takes a number as decisions do


def rule_of(algorithm: Algorithm, limit: int = 100, per: float = 60) -> Counted:
    (rule,) = Limit("one", limit, per, algorithm=algorithm).rules()
    return rule


def microseconds_of(decide: Callable[[int], object], times: int = DECISIONS) -> float:
    """CPU of one decision, without the loop around it: the least of several rounds, since other work can only add to it."""
    rounds: list[float] = []
    idle: list[float] = []
    for _ in range(5):
        for asked, found in ((decide, rounds), (IDLE.__getitem__, idle)):
            started = time.process_time()
            for number in range(times // 5):
                asked(number % KEYS)
            found.append((time.process_time() - started) / (times // 5) * 1e6)
    return min(rounds) - min(idle)


def decisions() -> Iterator[Row]:
    names = [b"i" + number.to_bytes(4, "big") for number in range(KEYS)]
    texts = [f"10.0.{number >> 8}.{number & 255}" for number in range(KEYS)]
    bucket = Buckets(rule_of(Algorithm.TOKEN_BUCKET))  # type: ignore[arg-type]  # it is one
    bucket.resize(16 << 20)
    took = microseconds_of(lambda number: bucket.take(names[number], microseconds(), 1))
    yield Row("decision in memory: the bucket alone", took, "us", 0.5)
    for algorithm in (Algorithm.TOKEN_BUCKET, Algorithm.SLIDING_WINDOW, Algorithm.FIXED_WINDOW):
        counters, rule = MemoryCounters(), rule_of(algorithm)
        took = microseconds_of(lambda number, c=counters, r=rule: c.decide([(r, names[number], 1)]))  # type: ignore[misc]  # bound here
        yield Row(f"  through the counters: {algorithm.replace('_', ' ')}", took, "us")
    for strategy in (FixedWindowRateLimiter, MovingWindowRateLimiter):
        library = strategy(limits_library.storage.MemoryStorage())
        quota = limits_library.RateLimitItemPerMinute(100)
        took = microseconds_of(lambda number, one=library, per=quota: one.hit(per, texts[number]))  # type: ignore[misc]  # bound here
        yield Row(f"  limits {strategy.__name__.removesuffix('RateLimiter')}", took, "us")
    throttled = Throttled(
        using=RateLimiterType.TOKEN_BUCKET.value, quota=rate_limiter.per_min(100), store=MemoryStore(options={"MAX_SIZE": 2 * KEYS})
    )
    yield Row("  throttled-py token bucket", microseconds_of(lambda number: throttled.limit(texts[number])), "us")


def distinct_keys() -> Iterator[Row]:
    command = [sys.executable, "-m", "tests.bench.edge_flood", str(FLOOD)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    megabytes, forgotten, served = map(float, done.stdout.split())
    yield Row(f"{FLOOD:,} distinct keys: memory", megabytes, "MB", 16)
    yield Row("  of 10,000 live keys, forgotten", forgotten, "", 0)
    yield Row("  of the new keys, served", served * 100, "%")


def most_in_a_window(admit: Callable[[], bool], set_clock: Callable[[float], None], limit: int) -> float:
    """The most that is admitted in any 60 s, by the limit: one request to begin a window, then bursts around the edges that follow."""
    admitted, most = deque[float](), 0
    bursts = [edge + offset for edge in range(60, 600, 60) for offset in (-0.5, 0.5, 29.5)]
    for moment, size in [(0.0, 1), *((burst, 2 * limit) for burst in bursts)]:
        set_clock(1_800_000_000 + moment)
        for _ in range(size):
            if admit():
                admitted.append(moment)
        while admitted and admitted[0] <= moment - 60:
            admitted.popleft()
        most = max(most, len(admitted))
    return most / limit


def windows() -> Iterator[Row]:
    limit, now = 100, [0.0]

    def set_clock(moment: float) -> None:
        now[0] = moment

    for algorithm, goal in ((Algorithm.FIXED_WINDOW, 2.0), (Algorithm.SLIDING_WINDOW, 1.2)):
        counters, rule = MemoryCounters(clock=lambda: int(now[0] * 1e6)), rule_of(algorithm, limit)
        found = most_in_a_window(lambda c=counters, r=rule: c.decide([(r, b"k", 1)])[0].admitted, set_clock, limit)  # type: ignore[misc]  # bound here
        yield Row(f"bursts at edges, admitted in any window: {algorithm.replace('_', ' ')}", found, "x", goal)
    strategies: list[type[RateLimiter]] = [FixedWindowRateLimiter, SlidingWindowCounterRateLimiter, MovingWindowRateLimiter]
    for strategy in strategies:
        with patch("time.time", lambda: now[0]):
            library = strategy(limits_library.storage.MemoryStorage())
            quota = limits_library.RateLimitItemPerMinute(limit)
            found = most_in_a_window(lambda one=library, per=quota: one.hit(per, "k"), set_clock, limit)  # type: ignore[misc]  # bound here
        yield Row(f"  limits {strategy.__name__.removesuffix('RateLimiter')}", found, "x")


def overload() -> Iterator[Row]:
    unloaded = simulate(lambda _now: 0.3).slowest
    found = simulate(lambda _now: 3, seconds=120)
    yield Row("3 times too much, simulated: goodput", found.goodput * 100, "%", 95, at_least=True)
    yield Row("  p99 of the answers, by that of an idle service", found.slowest / unloaded, "x", 3)
    yield Row("0.9 of what can be done, simulated: refused", simulate(lambda _now: 0.9, seconds=120).refused * 100, "%", 3)
