"""What people say to a rotation: hold it, release it, adopt what stands in the store. Each is one record behind check-and-set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..core.errors import Conflict, ReconcilerError, Refused
from .job import Job, load
from .moves import to
from .state import UNPROMOTED, Kept, Phase, State, kept, read_state, sibling, write_state

ATTEMPTS = 5  # while a rotator is at work


def hold(job: Job, reason: str) -> State:
    """Nothing is done with this secret until it is released, whatever its phase."""
    return _changed(job, "hold", lambda state: replace(state, hold=reason))


def release(job: Job) -> State:
    """Let a held or orphaned rotation go on; in a conflict, let the new value win over what the person wrote."""
    return _changed(job, "release", lambda state: _released(job, state))


def adopt(job: Job) -> State:
    """What stands in the store now is right: it counts as rotated now, and a pending value is taken back."""
    return _changed(job, "adopt", lambda state: _adopted(job, state))


def _released(job: Job, state: State) -> State:
    free = replace(state, hold="", failures=0, backoff_until=0)
    if state.phase is Phase.ORPHANED:
        return to(free, Phase.IDLE).state
    if state.phase is Phase.CONFLICT and state.pending is not None:
        main = _main(job)
        return to(free, Phase.STAGED, previous=main, old_version=main.version if main else "", old_fp=main.fp if main else "").state
    if not state.hold and not state.backoff_until and not state.failures:
        raise Refused(f"{job.path} is in phase {state.word}: there is nothing to release it from")
    return free


def _adopted(job: Job, state: State) -> State:
    main = _main(job)
    if main is None:
        raise Refused(f"{job.path} has no value that could be adopted (reconcile secret put {job.path})")
    if state.pending is None:
        now = int(job.clock())
        fresh = replace(state, hold="", failures=0, backoff_until=0, last_rotated=now, old_version=main.version, old_fp=main.fp)
        return to(fresh, Phase.IDLE).state
    if state.phase in UNPROMOTED or state.phase is Phase.CONFLICT:
        return to(replace(state, hold=""), Phase.ABORTING, "what stands in the store was adopted").state
    raise Refused(f"{job.path} is in phase {state.word}, past the point where its value is in doubt (let `rotate` finish it)")


def _main(job: Job) -> Kept | None:
    held = job.store.get(job.path)
    if held is None:
        return None
    return kept(held.value, held.version, job.strategy.identity(held.value), job.fingerprint(held.value))


def _changed(job: Job, word: str, change: Callable[[State], State]) -> State:
    for _ in range(ATTEMPTS):
        state = _load(job) if word == "adopt" else load(job)
        after = replace(change(state), serial=state.serial + 1)
        intent = job.recorder.intent(f"rotation.{word}", job.path, store=job.store.name, rid=state.rid, phase=after.phase.value)
        try:
            version = job.store.put(sibling(job.path), write_state(after), state.document_version)
        except Conflict:
            job.recorder.outcome(intent, "failed")
            continue
        except ReconcilerError:
            job.recorder.outcome(intent, "unknown")
            raise
        job.recorder.outcome(intent, "applied")
        return replace(after, document_version=version)
    raise Conflict(f"{job.path}: rotators write its state all the time (try again)", path=job.path)


def _load(job: Job) -> State:
    """The document; a new one in the place of what cannot be read, since adopting is the way out of that."""
    held = job.store.get(sibling(job.path))
    try:
        return read_state(held.value, held.version, job.path) if held else State()
    except ReconcilerError:
        return State(document_version=held.version if held else "")
