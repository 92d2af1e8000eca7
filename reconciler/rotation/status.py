"""How all secrets stand, read from their documents; where those may not be read, from the mirror in their metadata."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from ..core.errors import Denied, ReconcilerError
from ..core.standing import Standing
from .canary import covered
from .job import Job, load
from .state import Phase, State, seconds

READERS = 16
AFTER = frozenset({Phase.OVERLAP, Phase.RETIRING})  # the new value is what readers get, though the rotation is not over


def standings(jobs: Sequence[Job]) -> list[Standing]:
    """One row a secret, in order. What cannot be read is UNKNOWN, with the reason."""
    with ThreadPoolExecutor(READERS, thread_name_prefix="status") as pool:
        return list(pool.map(_standing, jobs))


def _standing(job: Job) -> Standing:
    try:
        return standing(job, load(job))
    except Denied:
        return mirrored(job)
    except ReconcilerError as error:
        return _unknown(job, str(error))


def standing(job: Job, state: State) -> Standing:
    """One secret, as its document says."""
    last = state.promoted if state.promoted is not None and state.phase in AFTER else state.last_rotated
    due = job.due(last) if last is not None else None
    now = int(job.clock())
    until = {Phase.OVERLAP: state.overlap_until, Phase.CANARY: state.stage.until if state.stage else 0}.get(state.phase)
    return Standing(
        job.path,
        job.store.name,
        job.spec.type,
        state.word,
        stage=state.stage.name if state.stage else "",
        last_rotated=last,
        next_due=due.at if due else None,
        warn_at=due.warn_at if due else None,
        warn=bool(due and due.warns(now)),
        overdue=bool(due and due.overdue(now)),
        covered=covered(state, job.path, job.spec.consumers) if state.serial else 0,
        consumers=len(job.spec.consumers),
        failures=state.failures,
        reason=state.hold or state.reason,
        until=until or (state.backoff_until if state.backoff_until > now else None),
        scheduled=bool(job.spec.rotation),
        alarmed=state.alarmed if state.exposed else None,
        stuck=state.failures > state.terms.budget,
    )


def mirrored(job: Job) -> Standing:
    """One secret, as its metadata says: all that a login which reads no secrets may know."""
    try:
        about = job.store.metadata(job.path)
    except ReconcilerError as error:
        return _unknown(job, str(error))
    written = about.get("reconciler_last_rotated", "")
    try:
        last = seconds(written) if written else None
    except ValueError:
        last = None
    due, now = job.due(last) if last is not None else None, int(job.clock())
    return Standing(
        job.path,
        job.store.name,
        job.spec.type,
        about.get("reconciler_phase", "IDLE"),
        last_rotated=last,
        next_due=due.at if due else None,
        warn_at=due.warn_at if due else None,
        warn=bool(due and due.warns(now)),
        overdue=bool(due and due.overdue(now)),
        consumers=len(job.spec.consumers),
        scheduled=bool(job.spec.rotation),
    )


def _unknown(job: Job, reason: str) -> Standing:
    return Standing(
        job.path,
        job.store.name,
        job.spec.type,
        "UNKNOWN",
        consumers=len(job.spec.consumers),
        reason=reason,
        scheduled=bool(job.spec.rotation),
    )
