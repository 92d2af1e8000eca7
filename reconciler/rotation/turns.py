"""Runs over many secrets: what is under way goes on, what is due begins when it is its turn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from ..core.errors import ReconcilerError
from ..core.rotated import Rotated
from .due import Candidate, Caps, admitted
from .job import Job, load
from .rotate import Orders, rotate_one
from .state import ACTIVE, Phase, State

WORKERS = 8
TURN = "waits for its turn: as many as the caps allow are under way"


def rotate_all(jobs: Sequence[Job], caps: Caps, orders: Orders, *, force: bool = False) -> list[Rotated]:
    """Go on with what is under way, then begin what is due, the longest overdue first; `force`: all. In the order of `jobs`.

    `asked` of the orders is the wish behind `force`. Whoever watches waits for all at once, not for each in its turn.
    """
    reports = {job.path: Rotated(job.path) for job in jobs}
    forced = {job.path for job in jobs} if force else set()
    while not orders.stopping():
        for path, report in _round(jobs, caps, orders, forced).items():
            reports[path] = _together(reports[path], report)
        moments = [one.until for one in reports.values() if one.until is not None and one.phase != Phase.IDLE]
        if not orders.watch or not moments:
            break
        orders.sleep(max(0.0, min(moments) - jobs[0].clock()))
    return [reports[job.path] for job in jobs]


def _round(jobs: Sequence[Job], caps: Caps, orders: Orders, forced: set[str]) -> dict[str, Rotated]:
    """One look at all, and one run for each that there is something to do for. Those that begin are taken out of `forced`."""
    reports = {job.path: Rotated(job.path) for job in jobs}
    by_path = {job.path: job for job in jobs}
    waiting = {one.path: one for one in _candidates(jobs, reports, forced)}
    under_way: list[Candidate] = []
    one_run = replace(orders, watch=False)

    def run(one: Candidate) -> Rotated:
        asked = one_run.asked if one.path in forced and not one.active else None
        return rotate_one(by_path[one.path], replace(one_run, asked=asked))

    with ThreadPoolExecutor(WORKERS, thread_name_prefix="rotate") as pool:
        while waiting and not orders.stopping():
            batch = list(admitted(waiting.values(), caps, under_way))
            for one, report in zip(batch, pool.map(run, batch), strict=True):
                reports[one.path] = report
                del waiting[one.path]
                forced.discard(one.path)
                if report.phase in ACTIVE:
                    under_way.append(one)
            if orders.once or not batch:
                break
    for path in waiting:
        reports[path].waits, reports[path].queued = TURN, True
    return reports


def _candidates(jobs: Sequence[Job], reports: dict[str, Rotated], forced: set[str]) -> Iterator[Candidate]:
    """Those for which there is something to do now. What cannot be read is reported, and stops nobody else."""
    for job, state in zip(jobs, _looked_at(jobs), strict=True):
        report = reports[job.path]
        if isinstance(state, ReconcilerError):
            report.error = str(state)
            continue
        report.phase = state.word
        report.waits = state.hold
        due = job.due(state.last_rotated) if state.last_rotated is not None else None
        idle = state.phase is Phase.IDLE and not state.again and not state.exposed
        overdue = job.auto and due is not None and due.overdue(int(job.clock()))
        if not idle or job.path in forced or state.last_rotated is None or overdue:
            # Who is held waits for a person, and must not be in the way of others; what leaked waits for nobody.
            active = not state.hold and (state.phase in ACTIVE or bool(state.exposed))
            yield Candidate(job.path, job.store.name, job.strategy.target, due.at if due else 0, active)


def _looked_at(jobs: Sequence[Job]) -> Iterable[State | ReconcilerError]:
    def look(job: Job) -> State | ReconcilerError:
        try:
            return load(job)
        except ReconcilerError as error:
            return error

    with ThreadPoolExecutor(WORKERS, thread_name_prefix="look") as pool:
        return list(pool.map(look, jobs))


def _together(earlier: Rotated, later: Rotated) -> Rotated:
    """What became of one secret in several rounds of one run."""
    return replace(
        later,
        moves=earlier.moves + later.moves,
        seconds=earlier.seconds + later.seconds,
        trouble=later.trouble or earlier.trouble,
        rotated=earlier.rotated or later.rotated,
        promoted=earlier.promoted or later.promoted,
        alarm=earlier.alarm or later.alarm,
        refused=later.refused if later.alarm else earlier.refused,
        took=later.took or earlier.took,
    )
