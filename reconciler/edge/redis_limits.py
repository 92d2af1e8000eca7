"""Counters of several replicas, in Redis or Valkey: one script, one round trip for all rules of a request, the server's clock.

Every key ends by itself. When the server is away, slow, full or only to be read, each replica admits its share of every limit by itself.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

from ..core.breaker import Breaker
from ..core.errors import Unavailable
from .limits import Ban, Bucket, Check, FixedWindow, Rule, Verdict, capacity, shared
from .memory_limits import MemoryCounters, uncounted
from .redis_line import RedisLine, Said, packed

log = logging.getLogger(__name__)

SCRIPT = Path(__file__).with_name("limits.lua").read_bytes()
_DIGEST = hashlib.sha1(SCRIPT, usedforsecurity=False).hexdigest().encode()  # how Redis names scripts

TIMEOUT_SECONDS = 0.1  # what a request waits for a slow server before its replica decides by itself
FAILURES = 3
PAUSE_SECONDS = 1.0  # a restart takes about that long; asking costs one request a timeout, not all
ANNOUNCED_SECONDS = 5.0  # how often a replica says that it is there; the script forgets it after 30 s
REPLICAS = 3  # how many we take ourselves for until the server has said
LONGEST_PLAIN = 32  # bytes of a key that are written as they are; the rest is known by its digest


class RedisCounters:
    """`local` decides while the server is away. `prefix` is one hash tag, so that one script may touch all keys of a cluster.

    `clock`, in microseconds, takes the place of the server's in tests.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = "{reconciler:limits}",
        local: MemoryCounters | None = None,
        timeout: float = TIMEOUT_SECONDS,
        clock: Callable[[], int] | None = None,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._line = RedisLine(url, timeout)
        self._prefix = prefix.encode()
        self._local = local or MemoryCounters()
        self._clock = clock
        self._ticks = ticks
        self._breaker = Breaker("Redis", FAILURES, PAUSE_SECONDS, ticks)
        self._name = secrets.token_hex(8).encode()
        self._announced = -ANNOUNCED_SECONDS
        self.away = False
        self.replicas = REPLICAS  # as far as was heard

    async def take(self, checks: Sequence[Check]) -> Sequence[Verdict]:
        asked = [(rule, key, _words(rule, cost)) for rule, key, cost in checks]
        verdicts = await self._ask(asked)
        if verdicts is None:
            return self._local.decide([self._share(check) for check in checks])
        if all(verdict.admitted for verdict in verdicts):
            return verdicts
        return [uncounted(verdict, check) for verdict, check in zip(verdicts, checks, strict=True)]

    async def strike(self, ban: Ban, key: bytes, jitter: int) -> Verdict:
        # How long failures count and the jitter share a number: see the script.
        verdicts = await self._ask([(ban, key, [b"strike", b"%d" % (ban.within * 1000 + jitter), *_ban_words(ban)])])
        return verdicts[0] if verdicts else await self._local.strike(ban, key, jitter)

    async def prove(self, ban: Ban, key: bytes) -> None:
        if await self._ask([(ban, key, [b"prove", b"0", *_ban_words(ban)])]) is None:
            await self._local.prove(ban, key)

    def close(self) -> None:
        self._line.close()

    async def _ask(self, asked: Sequence[tuple[Rule, bytes, list[bytes]]]) -> list[Verdict] | None:
        """The script's verdicts; None when this replica must decide by itself."""
        try:
            with self._breaker.attempt():
                answer = await self._run(asked)
        except Unavailable as error:
            if not self.away:
                log.warning("limits are kept by each of %d replicas by itself: %s", self.replicas, error)
            self.away = True
            return None
        if self.away:
            log.warning("limits are kept in Redis again")
            self.away = False
        return answer

    async def _run(self, asked: Sequence[tuple[Rule, bytes, list[bytes]]]) -> list[Verdict]:
        now = b"%d" % self._clock() if self._clock else b"0"
        announces = self._ticks() - self._announced >= ANNOUNCED_SECONDS
        keys = [self._prefix + rule.name.encode() + b":" + written(key) for rule, key, _ in asked]
        words = [b"%d" % (len(keys) + 1), *keys, self._prefix + b"replicas", now, self._name if announces else b""]
        for _, _, numbers in asked:
            words += numbers
        try:
            answer = await self._line.ask(packed(b"EVALSHA", _DIGEST, *words))
        except Said as error:
            if error.code != "NOSCRIPT":
                raise
            answer = await self._line.ask(packed(b"EVAL", SCRIPT, *words))
        if not isinstance(answer, bytes):
            raise Unavailable("Redis answers with something else than verdicts")
        replicas, *told = map(int, answer.split())
        if announces:
            self._announced, self.replicas = self._ticks(), max(replicas, 1)
        return [Verdict(bool(told[at]), *told[at + 1 : at + 4]) for at in range(0, len(told), 4)]

    def _share(self, check: Check) -> Check:
        rule, key, cost = check
        ours = shared(rule, self.replicas)
        return ours, key, min(cost, capacity(ours))


def written(key: bytes) -> bytes:
    """A key in letters that mean nothing to anybody, whatever a client put into it."""
    if len(key) > LONGEST_PLAIN:
        return b"." + base64.urlsafe_b64encode(hashlib.blake2b(key, digest_size=16).digest()).rstrip(b"=")
    return base64.urlsafe_b64encode(key).rstrip(b"=")


def _words(rule: Rule, cost: int) -> list[bytes]:
    sort, *numbers = _rule_words(rule)
    return [sort, b"%d" % cost, *numbers]


@lru_cache(maxsize=1024)
def _rule_words(rule: Rule) -> tuple[bytes, ...]:
    """The sort of a rule and its four numbers, as the script takes them."""
    if isinstance(rule, Ban):
        return (b"ban", *_ban_words(rule))
    if isinstance(rule, Bucket):
        sort, numbers = b"bucket", (rule.interval, rule.depth, int(rule.waits), 0)
    elif isinstance(rule, FixedWindow):
        sort, numbers = b"fixed", (rule.limit, rule.per, 0, 0)
    else:
        sort, numbers = b"sliding", (rule.limit, rule.per, rule.grain, 0)
    return (sort, *(b"%d" % number for number in numbers))


def _ban_words(ban: Ban) -> list[bytes]:
    return [b"%d" % number for number in (ban.after, ban.base, ban.longest, ban.trust)]
