"""Passes until nothing more can be done at this moment: over one secret, or over all that are due, as the caps allow."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

from ..core.errors import ReconcilerError
from ..core.rotated import Rotated
from .due import Candidate, Caps, admitted
from .job import Job, Memory, load
from .run import Stepped, mirror, one_pass
from .seen import Asked, Record, Wait
from .state import ACTIVE, Phase, State

WORKERS = 8
TROUBLE = frozenset({Phase.ABORTING, Phase.ROLLING_BACK, Phase.ORPHANED, Phase.CONFLICT})
PAUSE_SECONDS = 0.1
STUBBORN = 5  # passes in a row without progress: somebody else is at work, or nothing answers


class Progress(NamedTuple):
    """One thing that was done, for whoever watches."""

    path: str
    done: str
    phase: Phase


@dataclass(frozen=True)
class Orders:
    """How a run goes about it."""

    asked: Asked | None = None
    once: bool = False
    watch: bool = False
    stopping: Callable[[], bool] = lambda: False
    sleep: Callable[[float], None] = lambda _seconds: None
    told: Callable[[Progress], None] = lambda _progress: None


def rotate_one(job: Job, orders: Orders) -> Rotated:
    """Make passes over one secret until it has to wait, or for as long as `watch` says."""
    report, memory, asked, began = Rotated(job.path, leaked=bool(orders.asked and orders.asked.leaked)), Memory(), orders.asked, job.clock()
    state, stuck = State(), 0
    while not orders.stopping():
        try:
            stepped = one_pass(job, memory, asked)
        except ReconcilerError as error:
            report.error = str(error)
            break
        asked = still_asked(asked, state.phase, stepped)
        _note(report, stepped)
        state = stepped.state
        stuck = 0 if stepped.moved else stuck + 1
        if stepped.moved:
            orders.told(Progress(job.path, type(stepped.action).__name__, state.phase))
        if orders.once or _rests(stepped, orders):
            break
        if isinstance(stepped.action, Wait):
            orders.sleep(max(0.0, (stepped.action.until or 0) - job.clock()))
        elif stuck >= STUBBORN:
            report.error = stepped.error
            break
        elif stuck:
            orders.sleep(PAUSE_SECONDS * stuck)
    report.seconds = job.clock() - began
    if report.moves:
        mirror(job, state)
    return report


def _rests(stepped: Stepped, orders: Orders) -> bool:
    """Whether only time, or somebody else, can bring this any further."""
    action = stepped.action
    return isinstance(action, Wait) and (not orders.watch or action.until is None or stepped.state.phase is Phase.IDLE)


def still_asked(asked: Asked | None, before: Phase, stepped: Stepped) -> Asked | None:
    """A wish is granted when a rotation began after it, or took note of it."""
    after = stepped.state.phase
    noted = stepped.moved and isinstance(stepped.action, Record) and after is not Phase.IDLE
    # From IDLE to RETIRING it only goes to end what leaked earlier.
    return None if noted and (before, after) != (Phase.IDLE, Phase.RETIRING) else asked


def _note(report: Rotated, stepped: Stepped) -> None:
    state, action = stepped.state, stepped.action
    if not report.moves:
        report.began = state.phase
    report.moves += stepped.moved
    if state.phase in TROUBLE:
        report.trouble = state.reason or report.trouble
    if stepped.moved and isinstance(action, Record):
        report.promoted |= state.phase is Phase.OVERLAP
        if state.phase is Phase.IDLE and report.phase == Phase.RETIRING:
            report.rotated = True
            # RETIRING ends only when a probe was refused behind the fence, where there is a target that can be asked.
            report.refused = True if state.terms.tested and state.terms.ends else None
    report.phase = state.word
    report.waits, report.until = (action.reason, action.until) if isinstance(action, Wait) else ("", None)


def rotate_all(jobs: Sequence[Job], caps: Caps, orders: Orders, *, force: bool = False) -> list[Rotated]:
    """Go on with what is under way, then begin what is due, the longest overdue first; `force`: all. In the order of `jobs`."""
    reports = {job.path: Rotated(job.path) for job in jobs}
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


def _candidates(jobs: Sequence[Job], reports: dict[str, Rotated], force: bool) -> Iterable[Candidate]:
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
            reports[job.path].phase = state.word
            reports[job.path].waits = f"held: {state.hold}" if state.hold else ""
            due = job.due(state.last_rotated) if state.last_rotated is not None else None
            now = int(job.clock())
            idle = state.phase is Phase.IDLE and not state.again
            if not idle or force or state.last_rotated is None or (job.auto and due and due.overdue(now)):
                at = due.at if due else 0
                yield Candidate(job.path, job.store.name, job.strategy.target, at, state.phase in ACTIVE)
