"""The audit log: how fast it is verified, whole and from the last verification on, and what it costs an apply.

Run by `make bench`. CPU time is what counts, since other work on the machine distorts that least: of this process for
verification, of the command's for the apply.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from reconciler.dev.process import clean_environment
from reconciler.dev.servers import start_bao_dev
from tests.audit.desk import Desk

from .measure import measure
from .repository import repository
from .results import Result

SEGMENT = 20_000  # changes of one run: two entries each
TURNS = 3


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.auditing")
    parser.add_argument("--entries", type=int, default=1_000_000)
    parser.add_argument("--objects", type=int, default=10_000)
    given = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory(prefix="reconcile-audit-") as name:
        for result in (*verification(Path(name) / "log", given.entries), cost_of_an_apply(Path(name), given.objects)):
            print(result, flush=True)
            results.append(result)
    return 0 if all(result.met for result in results) else 1


def verification(folder: Path, entries: int) -> Iterator[Result]:
    """Verify so many entries, then only those of one more run."""
    desk = Desk(folder)
    for _ in range(entries // (2 * SEGMENT)):
        written(desk)
    began = time.process_time()
    verdict = desk.verdict()
    seconds = time.process_time() - began
    assert verdict.ok, verdict.findings
    yield Result("audit verify: entries a second a core", verdict.checked / seconds, "a second", 150_000, True, f"{verdict.checked:,}")
    written(desk)
    began = time.process_time()
    later = desk.verdict(known=verdict.known, incremental=True)
    part = time.process_time() - began
    assert later.ok, later.findings
    yield Result("audit verify --incremental / all", 100 * part / seconds, "%", 25, detail=f"{later.checked:,} of {later.size:,} entries")


def written(desk: Desk) -> None:
    """A run, as the engine records one."""
    with desk.scribe() as scribe:
        for start in range(0, SEGMENT, 64):
            some = range(start, min(SEGMENT, start + 64))
            for id in scribe.intents(("apply.create", f"vault.approle_role/approle/service-{number:05}", "") for number in some):
                scribe.outcome_soon(id, "applied")
    desk.now += 60


def cost_of_an_apply(folder: Path, objects: int) -> Result:
    """The same first apply with the audit log and without, in turns."""
    repo = repository(folder / "repo", objects // 2, objects // 2)
    modules = {"with": "reconciler.cli.main", "without": "tests.bench.without_audit"}
    cpu: dict[str, list[float]] = {name: [] for name in modules}
    for turn in range(TURNS):
        for name, module in modules.items():
            with start_bao_dev(folder / f"{name}-{turn}") as server:
                environment = clean_environment(
                    folder,
                    VAULT_ADDR=server.address,
                    VAULT_TOKEN=server.token,
                    RECONCILE_ENV="bench",
                    PYTHONPATH=str(Path(__file__).resolve().parents[2]),
                )
                done = measure([sys.executable, "-m", module, "apply", "--yes"], environment, repo)
            if done.code:
                sys.exit(f"ended with {done.code}:\n{done.output[-2000:]}")
            cpu[name].append(done.cpu)
    recorded, bare = (statistics.median(cpu[name]) for name in ("with", "without"))
    detail = f"{recorded:.2f} s / {bare:.2f} s CPU, {objects:,} objects"
    return Result("apply with the audit log / without", 100 * recorded / bare, "%", 110, detail=detail)


if __name__ == "__main__":
    sys.exit(main())
