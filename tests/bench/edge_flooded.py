"""A good client while `wrk` floods the limits with keys that were never seen: `python -m tests.bench.edge` prints it.

It is held against the same load of a few known keys, since what differs then is only what the limiter does with new ones. Both take
turns, so that other work on the machine falls on both.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from .results import Row
from .servers import running

SECONDS = int(os.environ.get("FLOOD_SECONDS", "60"))  # of each
TURNS = 6
SHARE = 0.5  # of what the server can do
CONNECTIONS = 32
GOOD_EVERY = 0.01
REQUEST = b"GET /v1/small HTTP/1.1\r\nhost: localhost\r\nx-forwarded-for: 198.51.100.1\r\nx-forwarded-proto: https\r\n\r\n"
FLOOD = """
math.randomseed(tonumber(os.getenv('FLOOD_SEED')))
wrk.headers['x-forwarded-proto'] = 'https'
local known, pause, random = os.getenv('FLOOD_KEYS') == 'known', tonumber(os.getenv('FLOOD_PAUSE')), math.random
function request()
  local address = known and '203.0.113.' .. random(0, 99) or random(60, 99) .. '.' .. random(0, 255) .. '.' .. random(0, 255) .. '.' .. random(0, 255)
  wrk.headers['x-forwarded-for'] = address
  return wrk.format()
end
if pause > 0 then
  function delay() return random(0, 2 * pause) end
end
"""


class Flood(NamedTuple):
    """wrk with a script, at a port."""

    script: Path
    port: int

    def start(self, keys: str, seconds: int, rate: float = 0) -> subprocess.Popen[str]:
        """Requests at a rate, or as many as can be. The clients pause in between, for milliseconds by chance."""
        environ = {
            "FLOOD_KEYS": keys,
            "FLOOD_PAUSE": str(int(CONNECTIONS / rate * 1000) if rate else 0),
            "FLOOD_SEED": str(time.time_ns() % 10**9),
        }
        command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", f"-s{self.script}", f"http://127.0.0.1:{self.port}/v1/small"]
        return subprocess.Popen(command, env={**os.environ, **environ}, stdout=subprocess.PIPE, text=True)


def rate_of(flood: subprocess.Popen[str]) -> float:
    """Requests a second, once it has come to its end."""
    said = flood.communicate()[0]
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if flood.returncode != 0 or found is None or "Non-2xx" in said:
        sys.exit(f"a key of the flood was refused, or it did not run to its end: nothing is measured\n{said}")
    return float(found[1])


async def good(port: int, seconds: float) -> tuple[list[float], int]:
    """Seconds that a good client waited each time, and how often it was not served."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    taken, refused = [], 0
    for _ in range(int(seconds / GOOD_EVERY)):
        await asyncio.sleep(GOOD_EVERY)
        started = time.perf_counter()
        writer.write(REQUEST)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        taken.append(time.perf_counter() - started)
        refused += not head.startswith(b"HTTP/1.1 200")
    writer.close()
    return taken, refused


def p99(taken: list[float]) -> float:
    return sorted(taken)[len(taken) * 99 // 100] * 1000


def flooded() -> Iterator[Row]:
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed (Debian's package wrk)")
    each = max(SECONDS // TURNS, 3)
    waits: dict[str, list[float]] = {"known": [], "new": []}
    refused, rates = 0, []
    with tempfile.TemporaryDirectory(prefix="reconcile-bench-") as folder, running("tests.bench.edge_get", "behind a proxy") as served:
        script = Path(folder, "flood.lua")
        script.write_text(FLOOD)
        flood = Flood(script, served.port)
        most = rate_of(flood.start("new", 5))
        idle, _ = asyncio.run(good(served.port, 5))
        for keys in ("known", "new") * TURNS:
            others = flood.start(keys, each, SHARE * most)
            time.sleep(0.5)  # let the flood reach its rate
            taken, missed = asyncio.run(good(served.port, each - 1))
            waits[keys] += taken
            refused += missed
            rates.append(rate_of(others))
    known, new = p99(waits["known"]), p99(waits["new"])
    yield Row("p99 of a good client, wrk floods with new keys / with known ones", new / known, "x", 1.2)
    yield Row(f"  requests a second for {each * TURNS} s each, where {most:,.0f} can be served", sum(rates) / len(rates), "")
    yield Row("  p99 with new keys", new, "ms")
    yield Row("  p99 with known keys", known, "ms")
    yield Row("  p99 without a flood", p99(idle), "ms")
    yield Row("  requests of the good client that were refused", refused, "", 0)
