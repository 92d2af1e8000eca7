"""What the commands of rotation do with an opened one: rotate, look ahead, stand, hold, release, adopt."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from reconciler.core.address import Address
from reconciler.core.errors import ReconcilerError, Refused
from reconciler.core.rotated import Outlook, Rotated
from reconciler.core.standing import Standing
from reconciler.rotation.job import Job
from reconciler.rotation.metrics import exposition, write_metrics
from reconciler.rotation.outlook import outlook_of
from reconciler.rotation.people import adopt, hold, release
from reconciler.rotation.rotate import Orders, Progress, rotate_one
from reconciler.rotation.run import mirror
from reconciler.rotation.seen import Asked
from reconciler.rotation.status import standings
from reconciler.rotation.turns import rotate_all

from .rotation import Rotation, opened_for_rotation
from .session import Session

log = logging.getLogger(__name__)

EVERYTHING = ("current", "pending", "previous")
LONGEST_NAP = 1.0  # seconds between looks at whether somebody pressed Ctrl-C


class Wanted(NamedTuple):
    """What was asked for on the command line. An empty path: all."""

    path: str = ""
    force: bool = False
    once: bool = False
    watch: bool = False
    leaked: str = ""


class Run(NamedTuple):
    """What became of each secret, and whether somebody stopped the run."""

    done: list[Rotated]
    stopped: bool


def rotated(rotation: Rotation, wanted: Wanted, tell: Callable[[str], None]) -> Run:
    """Rotate. What is done is told as it happens, a line a step."""
    if not rotation.settings.enabled:
        raise Refused(f"rotation is switched off in environment {rotation.environment} (`rotation: {{enabled: true}}` in its file)")
    if not wanted.leaked and (closed := rotation.closed()):
        raise Refused(f"{closed} (what leaked is rotated all the same: --emergency --leaked current; reconcile lockdown off)")
    with _ctrl_c() as stopping:
        orders = Orders(
            asked=asked(rotation, wanted),
            once=wanted.once,
            watch=wanted.watch,
            stopping=stopping,
            sleep=lambda seconds: _sleep(seconds, stopping),
            told=lambda progress: tell(_line(progress)),
        )
        if wanted.path:
            run = Run([rotate_one(rotation.job(wanted.path), orders)], stopping())
        else:
            run = Run(rotate_all(rotation.jobs, rotation.caps, orders, force=wanted.force), stopping())
    for one in run.done:
        if one.alarm:
            _keep_alarm(rotation, one)
        if why := rotation.carry(rotation.job(one.path)):
            log.warning("%s", why)
    return run


def _keep_alarm(rotation: Rotation, one: Rotated) -> None:
    """Keep that something leaked and what became of it: the steps of a rotation do not tell why it was begun."""
    outcome = "refused" if one.refused else "exposed" if one.exposed else "unknown"
    rotation.decision("rotation.emergency", one.path, store=rotation.job(one.path).store.name, outcome=outcome)


def asked(rotation: Rotation, wanted: Wanted) -> Asked | None:
    """The wish behind a command; None for the schedule's."""
    leaked = EVERYTHING if wanted.leaked == "all" else (wanted.leaked,) if wanted.leaked else ()
    return Asked(rotation.actor, leaked) if wanted.path or wanted.force else None


def outlook(rotation: Rotation, wanted: Wanted) -> list[Outlook]:
    """What the next pass would do with each secret. Writes nothing."""
    jobs = [rotation.job(wanted.path)] if wanted.path else rotation.jobs
    return [outlook_of(job, asked(rotation, wanted)) for job in jobs]


def stands(rotation: Rotation) -> tuple[list[Standing], int]:
    """How every secret stands, and when that was."""
    return standings(rotation.jobs), int(time.time())


def told(rotation: Rotation, path: str, word: str, reason: str) -> str:
    """Carry out what a person says to one rotation; return what became of it, in words."""
    job = rotation.job(path)
    if word == "hold":
        mirror(job, hold(job, f"{reason} ({rotation.actor})"))
        return f"{path} is held: nothing is done with it until `reconcile rotate release {path}`."
    state = release(job) if word == "release" else adopt(job)
    mirror(job, state)
    return (
        f"{path} goes on from phase {state.word} (reconcile rotate --secret-path {path})." if state.pending else f"{path} is {state.word}."
    )


def first_values(session: Session, changed: Collection[str]) -> list[Rotated]:
    """Make values for those of the changed addresses that declare `generate` and have none yet: the machine, without its waits."""
    if not changed:
        return []
    administrator = session.clients.administrator
    with opened_for_rotation(session.settings, commit=session.commit, administrator=administrator) as rotation:
        jobs = [job for job in rotation.jobs if str(Address("secret", job.path)) in changed and job.spec.generate is not None]
        return [rotate_one(job, Orders(Asked(rotation.actor))) for job in jobs if _lacks_value(job)]


def _lacks_value(job: Job) -> bool:
    try:
        return job.store.get(job.path) is None
    except ReconcilerError:
        return True  # what is wrong there is said by the attempt


def save_metrics(rotation: Rotation, done: Sequence[Rotated], file: Path) -> None:
    """Write what the node exporter's textfile collector reads."""
    write_metrics(file, exposition(standings(rotation.jobs), done, time.time(), rotation.project, rotation.environment))


def _line(progress: Progress) -> str:
    return f"{progress.path}: {progress.phase}" if progress.done == "Record" else f"{progress.path}: {progress.done.lower()} done"


def _sleep(seconds: float, stopping: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not stopping() and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, LONGEST_NAP))


@contextmanager
def _ctrl_c() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C lets the pass that is under way finish."""
    pressed: list[int] = []

    def stop(number: int, _frame: FrameType | None) -> None:
        pressed.append(number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(pressed)
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
