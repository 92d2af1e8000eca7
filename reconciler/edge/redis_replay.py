"""The replay memory of several replicas, in Redis or Valkey. When the server is away nothing is claimed: the sender tries again."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

import redis.asyncio
from redis.exceptions import RedisError

from ..core.errors import Unavailable
from .replay import CLAIM_SECONDS, REMEMBERED_SECONDS, Claim, Standing

PATIENCE_SECONDS = 1.0  # a delivery has ten seconds in all; a slow server is treated as one that is away
_DONE = b"handled"
_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0"


class RedisReplayMemory:
    """Keys are `prefix` and a digest, and every one of them ends by itself.

    The server must not evict keys that live (`maxmemory-policy noeviction`, the default): what it evicts could be replayed.
    """

    def __init__(
        self,
        client: redis.asyncio.Redis,
        *,
        prefix: str = "reconciler:replay:",
        seconds: float = REMEMBERED_SECONDS,
        claim_seconds: float = CLAIM_SECONDS,
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._remembered = int(seconds * 1000)
        self._claimed = int(claim_seconds * 1000)

    async def claim(self, key: str) -> Claim:
        name, token = self._name(key), secrets.token_hex(8)
        with _unavailable():
            async with asyncio.timeout(PATIENCE_SECONDS):
                if await self._client.set(name, token, nx=True, px=self._claimed):
                    return Claim(Standing.NEW, key, token)
                # Asked for apart, since Redis gives SET both NX and GET only from 7.0 on. Gone in between: busy, the caller asks again.
                held = await self._client.get(name)
        return Claim(Standing.SEEN if held in (_DONE, _DONE.decode()) else Standing.BUSY, key)

    async def handled(self, claim: Claim) -> None:
        with _unavailable():
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._client.set(self._name(claim.key), _DONE, px=self._remembered)

    async def release(self, claim: Claim) -> None:
        with _unavailable():
            async with asyncio.timeout(PATIENCE_SECONDS):
                # Only our own claim: when it ended early, the key is somebody else's by now.
                await self._client.eval(_RELEASE, 1, self._name(claim.key), claim.token)

    def _name(self, key: str) -> str:
        return self._prefix + hashlib.sha256(key.encode()).hexdigest()


@contextmanager
def _unavailable() -> Iterator[None]:
    try:
        yield
    except (RedisError, OSError, TimeoutError) as error:
        # Named by its sort alone: the message could quote a key or an address with a password.
        raise Unavailable(f"the replay memory in Redis does not answer ({type(error).__name__})") from None
