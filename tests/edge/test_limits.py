"""What limits promise, in memory: held to plain counting, and to the libraries that do the same."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections import deque
from fractions import Fraction
from unittest.mock import patch

import limits as limits_library
import pytest
from hypothesis import given
from hypothesis import strategies as st
from limits.strategies import FixedWindowRateLimiter
from throttled import RateLimiterType, Throttled, rate_limiter
from throttled.store import MemoryStore

from reconciler.edge.limits import GRAINS, LARGEST, Algorithm, Ban, Bucket, Limit, SlidingWindow, Verdict, capacity, shared, split
from reconciler.edge.memory_limits import MemoryCounters

from .limited import MINUTE, SECOND, START, Clock, buckets, check, checks, rule_of, windows

ALGORITHMS = list(Algorithm)
gaps = st.lists(st.one_of(st.integers(0, 3 * SECOND), st.integers(0, MINUTE)), min_size=1, max_size=80)


def take(counters: MemoryCounters, rule: object, key: bytes = b"k", cost: int = 1) -> Verdict:
    (verdict,) = counters.decide([check(rule, key, cost)])  # type: ignore[arg-type]  # rules of any sort
    return verdict


@given(limit=st.integers(1, 30), gaps=gaps)
def test_sliding_window_never_admits_more_than_the_limit_in_any_window(limit: int, gaps: list[int]) -> None:
    clock = Clock()
    counters, rule = MemoryCounters(clock=clock), rule_of(Algorithm.SLIDING_WINDOW, limit, 60)
    admitted: deque[int] = deque()
    for gap in gaps:
        clock.now += gap
        for _ in range(7):
            exact = sum(1 for moment in admitted if moment > clock.now - MINUTE)
            longer = sum(1 for moment in admitted if moment > clock.now - MINUTE - MINUTE // GRAINS)
            verdict = take(counters, rule)
            assert exact < limit if verdict.admitted else longer >= limit, "refused by no more than a sixtieth of the window"
            if verdict.admitted:
                admitted.append(clock.now)


@given(limit=st.integers(1, 20), gaps=gaps)
def test_fixed_window_is_the_same_as_that_of_the_library_limits(limit: int, gaps: list[int]) -> None:
    """Its windows begin with the first request of a key too. Its seconds are whole, so these are."""
    clock = Clock()
    counters, rule = MemoryCounters(clock=clock), rule_of(Algorithm.FIXED_WINDOW, limit, 60)
    with patch("time.time", lambda: clock.now / SECOND):
        storage = limits_library.storage.MemoryStorage()
        oracle = FixedWindowRateLimiter(storage)
        quota = limits_library.RateLimitItemPerMinute(limit)
        for gap in gaps:
            clock.now += gap // SECOND * SECOND
            assert take(counters, rule).admitted == oracle.hit(quota, "k")


@given(limit=st.integers(1, 20), gaps=gaps)
def test_token_bucket_is_an_exact_bucket_but_for_microseconds(limit: int, gaps: list[int]) -> None:
    clock = Clock()
    counters, rule = MemoryCounters(clock=clock), rule_of(Algorithm.TOKEN_BUCKET, limit, 60)
    assert isinstance(rule, Bucket)
    tokens, before = Fraction(limit), clock.now
    for gap in gaps:
        clock.now += gap
        tokens, before = min(tokens + Fraction(clock.now - before, rule.interval), Fraction(limit)), clock.now
        verdict = take(counters, rule)
        assert verdict.admitted == (tokens >= 1)
        tokens -= verdict.admitted
        assert verdict.remaining == tokens // 1


def test_token_bucket_is_the_same_as_the_gcra_of_throttled() -> None:
    """Where its semantics are right: bursts of at least half the rate. It counts in floating seconds, so requests keep off the edges."""
    clock = Clock()
    counters, rule = MemoryCounters(clock=clock), Bucket("one", MINUTE // 60, MINUTE // 60 * 40)
    with patch("time.time", lambda: clock.now / SECOND), patch("time.monotonic", lambda: clock.now / SECOND):
        oracle = Throttled(using=RateLimiterType.GCRA.value, quota=rate_limiter.per_min(60, burst=40), store=MemoryStore())
        answers = []
        for number in range(300):
            clock.now += (number % 7) * SECOND // 5 + 1_000
            answers.append((take(counters, rule).admitted, not oracle.limit("k").limited))
    assert [ours for ours, _ in answers] == [theirs for _, theirs in answers]
    assert {ours for ours, _ in answers} == {True, False}


@given(rule=st.one_of(buckets, windows), gaps=gaps, cost=st.integers(1, 2))
def test_who_retries_exactly_then_is_admitted_and_a_microsecond_earlier_is_not(
    rule: Bucket | SlidingWindow, gaps: list[int], cost: int
) -> None:
    clock = Clock()
    most = capacity(rule)
    cost = min(cost, most)
    for early in (True, False):
        counters = MemoryCounters(clock=clock)
        for gap in gaps[:20]:
            clock.now += gap
            verdict = take(counters, rule, cost=cost)
            if not verdict.admitted:
                assert verdict.after > 0
                clock.now += verdict.after - early
                again = take(counters, rule, cost=cost)
                assert again.admitted != early
                if early:
                    assert again.after == 1


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_key_that_is_left_alone_for_as_long_as_it_was_told_is_as_new(algorithm: Algorithm) -> None:
    clock = Clock()
    counters, rule = MemoryCounters(clock=clock), rule_of(algorithm, 7, 60)
    first = take(counters, rule)
    while (last := take(counters, rule)).admitted:
        pass
    clock.now += last.reset
    assert take(counters, rule) == first


@pytest.mark.parametrize(
    ("algorithm", "times"),
    [(Algorithm.FIXED_WINDOW, 2.0), (Algorithm.SLIDING_WINDOW, 1.0), (Algorithm.TOKEN_BUCKET, 2.0), (Algorithm.LEAKY_BUCKET, 2.0)],
)
def test_double_burst_at_a_windows_edge_admits_no_more_than_the_algorithm_says(algorithm: Algorithm, times: float) -> None:
    clock = Clock()
    counters, rule = MemoryCounters(clock=clock), rule_of(algorithm, 100, 60)
    take(counters, rule)  # a window begins
    admitted = []
    for moment in (MINUTE - 1, MINUTE + 1):
        clock.now = START + moment
        admitted += [clock.now for _ in range(150) if take(counters, rule).admitted]
    assert len(admitted) <= 100 * times
    assert len(admitted) >= 99


def test_burst_of_a_window_is_how_many_of_its_requests_may_come_at_once() -> None:
    clock = Clock()
    counters, rules = MemoryCounters(clock=clock), Limit("orchestration", 100, 60, burst=20).rules()
    admitted = 0
    for _ in range(60 * 10):
        for _ in range(50):
            admitted += all(verdict.admitted for verdict in counters.decide(checks(rules)))
        assert admitted > 20 or clock.now > START or admitted == 20
        clock.now += SECOND // 10
    assert 95 <= admitted <= 100


def test_leaky_bucket_lets_what_comes_at_once_go_on_at_its_rate() -> None:
    clock = Clock()
    counters, rule = MemoryCounters(clock=clock), rule_of(Algorithm.LEAKY_BUCKET, 60, 60)
    waits = [take(counters, rule).after for _ in range(5)]
    assert waits == [0, SECOND, 2 * SECOND, 3 * SECOND, 4 * SECOND]


def test_refusal_by_one_limit_takes_nothing_from_the_others() -> None:
    clock = Clock()
    counters = MemoryCounters(clock=clock)
    wide, narrow = Limit("wide", 10, 60), Limit("narrow", 2, 60)
    both = checks([*wide.rules(), *narrow.rules()])
    answers = [counters.decide(both) for _ in range(5)]
    assert [all(verdict.admitted for verdict in answer) for answer in answers] == [True, True, False, False, False]
    assert [answer[0].remaining for answer in answers] == [9, 8, 8, 8, 8]
    assert take(counters, wide.rules()[0]).remaining == 7


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_clock_set_back_refuses_nobody_for_longer_than_a_window(algorithm: Algorithm) -> None:
    clock = Clock()
    counters, rule = MemoryCounters(clock=clock), rule_of(algorithm, 5, 60)
    while take(counters, rule).admitted:
        pass
    clock.now -= 365 * 24 * 3600 * SECOND
    refused = take(counters, rule)
    assert not refused.admitted, "a clock that is set back gives nothing away"
    assert 0 < refused.after <= MINUTE
    clock.now += refused.after
    assert take(counters, rule).admitted


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_flood_of_junk_keys_gives_no_refused_key_its_limit_back_and_keeps_to_its_memory(algorithm: Algorithm) -> None:
    clock, memory = Clock(), 1 << 20
    limit = 10
    keys = [b"live" + number.to_bytes(4, "big") for number in range(100)]
    tracemalloc.start()
    counters, rule = MemoryCounters(memory, clock), rule_of(algorithm, limit, 3600)
    for key in keys:
        for _ in range(limit):
            assert take(counters, rule, key).admitted
    junk_admitted = 0
    for number in range(30_000):
        clock.now += 50
        junk_admitted += take(counters, rule, b"junk" + number.to_bytes(4, "big")).admitted
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert not any(take(counters, rule, key).admitted for key in keys)
    assert peak <= memory, f"{peak:,} bytes"
    assert junk_admitted > 29_000, "who is new is served even then"


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_busy_keys_keep_to_the_memory_too(algorithm: Algorithm) -> None:
    """Each of them sends all that it may, spread over the window."""
    clock, memory = Clock(), 1 << 20
    tracemalloc.start()
    counters, rule = MemoryCounters(memory, clock), rule_of(algorithm, 1000, 60)
    for _ in range(40):
        clock.now += MINUTE // 40
        for number in range(1_500):
            take(counters, rule, number.to_bytes(4, "big"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= memory, f"{peak:,} bytes"


def test_flood_of_failing_addresses_lifts_no_ban_and_keeps_to_its_memory() -> None:
    clock, memory, ban = Clock(), 1 << 20, Ban(after=3)
    tracemalloc.start()
    counters = MemoryCounters(memory, clock)

    async def flood() -> None:
        for number in range(-3, 20_000):  # made one by one: the keys themselves are not what is measured
            await counters.strike(ban, b"one" if number < 0 else b"junk" + number.to_bytes(4, "big"), 0)
        # Of those who come late, a few share with many: which ones, nobody can foretell.
        at_first = [(await counters.strike(ban, b"later%d" % number, 0)).admitted for number in range(20)]
        assert sum(at_first) > 10
        for _ in range(3):
            await counters.strike(ban, b"late", 0)
        await counters.prove(ban, b"good")

    asyncio.run(flood())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak <= memory, f"{peak:,} bytes"
    answers = {key: counters.decide([(ban, key, 0)])[0] for key in (b"one", b"late", b"good", b"new")}
    assert {key: verdict.admitted for key, verdict in answers.items()} == {b"one": False, b"late": False, b"good": True, b"new": True}
    assert answers[b"good"].reset > 0, "who proved himself is known even then"


def test_crowd_never_admits_more_than_a_key_of_its_own_would_get() -> None:
    clock = Clock()
    counters, rule = MemoryCounters(100, clock), rule_of(Algorithm.TOKEN_BUCKET, 5, 3600)  # no room for any key
    admitted = {key: sum(take(counters, rule, key).admitted for _ in range(8)) for key in (b"%d" % number for number in range(300))}
    assert set(admitted.values()) <= {0, 1, 2, 3, 4, 5}
    assert sum(admitted.values()) > 300
    clock.now += 3600 * SECOND
    assert take(counters, rule, b"1").admitted


@given(share=st.integers(1, 7), rule=st.one_of(buckets, windows))
def test_shares_of_a_limit_add_up_to_it_or_are_one_each(share: int, rule: Bucket | SlidingWindow) -> None:
    one = shared(rule, share)
    clock = Clock()
    counters = MemoryCounters(clock=clock)
    whole = capacity(rule)
    admitted = sum(take(counters, one).admitted for _ in range(40))
    assert admitted == max(whole // share, 1)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"limit": 0}, "at least 1"),
        ({"limit": LARGEST + 1}, "at most 1,000,000"),
        ({"per": 0}, "up to a day"),
        ({"per": 86_401}, "up to a day"),
        ({"burst": -1}, "burst"),
        ({"limit": 1, "per": 3600, "burst": 1000}, "30 days to refill"),
        ({"key": "cookie"}, "none of ip"),
        ({"key": "header:X Y"}, "none of ip"),
        ({"name": 'a"b'}, "letters"),
        ({"name": "(ban)"}, "letters"),
        ({"algorithm": "bucket"}, "bucket"),
    ],
)
def test_limit_that_cannot_be_kept_is_refused_in_words(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Limit(**({"name": "one", "limit": 10} | wrong))  # type: ignore[arg-type]  # wrong on purpose


def test_limits_of_the_proven_are_asked_behind_the_proof() -> None:
    limits = [Limit("a", 1), Limit("b", 1, key="webhook"), Limit("c", 1, key="header:X-Team"), Limit("d", 1, key="principal")]
    before, after = split(limits)
    assert [limit.name for limit in before] == ["a", "c"]
    assert [limit.name for limit in after] == ["b", "d"]


def test_limit_declared_otherwise_begins_anew_and_one_declared_the_same_does_not() -> None:
    clock = Clock()
    counters = MemoryCounters(clock=clock)
    for _ in range(2):
        take(counters, Limit("one", 2).rules()[0])
    assert not take(counters, Limit("one", 2).rules()[0]).admitted
    assert take(counters, Limit("one", 3).rules()[0]).remaining == 2


def test_clock_of_the_machine_is_what_counts_when_none_is_given() -> None:
    counters, rule = MemoryCounters(), Bucket("one", 50_000, 50_000)
    assert take(counters, rule).admitted
    refused = take(counters, rule)
    time.sleep(0.06)
    assert not refused.admitted
    assert take(counters, rule).admitted
