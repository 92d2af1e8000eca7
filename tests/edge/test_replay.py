"""Every copy of a delivery is handled once: on one replica and on several, at once, after failures, and within a bound of memory."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest
import redis.asyncio

from reconciler.core.errors import Unavailable
from reconciler.edge.redis_replay import RedisReplayMemory
from reconciler.edge.replay import CLAIM_SECONDS, GENERATIONS, REMEMBERED_SECONDS, Claim, LocalReplayMemory, ReplayMemory, Standing

from .memories import Run, in_redis
from .redis_server import PROGRAMS, start_redis
from .stand import stand

NEW, BUSY, SEEN, FULL = Standing.NEW, Standing.BUSY, Standing.SEEN, Standing.FULL


class Ticks:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


async def standing(memory: ReplayMemory, key: str) -> Standing:
    return (await memory.claim(key)).standing


def test_what_is_claimed_is_busy_and_what_is_handled_is_seen(with_memory: Run) -> None:
    async def trial(memory: ReplayMemory) -> None:
        claim = await memory.claim("a")
        assert claim.standing is NEW
        assert await standing(memory, "a") is BUSY
        assert await standing(memory, "b") is NEW
        await memory.handled(claim)
        assert [await standing(memory, "a") for _ in range(3)] == [SEEN] * 3

    with_memory(trial)


def test_what_is_released_can_be_claimed_again(with_memory: Run) -> None:
    async def trial(memory: ReplayMemory) -> None:
        await memory.release(await memory.claim("a"))
        claim = await memory.claim("a")
        assert claim.standing is NEW
        await memory.handled(claim)
        await memory.release(claim)
        assert await standing(memory, "a") is SEEN, "what was handled is never released"

    with_memory(trial)


def test_a_late_release_does_not_free_the_claim_of_another(with_memory: Run) -> None:
    async def trial(memory: ReplayMemory) -> None:
        first = await memory.claim("a")
        await memory.release(first)
        await memory.claim("a")
        await memory.release(first)
        assert await standing(memory, "a") is BUSY

    with_memory(trial)


def test_of_fifty_claims_at_once_one_is_granted(with_memory: Run) -> None:
    async def trial(memory: ReplayMemory) -> None:
        claims = await asyncio.gather(*(standing(memory, "a") for _ in range(50)))
        assert sorted(claims, key=str) == sorted([NEW] + [BUSY] * 49, key=str)

    with_memory(trial)


@pytest.mark.parametrize("key", ["", "a" * 100_000, "\0", "ü", "a:b", "{x}", "a b\r\n*1"])
def test_any_key_can_be_remembered(with_memory: Run, key: str) -> None:
    async def trial(memory: ReplayMemory) -> None:
        claim = await memory.claim(key)
        await memory.handled(claim)
        assert (claim.standing, await standing(memory, key)) == (NEW, SEEN)
        assert await standing(memory, key + "x") is NEW

    with_memory(trial)


def test_memory_lasts_its_time_and_little_longer() -> None:
    async def trial() -> None:
        for start in (0.0, 0.3, 0.9):
            ticks = Ticks()
            memory = LocalReplayMemory(ticks=ticks)
            ticks.now += start * REMEMBERED_SECONDS / GENERATIONS
            claim = await memory.claim("a")
            await memory.handled(claim)
            handled = ticks.now
            ticks.now = handled + REMEMBERED_SECONDS
            assert await standing(memory, "a") is SEEN
            ticks.now = handled + REMEMBERED_SECONDS * (1 + 1 / GENERATIONS) + 1
            assert await standing(memory, "a") is NEW

    asyncio.run(trial())


def test_memory_outlasts_silence_of_any_length() -> None:
    async def trial() -> None:
        ticks = Ticks()
        memory = LocalReplayMemory(ticks=ticks)
        await memory.handled(await memory.claim("a"))
        ticks.now += 1e9
        await memory.handled(await memory.claim("b"))
        ticks.now += REMEMBERED_SECONDS
        assert (await standing(memory, "b"), len(memory)) == (SEEN, 1)

    asyncio.run(trial())


def test_a_clock_that_jumps_back_forgets_nothing() -> None:
    async def trial() -> None:
        ticks = Ticks()
        memory = LocalReplayMemory(ticks=ticks)
        await memory.handled(await memory.claim("a"))
        for ticks.now in (-1e9, 1000.0, 0.0, 1000.0 + REMEMBERED_SECONDS - 1, 5.0):
            assert await standing(memory, "a") is SEEN

    asyncio.run(trial())


def test_a_claim_that_a_crash_left_behind_ends_by_itself() -> None:
    async def trial() -> None:
        ticks = Ticks()
        memory = LocalReplayMemory(ticks=ticks)
        await memory.claim("a")
        ticks.now += CLAIM_SECONDS - 0.1
        assert await standing(memory, "a") is BUSY
        ticks.now += 0.1
        assert await standing(memory, "a") is NEW

    asyncio.run(trial())


def test_a_full_memory_refuses_and_forgets_nothing() -> None:
    async def trial() -> None:
        ticks = Ticks()
        memory = LocalReplayMemory(most=100, ticks=ticks)
        claims = [await memory.claim(str(number)) for number in range(100)]
        assert await standing(memory, "one more") is FULL
        await memory.release(claims.pop())
        for claim in claims:
            await memory.handled(claim)
        assert await standing(memory, "one more") is NEW
        assert await standing(memory, "another") is FULL
        assert {await standing(memory, claim.key) for claim in claims} == {SEEN}
        ticks.now += 2 * REMEMBERED_SECONDS
        assert await standing(memory, "another") is NEW

    asyncio.run(trial())


def test_a_hundred_thousand_deliveries_take_less_than_16_megabytes() -> None:
    async def fill(memory: LocalReplayMemory) -> None:
        for number in range(100_000):
            await memory.handled(Claim(NEW, f"github:{number:064x}"))

    memory = LocalReplayMemory()
    tracemalloc.start()
    try:
        asyncio.run(fill(memory))
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(memory) == 100_000
    assert taken < 16 * 1024 * 1024


def test_every_key_in_redis_ends_by_itself(redis_url: str) -> None:
    async def trial() -> None:
        async with in_redis(redis_url) as memory, redis.asyncio.from_url(redis_url) as client:
            await memory.claim("claimed")
            await memory.handled(await memory.claim("handled"))
            left = sorted([await client.pttl(key) for key in await client.keys("*")])
            assert 0 < left[0] <= CLAIM_SECONDS * 1000
            assert CLAIM_SECONDS * 1000 < left[1] <= REMEMBERED_SECONDS * 1000

    asyncio.run(trial())


def test_a_claim_in_redis_that_a_crash_left_behind_ends_by_itself(redis_url: str) -> None:
    async def trial() -> None:
        async with in_redis(redis_url, claim_seconds=0.05) as memory:
            assert await standing(memory, "a") is NEW
            while await standing(memory, "a") is BUSY:
                await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(trial(), 60))


def test_a_client_that_decodes_its_answers_serves_too(redis_url: str) -> None:
    async def trial() -> None:
        async with redis.asyncio.from_url(redis_url, decode_responses=True) as client:
            memory = RedisReplayMemory(client)
            await memory.handled(await memory.claim("a"))
            assert await standing(memory, "a") is SEEN

    asyncio.run(trial())


@pytest.mark.parametrize("garbage", ["SET|junk", "SET|", "SET|handled ", "LPUSH|x", "HSET|x|y", "SETBIT|70000|1"])
def test_garbage_in_a_key_never_lets_a_delivery_through(redis_url: str, garbage: str) -> None:
    async def trial() -> None:
        async with in_redis(redis_url) as memory, redis.asyncio.from_url(redis_url, decode_responses=True) as client:
            await memory.claim("a")
            (name,) = await client.keys("*")
            await client.delete(name)
            command, *rest = garbage.split("|")
            await client.execute_command(command, name, *rest)  # type: ignore[no-untyped-call]  # theirs
            said = await standing_or_words(memory, "a")
            assert said is not NEW
            assert str(name) not in str(said)

    asyncio.run(trial())


async def standing_or_words(memory: ReplayMemory, key: str) -> Standing | str:
    try:
        return await standing(memory, key)
    except Unavailable as error:
        return str(error)


def test_without_redis_nothing_is_claimed_and_nothing_is_a_fault(tmp_path_factory: pytest.TempPathFactory) -> None:
    with start_redis(tmp_path_factory.mktemp("redis")) as server:
        url = server.url

    async def trial() -> None:
        async with in_redis(url) as memory:
            it = stand("github", memory=memory)
            answer = await it.send(*it.signed())
            assert (answer.status, answer.headers[b"retry-after"]) == (503, b"5")
            assert not it.inbox.receipts
            assert it.notices[0].reason.startswith("the replay memory in Redis does not answer")

    asyncio.run(trial())


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_redis_that_takes_no_writes_lets_nothing_through(program: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    async def trial(url: str) -> None:
        async with in_redis(url) as memory, redis.asyncio.from_url(url) as client:
            it = stand("github", memory=memory)
            await client.replicaof("127.0.0.1", "1")  # a replica takes no writes
            assert (await it.send(*it.signed())).status == 503
            await client.replicaof("NO", "ONE")
            assert (await it.send(*it.signed())).status == 202
            assert (await it.send(*it.signed())).status == 200

    with start_redis(tmp_path_factory.mktemp("redis"), program) as server:
        asyncio.run(trial(server.url))
