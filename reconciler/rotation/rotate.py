"""Passes over one secret until nothing more can be done at this moment, and what became of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from ..core.errors import ReconcilerError
from ..core.rotated import Rotated
from .job import Job, Memory
from .run import Stepped, mirror, one_pass
from .seen import Asked, Record, Wait
from .state import Phase, State

TROUBLE = frozenset({Phase.ABORTING, Phase.ROLLING_BACK, Phase.ORPHANED, Phase.CONFLICT})
PAUSE_SECONDS = 0.1
STUBBORN = 5  # passes in a row without progress: somebody else is at work, or nothing answers
RESTLESS = 200  # passes in a row with progress, and no end: a rotation takes a dozen


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
    report, began = _report(job, orders.asked), job.clock()
    after = _passes(job, orders, report, began)
    report.seconds = job.clock() - began
    if report.moves:
        mirror(job, after)
    return report


def _report(job: Job, asked: Asked | None) -> Rotated:
    alarm = bool(asked and asked.leaked)
    return Rotated(job.path, alarm=alarm, exposed=alarm, refused=False if alarm else None)


def _passes(job: Job, orders: Orders, report: Rotated, began: float) -> State:
    memory, asked, state, stuck, moves = Memory(), orders.asked, State(), 0, 0
    while not orders.stopping():
        try:
            stepped = one_pass(job, memory, asked)
        except ReconcilerError as error:
            report.error = str(error)
            break
        state, asked = stepped.state, still_asked(asked, stepped)
        _note(report, stepped, asked)
        _note_alarm(report, stepped, asked, began, job.clock())
        stuck, moves = (0, moves + 1) if stepped.moved else (stuck + 1, moves)
        if stepped.moved:
            orders.told(Progress(job.path, type(stepped.action).__name__, state.phase))
        if orders.once or _rests(stepped, orders):
            break
        if isinstance(stepped.action, Wait):
            orders.sleep(max(0.0, (stepped.action.until or 0) - job.clock()))
            moves = 0
        elif stuck >= STUBBORN or moves >= RESTLESS:
            report.error = stepped.error or "it does not come to rest: the target changes its mind all the time"
            break
        elif stuck:
            orders.sleep(PAUSE_SECONDS * stuck)
    return state


def _rests(stepped: Stepped, orders: Orders) -> bool:
    """Whether only time, or somebody else, can bring this any further."""
    action = stepped.action
    return isinstance(action, Wait) and (not orders.watch or action.until is None or stepped.state.phase is Phase.IDLE)


def still_asked(asked: Asked | None, stepped: Stepped) -> Asked | None:
    """A wish is granted when a rotation began after it, or took note of it."""
    before, after = stepped.before.phase, stepped.state.phase
    noted = stepped.moved and isinstance(stepped.action, Record) and after is not Phase.IDLE
    # From IDLE to RETIRING it only goes to end what leaked earlier.
    return None if noted and (before, after) != (Phase.IDLE, Phase.RETIRING) else asked


def _note(report: Rotated, stepped: Stepped, asked: Asked | None) -> None:
    state, action = stepped.state, stepped.action
    report.moves += stepped.moved
    if state.phase in TROUBLE:
        report.trouble = state.reason or report.trouble
    if stepped.moved and isinstance(action, Record):
        report.promoted |= state.phase is Phase.OVERLAP
        report.rotated = state.phase is Phase.IDLE and stepped.before.phase is Phase.RETIRING
    report.phase = state.word
    report.waits, report.until = (action.reason, action.until) if isinstance(action, Wait) else ("", None)
    if stepped.moved and state.hold and not stepped.before.hold:
        report.trouble = state.hold  # not by a person: the target has no room
    if report.waits and state.failures > state.terms.budget:
        report.trouble = report.waits  # the budget is spent, whatever the phase


def _note_alarm(report: Rotated, stepped: Stepped, asked: Asked | None, began: float, now: float) -> None:
    before, after = stepped.before, stepped.state
    report.alarm |= bool(after.exposed)
    report.exposed = bool(after.exposed) or bool(asked and asked.leaked)
    if before.exposed and not after.exposed:
        # What leaked goes from the record only when a probe was refused, where there is a target that can be asked.
        report.refused = True if before.terms.tested and before.terms.ends else None
        alarmed = before.alarmed if before.alarmed is not None else began
        report.took = now - (began if alarmed >= int(began) else alarmed)
    elif report.exposed:
        report.refused = False
