"""How soon a merge is applied: from the webhook's sending to the change on the server. `python -m tests.bench.serving`."""

from __future__ import annotations

import os
import statistics
import sys
import time
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.server.deployment import Deployment, policy, push_event, signed, until
from tests.server.trial import trial

GOAL = 2.0  # seconds
MERGES = 5


class Merged(NamedTuple):
    """Seconds until one merge was on the server, and of processor time that the server and its children took for it."""

    seconds: float
    processor: float


def merged(deployed: Deployment, merges: int) -> list[Merged]:
    """Merges on a bare repository, without a forge."""
    found = []
    token = {"X-Vault-Token": deployed.environ["VAULT_TOKEN"]}
    with deployed.serving() as server:
        until(lambda: server.ask("GET", "/health/ready")[0] == 200, "the server is ready")
        for number in range(merges):
            deployed.site.write("desired-state/p.yaml", policy(f"merge-{number}/*"))
            commit = deployed.push()
            headers, body = signed("push", push_event(commit))
            began, used = time.perf_counter(), _processor(server.process.pid)
            assert server.ask("POST", "/webhooks/github", headers, body)[0] == 202
            until(partial(_declares, deployed, f"merge-{number}/*"), "applied")
            seconds = time.perf_counter() - began
            until(lambda: server.ask("GET", "/api/v1/status", token)[1]["events_open"] == 0, "the look ends")
            found.append(Merged(seconds, _processor(server.process.pid) - used))
    return found


def _processor(pid: int) -> float:
    """Processor seconds of a process and of its children that have ended; nothing where the system does not tell so."""
    told = Path(f"/proc/{pid}/stat")
    ticks = told.read_text().rpartition(")")[2].split()[11:15] if told.exists() else ()
    return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")


def _declares(deployed: Deployment, path: str) -> bool:
    return deployed.declared() == [path]


def main() -> int:
    with trial() as deployed:
        found = merged(deployed, MERGES)
    middle, processor = (statistics.median(column) for column in zip(*found, strict=True))
    verdict = "ok" if middle <= GOAL else "MISSED"
    detail = f"{', '.join(f'{one.seconds:.2f}' for one in found)} s; {processor:.2f} s of processor time each"
    print(f"{'webhook of a merge to change on OpenBao':<44} {middle:>8,.2f} {'s':<10} {f'<= {GOAL:.0f}':>9}  {verdict:<7} {detail}")
    return 0 if middle <= GOAL else 1


if __name__ == "__main__":
    sys.exit(main())
