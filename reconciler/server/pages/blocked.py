"""The latest requests that went no further than the edge, as this process saw them."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from ...edge.blocked import Blocked
from ...edge.signatures import Notice, log_notice

MOST = 200  # who floods the server fills no more than that


class Stopped(NamedTuple):
    """One request. `at` is in seconds since 1970."""

    at: float
    by: str
    status: int
    reason: str
    address: str


class Latest:
    """Newest first. Safe to use from many threads."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._kept: deque[Stopped] = deque(maxlen=MOST)

    def blocked(self, one: Blocked) -> None:
        self._kept.appendleft(Stopped(self._clock(), one.by, one.status, one.reason, str(one.address or "")))

    def noticed(self, notice: Notice) -> None:
        """A webhook that was not taken. What is ignored or a duplicate was not refused."""
        log_notice(notice)
        if notice.status >= 400:
            by = f"signature of {notice.webhook}"
            self._kept.appendleft(Stopped(self._clock(), by, notice.status, notice.reason, str(notice.address or "")))

    def all(self) -> Sequence[Stopped]:
        return tuple(self._kept.copy())
