"""The goals of the edge beside what this machine reaches, and other libraries, in one run: `python -m tests.bench.edge`."""

from __future__ import annotations

import sys
from itertools import chain

from . import edge_flooded, edge_get, edge_limits, edge_redis, edge_signed


def main() -> int:
    print(f"{'':<72} {'reached':>8}     goal")
    met = True
    for row in chain(
        edge_get.in_a_loop(),
        edge_get.gets(),
        edge_signed.throughput(),
        edge_limits.decisions(),
        edge_limits.distinct_keys(),
        edge_limits.windows(),
        edge_redis.shared(),
        edge_limits.overload(),
        edge_flooded.flooded(),
        edge_signed.timing(),
    ):
        print(row, flush=True)
        met = met and row.met
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
