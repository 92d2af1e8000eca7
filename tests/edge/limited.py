"""Clocks, limits and histories for the tests of rate limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from reconciler.edge.limits import Algorithm, Ban, Bucket, Check, FixedWindow, Limit, Rule, SlidingWindow

SECOND = 1_000_000
START = 1_800_000_000 * SECOND  # a time as Redis has it: microseconds since 1970


@dataclass
class Clock:
    """Microseconds, moved by hand."""

    now: int = START

    def __call__(self) -> int:
        return self.now


def rule_of(algorithm: Algorithm, limit: int, per: int) -> Rule:
    """One rule without another beside it."""
    (rule,) = Limit("one", limit, per, algorithm=algorithm).rules()
    return rule


def check(rule: Rule, key: bytes = b"k", cost: int = 1) -> Check:
    return rule, key, cost


def checks(rules: Sequence[Rule], key: bytes = b"k", cost: int = 1) -> list[Check]:
    return [(rule, key, cost) for rule in rules]


MINUTE = 60 * SECOND

buckets = st.builds(
    lambda interval, burst, waits: Bucket("bucket", interval, interval * burst, waits),
    st.integers(MINUTE // 7, MINUTE),
    st.integers(1, 9),
    st.booleans(),
)
windows = st.builds(
    lambda sort, limit, per: sort(sort.__name__, limit, per),
    st.sampled_from([FixedWindow, SlidingWindow]),
    st.integers(1, 9),
    st.integers(MINUTE, 5 * MINUTE),
)
bans = st.builds(
    lambda after, base, doublings, within: Ban("ban", after, base, base * 2**doublings, within, 3 * base),
    st.integers(1, 4),
    st.integers(MINUTE, 3 * MINUTE),
    st.integers(0, 3),
    st.integers(MINUTE, 9 * MINUTE),
)
# Steps of a clock: none, one, about a window's end, and back.
steps = st.one_of(
    st.sampled_from([0, 1, MINUTE - 1, MINUTE, MINUTE + 1, MINUTE // 60]),
    st.integers(0, 2 * MINUTE),
    st.integers(-10 * MINUTE, -1),
)
