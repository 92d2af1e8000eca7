"""Ten million distinct keys straight into the limiter, in a process that has imported nothing else: its memory is the limiter's."""

from __future__ import annotations

import re
import sys
from pathlib import Path

from reconciler.edge.limits import Algorithm, Limit
from reconciler.edge.memory_limits import MemoryCounters

LIVE = 10_000
INTERVAL = 5  # microseconds between two requests: 200,000 a second


def flood(keys: int) -> str:
    """Returns megabytes, how many live keys were forgotten, and which part of the new ones was served."""
    now = 1_000_000_000
    counters = MemoryCounters(clock=lambda: now)
    (rule,) = Limit("one", 100, 60, algorithm=Algorithm.TOKEN_BUCKET).rules()
    live = [b"live" + number.to_bytes(4, "big") for number in range(LIVE)]
    before = megabytes("VmRSS")
    for key in live:
        counters.decide([(rule, key, 100)])
    served = 0
    for number in range(keys):
        now += INTERVAL
        served += counters.decide([(rule, number.to_bytes(8, "big"), 1)])[0].admitted
    # Where it was all used up, as much is left now as the time gave back, less the one that asks.
    expected = keys * INTERVAL // 600_000 - 1
    forgotten = sum(counters.decide([(rule, key, 1)])[0].remaining != expected for key in live)
    return f"{megabytes('VmHWM') - before} {forgotten} {served / keys}"


def megabytes(what: str) -> float:
    """Of this process. (getrusage tells the peak of who started it, too.)"""
    found = re.search(rf"{what}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) / 1024


if __name__ == "__main__":
    print(flood(int(sys.argv[1])))
