"""A good client while others flood the limits with keys that were never seen: `python -m tests.bench.edge` prints it.

The same load with a few known keys is what it is held against: what differs is only what the limiter does with new ones.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator

from .edge_get import running
from .edge_signed import Row

SECONDS = float(os.environ.get("FLOOD_SECONDS", "6"))
SHARE = 0.5  # of what the server can do
CONNECTIONS = 8
GOOD_EVERY = 0.01
REQUEST = b"GET /v1/small HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: %b\r\nx-forwarded-proto: https\r\n\r\n"


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: bytes) -> bool:
    """Ask once; whether it was answered with 200."""
    writer.write(REQUEST % address)
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)
    return head.startswith(b"HTTP/1.1 200")


def addresses(new: bool) -> Iterator[bytes]:
    chance = random.Random(1)
    while True:
        number = chance.getrandbits(32) if new else chance.randrange(100)
        yield b"203.%d.%d.%d" % (number >> 16 & 255, number >> 8 & 255, number & 255)


async def flood(port: int, rate: float, new: bool) -> None:
    """Requests at a rate, as far as the connections can take them."""
    of, until = addresses(new), time.monotonic() + SECONDS + 2

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        following = time.monotonic()
        while time.monotonic() < until:
            following += CONNECTIONS / rate
            await asyncio.sleep(max(following - time.monotonic(), 0))
            if not await asked(reader, writer, next(of)):
                sys.exit("a key of the flood was refused: nothing is measured")

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))


async def good(port: int) -> tuple[float, int]:
    """The 99th percentile of milliseconds that a good client waits, and how often it was not served."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken, refused = [], 0
    for _ in range(int(SECONDS / GOOD_EVERY)):
        await asyncio.sleep(GOOD_EVERY)
        started = time.perf_counter()
        refused += not await asked(reader, writer, b"198.51.100.1")
        taken.append(time.perf_counter() - started)
    taken.sort()
    return taken[len(taken) * 99 // 100] * 1000, refused


def beside(port: int, rate: float, new: bool) -> tuple[float, int]:
    command = [sys.executable, "-m", __spec__.name, str(port), str(rate), "new" if new else ""]
    with subprocess.Popen(command) as others:
        time.sleep(1)
        found = asyncio.run(good(port))
        if others.wait() != 0:
            sys.exit("the flood did not run to its end")
    return found


def flooded() -> Iterator[Row]:
    with running("behind a proxy") as served:
        rate = SHARE * 1e6 / served.cost()
        known, _ = beside(served.port, rate, new=False)
        new, refused = beside(served.port, rate, new=True)
    yield Row(f"p99 of a good client, {rate:,.0f} new keys a second / as many requests of known keys", new / known, "x", 1.2)
    yield Row("  requests of the good client that were refused", refused, "", 0)


if __name__ == "__main__":
    asyncio.run(flood(int(sys.argv[1]), float(sys.argv[2]), bool(sys.argv[3])))
