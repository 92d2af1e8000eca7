"""Passes until nothing more can be done at this moment: over one secret, or over all that are due, as the caps allow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

from ..core.errors import ReconcilerError
from .due import Candidate, Caps, admitted
from .run import Job, Memory, Stepped, load, mirror, one_pass
from .seen import Asked, Record, Wait
from .state import ACTIVE, Phase, State

WORKERS = 8
TROUBLE = frozenset({Phase.ABORTING, Phase.ROLLING_BACK, Phase.ORPHANED, Phase.CONFLICT})
STUBBORN = 5  # passes in a row without progress: somebody else is at work, or nothing answers


class Progress(NamedTuple):
    """One thing that was done, for whoever watches."""

    path: str
    done: str
    phase: Phase


@dataclass
class Report:
    """What became of one secret in this run."""

    path: str
    state: State = field(default_factory=State)
    began: Phase = Phase.IDLE
    waits: str = ""
    until: int | None = None
    error: str = ""
    trouble: str = ""
    """Why a rotation was rolled back, aborted or given up."""
    moves: int = 0
    seconds: float = 0.0
    rotated: bool = False


@dataclass(frozen=True)
class Orders:
    """How a run goes about it."""

    asked: Asked | None = None
    once: bool = False
    watch: bool = False
    stopping: Callable[[], bool] = lambda: False
    sleep: Callable[[float], None] = lambda _seconds: None
    told: Callable[[Progress], None] = lambda _progress: None


def rotate_one(job: Job, orders: Orders) -> Report:
    """Make passes over one secret until it has to wait, or for as long as `watch` says."""
    report, memory, asked, began = Report(job.path), Memory(), orders.asked, job.clock()
    stuck = 0
    while not orders.stopping():
        try:
            stepped = one_pass(job, memory, asked)
        except ReconcilerError as error:
            report.error = str(error)
            break
        asked = _still_asked(asked, stepped)
        _note(report, stepped)
        stuck = 0 if stepped.moved else stuck + 1
        if stepped.moved:
            orders.told(Progress(job.path, type(stepped.action).__name__, stepped.state.phase))
        if isinstance(stepped.action, Wait):
            if not orders.watch or stepped.action.until is None or stepped.state.phase is Phase.IDLE:
                break
            orders.sleep(max(0.0, stepped.action.until - job.clock()))
        elif stuck >= STUBBORN:
            report.error = stepped.error
            break
        elif stuck:
            orders.sleep(0.1 * stuck)
        if orders.once:
            break
    report.seconds = job.clock() - began
    if report.moves:
        mirror(job, report.state)
    return report


def _still_asked(asked: Asked | None, stepped: Stepped) -> Asked | None:
    """A wish is granted when a rotation began after it, or took note of it."""
    return (
        None if asked is None or (stepped.moved and isinstance(stepped.action, Record) and stepped.state.phase is not Phase.IDLE) else asked
    )


def _note(report: Report, stepped: Stepped) -> None:
    state = stepped.state
    if not report.moves and not report.state.serial:
        report.began = state.phase
    ended = report.state.phase is not Phase.IDLE and state.phase is Phase.IDLE and report.state.serial > 0
    report.rotated |= ended and not state.reason
    if state.phase in TROUBLE:
        report.trouble = state.reason or report.trouble
    report.state = state
    report.moves += stepped.moved
    report.waits, report.until = (stepped.action.reason, stepped.action.until) if isinstance(stepped.action, Wait) else ("", None)


def rotate_all(jobs: Sequence[Job], caps: Caps, orders: Orders, *, force: bool = False) -> list[Report]:
    """Go on with what is under way, then begin what is due, the longest overdue first; `force`: all. In the order of `jobs`."""
    reports = {job.path: Report(job.path) for job in jobs}
    by_path = {job.path: job for job in jobs}
    waiting = {one.path: one for one in _candidates(jobs, reports, force)}
    begin = (
        Orders(Asked("rotate --all --force"), orders.once, orders.watch, orders.stopping, orders.sleep, orders.told) if force else orders
    )
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="rotate") as pool:
        while waiting and not orders.stopping():
            batch = list(admitted(waiting.values(), caps))
            chosen = [begin if not one.active else orders for one in batch]
            for one, report in zip(batch, pool.map(rotate_one, [by_path[one.path] for one in batch], chosen), strict=True):
                reports[one.path] = report
                del waiting[one.path]
            if orders.once:
                break
    return [reports[job.path] for job in jobs]


def _candidates(jobs: Sequence[Job], reports: dict[str, Report], force: bool) -> Iterable[Candidate]:
    """Those for which there is something to do now. What cannot be read is reported, and stops nobody else."""

    def look(job: Job) -> State | ReconcilerError:
        try:
            return load(job)
        except ReconcilerError as error:
            return error

    with ThreadPoolExecutor(WORKERS, thread_name_prefix="look") as pool:
        for job, state in zip(jobs, pool.map(look, jobs), strict=True):
            if isinstance(state, ReconcilerError):
                reports[job.path].error = str(state)
                continue
            reports[job.path].state = state
            due = job.due(state.last_rotated) if state.last_rotated is not None else None
            now = int(job.clock())
            idle = state.phase is Phase.IDLE and not state.again
            if not idle or force or state.last_rotated is None or (due and due.overdue(now)):
                at = due.at if due else 0
                yield Candidate(job.path, job.store.name, job.strategy.target, at, state.phase in ACTIVE)
