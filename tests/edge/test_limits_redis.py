"""Limits in Redis and Valkey: the same decisions as in memory, and what happens when the server is not what it should be."""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

from reconciler.core.errors import Unavailable
from reconciler.dev.process import LOOPBACK, stop
from reconciler.edge.limits import Algorithm, Ban, Limit, Rule, Verdict, capacity
from reconciler.edge.memory_limits import MemoryCounters
from reconciler.edge.redis_limits import RedisCounters
from reconciler.edge.redis_line import RedisLine, packed

from .limited import SECOND, Clock, bans, buckets, check, checks, rule_of, steps, windows
from .redis_server import PROGRAMS, RedisServer, start_redis

T = TypeVar("T")
PATIENT = 60.0  # seconds: what is decided on a machine that is busy must not be decided without the server
EXAMPLES = int(os.environ.get("EXAMPLES", "200"))
_numbers = itertools.count()


@pytest.fixture(scope="module", params=PROGRAMS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A server of each sort that is installed, for this module."""
    with start_redis(tmp_path_factory.mktemp(request.param), request.param) as started:
        yield started


@pytest.fixture
def own(tmp_path: Path) -> Iterator[RedisServer]:
    """A server that this test may break."""
    with start_redis(tmp_path) as started:
        yield started


def counters_at(url: str, clock: Clock | None = None, timeout: float = PATIENT, **more: object) -> RedisCounters:
    prefix = f"{{{next(_numbers)}}}"
    return RedisCounters(url, prefix=prefix, clock=clock, timeout=timeout, **more)  # type: ignore[arg-type]  # as they are named there


def run(counters: RedisCounters, use: Callable[[RedisCounters], Awaitable[T]]) -> T:
    async def used() -> T:
        try:
            return await use(counters)
        finally:
            counters.close()
            await asyncio.sleep(0)  # the transport says good-bye

    return asyncio.run(used())


rules = st.one_of(buckets, windows)
keys = st.sampled_from([b"a", b"b"])
costs = st.integers(1, 2)


@settings(max_examples=EXAMPLES)
@given(
    rules=st.lists(rules, min_size=1, max_size=3, unique_by=lambda rule: rule.name),
    history=st.lists(st.tuples(steps.filter(lambda step: step >= 0), keys, costs), min_size=1, max_size=40),
)
def test_every_decision_is_the_same_as_in_memory(server: RedisServer, rules: list[Rule], history: list[tuple[int, bytes, int]]) -> None:
    clock = Clock()
    memory = MemoryCounters(clock=clock)
    most = min(map(capacity, rules))

    async def compare(counters: RedisCounters) -> None:
        for step, key, cost in history:
            clock.now += step
            asked = checks(rules, key, min(cost, most))
            assert list(await counters.take(asked)) == list(memory.decide(asked))

    run(counters_at(server.url, clock), compare)


@settings(max_examples=EXAMPLES)
@given(rule=rules, history=st.lists(st.tuples(steps, costs), min_size=1, max_size=40))
def test_every_decision_is_the_same_while_clocks_go_back_and_forth(server: RedisServer, rule: Rule, history: list[tuple[int, int]]) -> None:
    """Set back only after a request was counted: what is over stays longer in a server than in memory, and would be of now again."""
    clock = Clock()
    memory = MemoryCounters(clock=clock)

    async def compare(counters: RedisCounters) -> None:
        counted = False
        for step, cost in history:
            clock.now += step if step >= 0 or counted else 0
            asked = checks([rule], cost=min(cost, capacity(rule)))
            verdicts = list(memory.decide(asked))
            assert list(await counters.take(asked)) == verdicts
            counted = verdicts[0].admitted

    run(counters_at(server.url, clock), compare)


@settings(max_examples=EXAMPLES)
@given(
    ban=bans,
    history=st.lists(st.tuples(steps, st.sampled_from(["strike", "strike", "strike", "ask", "prove"]), st.integers(0, 100)), max_size=50),
)
def test_every_ban_is_the_same_as_in_memory(server: RedisServer, ban: Ban, history: list[tuple[int, str, int]]) -> None:
    clock = Clock()
    memory = MemoryCounters(clock=clock)

    async def compare(counters: RedisCounters) -> None:
        for step, what, jitter in history:
            clock.now += step
            if what == "prove":
                await counters.prove(ban, b"k")
                await memory.prove(ban, b"k")
            elif what == "strike":
                assert await counters.strike(ban, b"k", jitter) == await memory.strike(ban, b"k", jitter)
            asked = [check(ban, b"k")]
            assert list(await counters.take(asked)) == list(await memory.take(asked))

    run(counters_at(server.url, clock), compare)


def test_keys_end_by_themselves_and_hold_nothing_that_a_client_wrote(server: RedisServer) -> None:
    nasty = [b"a/b", b"a:b", b"\0", b"{x}", b"*", "ü".encode(), b"k" * 33, b"K" * 10_000_000]
    every = [Limit(f"one {algorithm}", 3, 60, 2, algorithm) for algorithm in Algorithm]
    rules: list[Rule] = [rule for limit in every for rule in limit.rules()] + [Ban()]

    async def use(counters: RedisCounters) -> None:
        for key in nasty:
            for _ in range(2):
                await counters.take(checks(rules, key))
            await counters.strike(Ban(), key, 0)
            await counters.prove(Ban("(other)"), key)

    with Redis.from_url(server.url, decode_responses=True) as client:
        client.flushall()
        run(counters_at(server.url), use)
        keys = list(client.scan_iter())
        assert len(keys) == len(nasty) * (len(rules) + 1) + 1, "no two keys are one, and the set of replicas"
        assert all(client.pttl(key) > 0 for key in keys)
        assert all(set(key.rpartition(":")[2]) <= set(map(chr, range(45, 123))) and len(key) < 100 for key in keys if ":" in key)


@pytest.mark.parametrize("garbage", ["", "nan", "-5", "1e99", "9" * 400, "1:2:3:4:5:6", "0x10:1", "list", "hash"])
@pytest.mark.parametrize("algorithm", [*Algorithm, "ban"])
def test_garbage_in_a_key_opens_no_door_and_closes_none_for_good(server: RedisServer, algorithm: str, garbage: str) -> None:
    clock = Clock()
    rule: Rule = Ban() if algorithm == "ban" else rule_of(Algorithm(algorithm), 3, 60)

    async def use(counters: RedisCounters) -> None:
        if isinstance(rule, Ban):
            await counters.strike(rule, b"k", 0)
        else:
            await counters.take([check(rule, b"k")])
        with Redis.from_url(server.url) as client:
            (key,) = [key for key in client.scan_iter() if b"replicas" not in key]
            client.delete(key)
            if garbage == "list":
                client.rpush(key, "1", "2")
            elif garbage == "hash":
                client.hset(key, "1", "2")
            else:
                client.set(key, garbage)
        (refused,) = await counters.take([check(rule, b"k")])
        assert not refused.admitted
        assert refused.after <= 60 * SECOND
        clock.now += refused.after
        (again,) = await counters.take([check(rule, b"k")])
        assert again.admitted

    with Redis.from_url(server.url) as client:
        client.flushall()
    run(counters_at(server.url, clock), use)


def test_replicas_admit_exactly_the_limit_together(server: RedisServer) -> None:
    rule = rule_of(Algorithm.SLIDING_WINDOW, 40, 3600)
    prefix = f"{{{next(_numbers)}}}"

    async def hammer(counters: RedisCounters) -> int:
        answers = await asyncio.gather(*(counters.take([check(rule, b"k")]) for _ in range(30)))
        return sum(verdict.admitted for (verdict,) in answers)

    async def together() -> tuple[int, int]:
        replicas = [RedisCounters(server.url, prefix=prefix, timeout=PATIENT) for _ in range(4)]
        admitted = sum(await asyncio.gather(*map(hammer, replicas)))
        seen = replicas[-1].replicas
        for one in replicas:
            one.close()
        return admitted, seen

    admitted, seen = asyncio.run(together())
    assert admitted == 40
    assert 1 <= seen <= 4


def test_commands_are_one_round_trip_and_the_script_is_sent_again_when_the_server_forgot_it(own: RedisServer) -> None:
    rules = [rule for limit in (Limit("a", 9, burst=3), Limit("b", 9)) for rule in limit.rules()]

    async def use(counters: RedisCounters) -> None:
        await counters.take(checks(rules))
        with Redis.from_url(own.url) as client:
            client.config_resetstat()
            for _ in range(3):
                await counters.take(checks(rules))
            assert client.info("commandstats")["cmdstat_evalsha"]["calls"] == 3
            client.script_flush()
            client.flushall()
        assert all(verdict.admitted for verdict in await counters.take(checks(rules)))

    run(counters_at(own.url), use)


def test_flush_of_the_server_gives_a_limit_back_once_and_no_more(own: RedisServer) -> None:
    rule = rule_of(Algorithm.SLIDING_WINDOW, 5, 3600)

    async def use(counters: RedisCounters) -> None:
        assert await admitted(counters, rule, 9) == 5
        with Redis.from_url(own.url) as client:
            client.flushall()
        assert await admitted(counters, rule, 9) == 5
        assert not counters.away

    run(counters_at(own.url), use)


async def admitted(counters: RedisCounters, rule: Rule, times: int) -> int:
    verdicts: list[Verdict] = []
    for _ in range(times):
        verdicts += await counters.take([check(rule, b"k")])
    return sum(verdict.admitted for verdict in verdicts)


def broken_in_ways(own: RedisServer) -> dict[str, Callable[[], object]]:
    def configured(name: str, value: str) -> Callable[[], object]:
        def set_it() -> None:
            with Redis.from_url(own.url) as client:
                client.config_set(name, value)

        return set_it

    def read_only() -> None:
        with Redis.from_url(own.url) as client:
            client.replicaof(LOOPBACK, 1)

    return {
        "gone": lambda: stop(own.process),
        "read-only": read_only,
        "full": configured("maxmemory", "1"),
        "asking for a password": configured("requirepass", "unknown"),
    }


@pytest.mark.parametrize("way", ["gone", "read-only", "full", "asking for a password"])
def test_replica_admits_its_share_while_the_server_is(own: RedisServer, way: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    rule = rule_of(Algorithm.SLIDING_WINDOW, 60, 3600)

    async def use(counters: RedisCounters) -> None:
        assert await admitted(counters, rule, 3) == 3
        counters.replicas = 4
        broken_in_ways(own)[way]()
        if way == "asking for a password":
            counters.close()
        assert await admitted(counters, rule, 80) == 60 // 4
        ban = Ban(after=2)
        await counters.strike(ban, b"x", 0)
        assert not (await counters.strike(ban, b"x", 0)).admitted
        await counters.prove(ban, b"x")
        assert (await counters.take([check(ban, b"x")]))[0].admitted

    run(counters_at(own.url), use)
    assert [record.getMessage() for record in caplog.records if "by each of" in record.getMessage()], "said once, in words"
    assert len(caplog.records) == 1


def test_server_that_hangs_is_waited_for_three_times_and_then_left_alone(own: RedisServer) -> None:
    rule = rule_of(Algorithm.SLIDING_WINDOW, 60, 3600)
    ticks = [1000.0]

    async def use(counters: RedisCounters) -> None:
        with socket.create_server((LOOPBACK, 0)) as mute:  # takes connections and says nothing
            counters._line = RedisLine(f"redis://{LOOPBACK}:{mute.getsockname()[1]}", 0.05)
            loop = asyncio.get_running_loop()
            started = loop.time()
            assert await admitted(counters, rule, 500) == 60 // counters.replicas
            assert loop.time() - started < 500 * 0.05 / 2, "only the first three waited"

    run(counters_at(own.url, timeout=0.05, ticks=lambda: ticks[0]), use)


def test_server_that_comes_back_is_asked_again_after_a_pause(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    rule = rule_of(Algorithm.TOKEN_BUCKET, 90, 3600)
    ticks = [1000.0]
    with socket.socket() as holder:  # keeps the port from others while no server has it
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((LOOPBACK, 0))
        port = holder.getsockname()[1]

        async def use(counters: RedisCounters) -> None:
            for number in range(2):
                with start_redis(tmp_path, port=port):
                    ticks[0] += 2
                    assert await admitted(counters, rule, 5) == 5
                    assert counters.replicas == 1
                assert await admitted(counters, rule, 5) == 5
                assert len(caplog.records) == 2 * number + 1
            assert "in Redis again" in caplog.text

        run(counters_at(f"redis://{LOOPBACK}:{port}", ticks=lambda: ticks[0]), use)


@pytest.mark.parametrize(
    "says",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"$99999999999\r\n",
        b"$abc\r\n",
        b"*1\r\n:1\r\n",
        b":1\r\n:2\r\n:3\r\n",
        b"$3\r\n1 1\r\n",
        b"$2\r\nOK\r\n",
        b"x" * (1 << 21),
    ],
)
def test_server_that_speaks_something_else_is_away(says: bytes) -> None:
    def serve(server: socket.socket) -> None:
        with suppress(OSError):  # the server is closed, or the other side is
            while True:
                connection, _ = server.accept()
                with connection:
                    connection.recv(1)
                    connection.sendall(says)
                    connection.recv(1 << 20)

    with socket.create_server((LOOPBACK, 0)) as server, ThreadPoolExecutor(1) as pool:
        pool.submit(serve, server)
        counters = counters_at(f"redis://{LOOPBACK}:{server.getsockname()[1]}", ticks=lambda: 1000.0)
        assert run(counters, lambda counters: admitted(counters, rule_of(Algorithm.FIXED_WINDOW, 60, 3600), 50)) == 20
        server.shutdown(socket.SHUT_RDWR)


def test_who_gives_up_waiting_does_not_mix_up_the_answers_of_others(own: RedisServer) -> None:
    async def use() -> None:
        line = RedisLine(own.url, PATIENT)
        await line.ask(packed(b"SET", b"number", b"0"))
        questions = [asyncio.create_task(line.ask(packed(b"INCR", b"number"))) for _ in range(50)]
        await asyncio.sleep(0)
        for question in questions[::3]:
            question.cancel()
        answers = await asyncio.gather(*questions, return_exceptions=True)
        assert [answer for answer in answers if isinstance(answer, int)] == [number + 1 for number in range(50) if number % 3]
        line.close()
        with pytest.raises(Unavailable):
            await line._line.ask(b"")  # type: ignore[union-attr]  # it was asked before

    asyncio.run(use())


def test_password_and_database_of_the_url_are_used(own: RedisServer) -> None:
    with Redis.from_url(own.url) as client:
        client.config_set("requirepass", "hunter2")
    for start in ("redis://:hunter2@", "redis://default:hunter2@"):
        counters = counters_at(own.url.replace("redis://", start).replace("/0", "/3"))
        assert run(counters, lambda counters: admitted(counters, rule_of(Algorithm.TOKEN_BUCKET, 60, 3600), 2)) == 2
        assert counters.replicas == 1
    with Redis.from_url(own.url.replace("/0", "/3"), password="hunter2") as client:
        assert client.dbsize() == 4


def test_url_of_something_else_is_refused_without_quoting_it() -> None:
    with pytest.raises(ValueError, match="must begin with redis://") as refused:
        RedisLine("http://:hunter2@localhost", 1)
    assert "hunter2" not in str(refused.value)


def test_wrong_password_leaves_no_connection_open_however_often_it_is_tried(own: RedisServer) -> None:
    with Redis.from_url(own.url) as client:
        client.config_set("requirepass", "hunter2")

    async def use(client: Redis) -> None:
        line = RedisLine(own.url.replace("redis://", "redis://:wrong@"), PATIENT)
        for _ in range(5):
            with pytest.raises(Unavailable, match="WRONGPASS"):
                await line.ask(packed(b"PING"))
        async with asyncio.timeout(PATIENT):
            while len(client.client_list()) > 1:  # its own
                await asyncio.sleep(0.01)

    with Redis.from_url(own.url, password="hunter2") as client:
        asyncio.run(use(client))
