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
from .limits import Ban, Bucket, Check, FixedWindow, Rule, Verdict, capacity, shared, verdict_of
from .memory_limits import MemoryCounters, uncounted
from .redis_line import RedisLine, Said, bulk, bulks

log = logging.getLogger(__name__)

SCRIPT = Path(__file__).with_name("limits.lua").read_bytes()
_DIGEST = hashlib.sha1(SCRIPT, usedforsecurity=False).hexdigest().encode()  # how Redis names scripts
_BY_DIGEST, _WHOLE = bulks(b"EVALSHA", _DIGEST), bulks(b"EVAL", SCRIPT)
_ZERO, _NOTHING = bulk(b"0"), bulk(b"")

TIMEOUT_SECONDS = 0.1  # what a request waits for a slow server before its replica decides by itself
FAILURES = 3
PAUSE_SECONDS = 1.0  # a restart takes about that long; asking costs one request a timeout, not all
ANNOUNCED_SECONDS = 5.0  # how often a replica says that it is there; the script forgets it after 30 s
REPLICAS = 3  # how many we take ourselves for until the server has said
LONGEST_PLAIN = 32  # bytes of a key that are written as they are; the rest is known by its digest


Asked = tuple[bytes, bytes, bytes]
"""How the names of a rule's keys begin, a key, and the question as it is sent: what of a rule never changes is made once."""


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
        self._members = bulk(self._prefix + b"replicas")
        self._local = local or MemoryCounters()
        self._clock = clock
        self._ticks = ticks
        self._breaker = Breaker("Redis", FAILURES, PAUSE_SECONDS, ticks)
        self._name = secrets.token_hex(8).encode()
        self._announced = -ANNOUNCED_SECONDS
        self.away = False
        self.replicas = REPLICAS  # as far as was heard

    async def take(self, checks: Sequence[Check]) -> Sequence[Verdict]:
        verdicts = await self._ask([(self._prefix_of(rule), key, _question(rule, cost)) for rule, key, cost in checks])
        if verdicts is None:
            return self._local.decide([self._share(check) for check in checks])
        if all(verdict.admitted for verdict in verdicts):
            return verdicts
        return [uncounted(verdict, check) for verdict, check in zip(verdicts, checks, strict=True)]

    async def strike(self, ban: Ban, key: bytes, jitter: int) -> Verdict:
        # How long failures count and the jitter share a number: see the script.
        question = bulks(b"strike", b"%d" % (ban.within * 1000 + jitter), *_ban_words(ban))
        verdicts = await self._ask([(self._prefix_of(ban), key, question)])
        return verdicts[0] if verdicts else await self._local.strike(ban, key, jitter)

    async def prove(self, ban: Ban, key: bytes) -> None:
        if await self._ask([(self._prefix_of(ban), key, bulks(b"prove", b"0", *_ban_words(ban)))]) is None:
            await self._local.prove(ban, key)

    def close(self) -> None:
        self._line.close()

    def _prefix_of(self, rule: Rule) -> bytes:
        return self._prefix + rule.name.encode() + b":"

    async def _ask(self, asked: Sequence[Asked]) -> list[Verdict] | None:
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

    async def _run(self, asked: Sequence[Asked]) -> list[Verdict]:
        announces = self._ticks() - self._announced >= ANNOUNCED_SECONDS
        count = len(asked)
        keys = b"".join([bulk(prefix + written(key)) for prefix, key, _ in asked])
        now = _ZERO if self._clock is None else bulk(b"%d" % self._clock())
        told = b"".join([question for _, _, question in asked])
        words = b"%b%b%b%b%b%b" % (bulk(b"%d" % (count + 1)), keys, self._members, now, bulk(self._name) if announces else _NOTHING, told)
        length = 6 + 7 * count
        try:
            answer = await self._line.ask(b"*%d\r\n%b%b" % (length, _BY_DIGEST, words))
        except Said as error:
            if error.code != "NOSCRIPT":
                raise
            answer = await self._line.ask(b"*%d\r\n%b%b" % (length, _WHOLE, words))
        try:
            numbers = [*map(int, answer.split())] if isinstance(answer, bytes) else []
        except ValueError:
            numbers = []
        if len(numbers) != 1 + 4 * count:
            raise Unavailable("Redis answers with something else than verdicts")
        if announces:
            self._announced, self.replicas = self._ticks(), max(numbers[0], 1)
        return [verdict_of(Verdict, (numbers[at] == 1, *numbers[at + 1 : at + 4])) for at in range(1, len(numbers), 4)]

    def _share(self, check: Check) -> Check:
        rule, key, cost = check
        ours = shared(rule, self.replicas)
        return ours, key, min(cost, capacity(ours))


def written(key: bytes) -> bytes:
    """A key in letters that mean nothing to anybody, whatever a client put into it."""
    if len(key) > LONGEST_PLAIN:
        return b"." + base64.urlsafe_b64encode(hashlib.blake2b(key, digest_size=16).digest()).rstrip(b"=")
    return base64.urlsafe_b64encode(key).rstrip(b"=")


@lru_cache(maxsize=1024)
def _question(rule: Rule, cost: int) -> bytes:
    """The sort of a rule, a cost and the rule's four numbers, as they are sent to the script."""
    if isinstance(rule, Ban):
        return bulks(b"ban", b"%d" % cost, *_ban_words(rule))
    if isinstance(rule, Bucket):
        sort, numbers = b"bucket", (rule.interval, rule.depth, int(rule.waits), 0)
    elif isinstance(rule, FixedWindow):
        sort, numbers = b"fixed", (rule.limit, rule.per, 0, 0)
    else:
        sort, numbers = b"sliding", (rule.limit, rule.per, rule.grain, 0)
    return bulks(sort, *(b"%d" % number for number in (cost, *numbers)))


def _ban_words(ban: Ban) -> list[bytes]:
    return [b"%d" % number for number in (ban.after, ban.base, ban.longest, ban.trust)]
