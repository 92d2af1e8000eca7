"""When secrets are due, and how many rotations begin at once."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import NamedTuple

JITTER = 0.1
"""At most this share of an interval earlier, by the path: what was made on one day is not due on one day for ever."""


class Caps(NamedTuple):
    """How many rotations may be active at once: after an outage of a month everything is overdue."""

    target: int = 1
    store: int = 20
    overall: int = 20


class Due(NamedTuple):
    """When one secret should be rotated. Times: epoch seconds."""

    at: int
    warn_at: int

    def overdue(self, now: int) -> bool:
        return now >= self.at

    def warns(self, now: int) -> bool:
        return self.warn_at <= now < self.at


class Candidate(NamedTuple):
    """One secret that could begin or go on."""

    path: str
    store: str
    target: str  # empty: it has none
    at: int
    active: bool = False


def due(path: str, last: int, interval: int, warning: int) -> Due:
    """The same path has the same jitter at every run and on every machine."""
    at = last + interval - round(interval * JITTER * _share(path))
    return Due(at, at - (warning if warning < interval else interval // 4))  # a default may be longer than a short interval


def _share(path: str) -> float:
    return int.from_bytes(hashlib.sha256(path.encode()).digest()[:4]) / 2**32


def admitted(candidates: Iterable[Candidate], caps: Caps, under_way: Iterable[Candidate] = ()) -> Iterator[Candidate]:
    """Those that may go on or begin now: the active ones, then the longest overdue, as far as the caps allow beside others."""
    ordered = sorted(candidates, key=lambda one: (not one.active, one.at, one.path))
    others = list(under_way)
    stores = Counter(one.store for one in others)
    targets = Counter(one.target for one in others if one.target)
    for one in ordered:
        full = stores.total() >= caps.overall or stores[one.store] >= caps.store or (one.target and targets[one.target] >= caps.target)
        if one.active or not full:
            stores[one.store] += 1
            targets[one.target] += bool(one.target)
            yield one
