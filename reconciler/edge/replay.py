"""Remembering what was handled, so that a copy of a delivery is not handled again.

`claim` before a delivery is handled, then `handled` once it is safely stored, or `release` when it was not: the sender may then try
again. A crash in between leaves a claim that ends by itself. Only senders with a valid MAC get this far, so strangers cannot fill it.

A server that stores events durably can be the memory itself: a unique column of the replay key is `SEEN`, inserting the event is
`handled`, and `release` does nothing.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable
from enum import Enum
from functools import lru_cache
from itertools import count
from typing import NamedTuple, Protocol

REMEMBERED_SECONDS = 72 * 3600.0  # GitHub redelivers what is up to three days old
CLAIM_SECONDS = 15.0  # storing an event takes milliseconds; after a crash in between, the sender is heard again after this
MOST_REMEMBERED = 200_000  # about 18 MB
GENERATIONS = 6  # what is forgotten, is forgotten in sixths of the time


class Standing(Enum):
    NEW = "it is the caller's to handle"
    BUSY = "another copy of it is being handled"
    SEEN = "it was handled before"
    FULL = "the replay memory is full"  # what cannot be remembered must not be handled


class Claim(NamedTuple):
    """What `claim` found. `token` tells this claim from a later one of the same key."""

    standing: Standing
    key: str
    token: str = ""


class ReplayMemory(Protocol):
    """Where deliveries are remembered. Each may raise `Unavailable`."""

    async def claim(self, key: str) -> Claim: ...

    async def handled(self, claim: Claim) -> None: ...

    async def release(self, claim: Claim) -> None: ...


class LocalReplayMemory:
    """The memory of one process, within a hard bound. Not safe in threads: an event loop's."""

    def __init__(
        self, *, seconds: float = REMEMBERED_SECONDS, most: int = MOST_REMEMBERED, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._step = seconds / GENERATIONS
        self._most = most
        self._ticks = ticks
        self._turned = ticks()
        # One more than the parts of the time: the youngest is not full yet when the oldest goes.
        self._seen: deque[set[bytes]] = deque([set()], maxlen=GENERATIONS + 1)
        self._claims: dict[bytes, tuple[str, float]] = {}
        self._numbers = count()

    async def claim(self, key: str) -> Claim:
        self._turn()
        short = _short(key)
        for generation in self._seen:
            if short in generation:
                return Claim(Standing.SEEN, key)
        held = self._claims.get(short)
        if held is not None and held[1] > self._ticks():
            return Claim(Standing.BUSY, key)
        if held is None and len(self) >= self._most:
            return Claim(Standing.FULL, key)
        token = str(next(self._numbers))
        self._claims[short] = (token, self._ticks() + CLAIM_SECONDS)
        return Claim(Standing.NEW, key, token)

    async def handled(self, claim: Claim) -> None:
        short = _short(claim.key)
        self._claims.pop(short, None)
        self._seen[0].add(short)

    async def release(self, claim: Claim) -> None:
        short = _short(claim.key)
        if self._claims.get(short, ("", 0.0))[0] == claim.token:
            del self._claims[short]

    def __len__(self) -> int:
        return len(self._claims) + sum(map(len, self._seen))

    def _turn(self) -> None:
        """Begin a new generation when its time has come, and forget the oldest."""
        passed = int((self._ticks() - self._turned) // self._step)
        for _ in range(min(passed, GENERATIONS + 1)):
            self._seen.appendleft(set())
        self._turned += max(passed, 0) * self._step


@lru_cache(maxsize=256)  # of a delivery it is asked for twice, with few others in between
def _short(key: str) -> bytes:
    # Sixteen bytes cannot be made to collide by anyone without the secret, and a key may be as long as a sender's id.
    return hashlib.blake2b(key.encode(), digest_size=16).digest()
