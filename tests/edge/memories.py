"""Each replay memory in turn: what holds of one, holds of the other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import redis.asyncio

from reconciler.edge.redis_replay import RedisReplayMemory
from reconciler.edge.replay import CLAIM_SECONDS, LocalReplayMemory, ReplayMemory

Trial = Callable[[ReplayMemory], Awaitable[None]]
Run = Callable[[Trial], None]


@asynccontextmanager
async def in_redis(url: str, claim_seconds: float = CLAIM_SECONDS) -> AsyncIterator[RedisReplayMemory]:
    async with redis.asyncio.from_url(url) as client:
        yield RedisReplayMemory(client, claim_seconds=claim_seconds)


def run_with_local(trial: Trial) -> None:
    async def in_loop() -> None:
        await trial(LocalReplayMemory())

    asyncio.run(in_loop())


def run_with_redis(url: str, trial: Trial) -> None:
    async def in_loop() -> None:
        async with in_redis(url) as memory:
            await trial(memory)

    asyncio.run(in_loop())
