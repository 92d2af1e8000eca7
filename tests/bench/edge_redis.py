"""Limits of several processes in one Redis, beside the libraries that do the same: `python -m tests.bench.edge` prints it."""

from __future__ import annotations

import asyncio
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import limits as limits_library
from limits.aio.strategies import FixedWindowRateLimiter
from redis import Redis
from throttled.asyncio import RateLimiterType, Throttled, rate_limiter
from throttled.asyncio.store import RedisStore

from reconciler.edge.limits import Algorithm, Limit
from reconciler.edge.redis_limits import SCRIPT, RedisCounters
from reconciler.edge.redis_line import packed
from tests.edge.redis_server import start_redis

from .results import Row

PROCESSES = 4
QUESTIONS = 2000  # a process
LIMIT = 5000

Ask = Callable[[], Awaitable[bool]]


def ours(url: str) -> Ask:
    counters = RedisCounters(url, timeout=10)
    (rule,) = Limit("one", LIMIT, 3600, algorithm=Algorithm.FIXED_WINDOW).rules()

    async def ask() -> bool:
        return (await counters.take([(rule, b"k", 1)]))[0].admitted

    return ask


def limits(url: str) -> Ask:
    library = FixedWindowRateLimiter(limits_library.storage.storage_from_string(f"async+{url}", implementation="redispy"))
    quota = limits_library.RateLimitItemPerHour(LIMIT)
    return lambda: library.hit(quota, "k")


def throttled(url: str) -> Ask:
    library = Throttled(
        key="k", using=RateLimiterType.TOKEN_BUCKET.value, quota=rate_limiter.per_hour(LIMIT, burst=LIMIT), store=RedisStore(server=url)
    )

    async def ask() -> bool:
        return not (await library.limit()).limited

    return ask


def bare(url: str) -> Ask:
    """The same script over a bare socket that is waited for: less than this no client can take."""
    with Redis.from_url(url) as client:
        digest = client.script_load(SCRIPT).encode()
    place = urlsplit(url)
    line = socket.create_connection((str(place.hostname), int(place.port or 0)))
    line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    words = (b"{bare}k", b"{bare}replicas", b"0", b"", b"fixed", b"1", b"%d" % LIMIT, b"3600000000", b"0", b"0")
    command = packed(b"EVALSHA", digest, b"2", *words)

    async def ask() -> bool:
        line.sendall(command)
        return line.recv(4096).split()[2] == b"1"

    return ask


ASKERS = {"ours": ours, "bare": bare, "limits": limits, "throttled": throttled}


async def hammer(ask: Ask) -> tuple[int, float]:
    """How many were admitted, and the median of the microseconds that a question took."""
    admitted, taken = 0, []
    for _ in range(QUESTIONS):
        started = time.perf_counter()
        admitted += await ask()
        taken.append(time.perf_counter() - started)
    return admitted, statistics.median(taken) * 1e6


def together(url: str, who: str, processes: int) -> tuple[int, float]:
    command = [sys.executable, "-m", __spec__.name, who, url]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(processes)]
    told = [process.communicate()[0].split() for process in running]
    return sum(int(admitted) for admitted, _ in told), statistics.median(float(median) for _, median in told)


def shared() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="reconcile-bench-") as folder, start_redis(Path(folder)) as server:
        admitted, median = together(server.url, "ours", PROCESSES)
        yield Row(
            f"{PROCESSES} processes on one key in Redis, {PROCESSES * QUESTIONS:,} requests: over the limit of {LIMIT:,}",
            admitted - LIMIT,
            "",
            0,
        )
        with Redis.from_url(server.url) as client:
            script = client.info("commandstats")["cmdstat_evalsha"]["usec_per_call"]
        _, least = together(server.url, "bare", PROCESSES)
        yield Row("  p50 of a decision", median, "us", 60)
        yield Row("  p50 over bare sockets: what server and system take by themselves", least, "us")
        yield Row("  of the server for a script", script, "us")
    for who in ASKERS:
        with tempfile.TemporaryDirectory(prefix="reconcile-bench-") as folder, start_redis(Path(folder)) as server:
            _, median = together(server.url, who, 1)
            yield Row(f"  p50 of a decision, one process: {who}", median, "us")


if __name__ == "__main__":
    print(*asyncio.run(hammer(ASKERS[sys.argv[1]](sys.argv[2]))))
