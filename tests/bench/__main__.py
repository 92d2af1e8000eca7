"""Print what this machine reaches, beside the goal. Run by `make bench`; `--objects N` for a quicker look."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from reconciler.dev.process import clean_environment
from reconciler.dev.servers import Server, start_bao_dev, start_bao_raft

from .encrypted import rates
from .measure import Measured, measure, median_seconds
from .repository import repository
from .results import Result

ROOT = Path(__file__).resolve().parents[2]
RECONCILE = str(Path(sys.executable).with_name("reconcile"))


class Site(NamedTuple):
    """A server to measure on, and the objects a second that its first apply should make."""

    name: str
    server: Server
    goal: float


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--objects", type=int, default=10_000, help="half policies, half AppRole roles")
    objects = parser.parse_args().objects
    results = []
    with tempfile.TemporaryDirectory(prefix="reconcile-bench-") as name:
        folder = Path(name)
        repo = repository(folder / "repo", objects // 2, objects // 2)
        print(f"{objects:,} objects; ratios of one run on this machine.\n{'':<58} {'reached':>8} {'':<10} {'goal':>9}", flush=True)
        for result in measurements(folder, repo, objects):
            print(result, flush=True)
            results.append(result)
    return 0 if all(result.met for result in results) else 1


def measurements(folder: Path, repo: Path, objects: int) -> Iterator[Result]:
    yield start_up(folder)
    yield encrypted_store(folder)
    with start_bao_dev(folder / "dev") as server:
        yield from on(Site("bao -dev", server, goal=1_000), folder, repo, objects)
    with start_bao_raft(folder / "raft") as server:
        # Every write is fsynced by raft and by the audit device: what counts there is the disk.
        yield from on(Site("raft", server, goal=300), folder, repo, objects)


def start_up(folder: Path) -> Result:
    environment = clean_environment(folder)
    shown = median_seconds([RECONCILE, "--help"], environment, folder)
    click = median_seconds([sys.executable, "-c", "import click"], environment, folder)
    return Result("reconcile --help / import click", shown / click, "times", 4, detail=f"{shown * 1000:.0f} ms / {click * 1000:.0f} ms")


def encrypted_store(folder: Path) -> Result:
    found = rates(folder / "encrypted")
    detail = f"{found.plain:,.0f} / {found.store:,.0f} writes a second"
    return Result("plain AES-GCM with fsync / encrypted store", found.times, "times", 4, detail=detail)


def on(site: Site, folder: Path, repo: Path, objects: int) -> Iterator[Result]:
    address, token = site.server.address, site.server.token
    environment = clean_environment(folder, VAULT_ADDR=address, VAULT_TOKEN=token, RECONCILE_ENV="bench")
    applied = finished(measure([RECONCILE, "apply", "--yes"], environment, repo))
    detail = f"{applied.seconds:.1f} s, {applied.megabytes:.0f} MB"
    yield Result(f"{site.name}: first apply", objects / applied.seconds, "objects/s", site.goal, True, detail)
    plans = [finished(measure([RECONCILE, "plan", "--exit-code"], environment, repo)) for _ in range(3)]
    plan = min(plans, key=lambda one: one.seconds)
    yardstick = [sys.executable, "-m", "tests.bench.with_hvac", address, token]
    # It says itself how long its reads took: its own start and imports are not held against it.
    bare = min((finished(measure(yardstick, environment, ROOT)) for _ in range(2)), key=lambda one: float(one.output))
    reads = float(bare.output)
    detail = f"{reads:.2f} s / {plan.seconds:.2f} s; CPU of the process {bare.cpu:.1f} s / {plan.cpu:.1f} s"
    yield Result(f"{site.name}: hvac in 16 threads / empty plan", reads / plan.seconds, "times", 4, True, detail)
    yield Result(f"{site.name}: peak memory of the plan", max(one.megabytes for one in plans), "MB", 300)


def finished(measured: Measured) -> Measured:
    """A run that failed measures nothing."""
    if measured.code != 0:
        sys.exit(f"ended with {measured.code}:\n{measured.output[-2000:]}")
    return measured


if __name__ == "__main__":
    sys.exit(main())
