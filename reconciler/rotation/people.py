"""What people say to a rotation: hold it, release it, adopt what stands in the store. Each is one record behind check-and-set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..core.errors import Conflict, ReconcilerError, Refused
from .job import Job, load
from .moves import to
from .state import UNPROMOTED, Kept, Phase, State, kept, read_state, sibling, write_state

STUCK = frozenset({Phase.PROMOTING, Phase.ABORTING, Phase.RETIRING})
"""Phases that may wait for a target to be mended. Releasing them once too often does nothing."""
ATTEMPTS = 5  # while a rotator is at work


def hold(job: Job, reason: str) -> State:
    """Nothing is done with this secret until it is released, whatever its phase."""
    return _changed(job, "hold", lambda state: replace(state, hold=reason))


def release(job: Job) -> State:
    """Let a held, stuck or orphaned rotation go on; in a conflict, let the new value win over what the person wrote."""
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
        terms = state.terms._replace(ends=main is not None and job.strategy.ends(main.value))  # a stranger's login is not ours to end
        about = {"old_version": main.version, "old_fp": main.fp} if main else {"old_version": "", "old_fp": ""}
        strays = job.strategy.strays(main.value if main else None, state.pending.value)
        return to(free, Phase.STAGED, previous=main, terms=terms, strays=strays, **about).state
    if state.phase is Phase.ROLLING_BACK:
        return to(free, Phase.PROMOTING).state
    if state.phase in STUCK or state.hold or state.backoff_until or state.failures:
        return free  # behind a newer fence, which is another attempt
    raise Refused(f"{job.path} is in phase {state.word}: there is nothing to release it from")


def _adopted(job: Job, state: State) -> State:
    main = _main(job)
    if main is None:
        raise Refused(f"{job.path} has no value that could be adopted (reconcile secret put {job.path})")
    fresh = replace(state, hold="", last_rotated=int(job.clock()), again=False)
    if state.pending is None:
        about = {"old_version": main.version, "old_fp": main.fp}
        return to(fresh, Phase.IDLE, failures=0, backoff_until=0, exposed=(), alarmed=None, **about).state
    if state.phase in UNPROMOTED or state.phase is Phase.CONFLICT:
        exposed = tuple(one for one in state.exposed if one.same(state.pending))
        return to(fresh, Phase.ABORTING, "what stands in the store was adopted", excused=True, exposed=exposed).state
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
        path, replaced = sibling(job.path), state.document_version
        fields = {"store": job.store.name, "ver_from": replaced, "rid": state.rid, "phase": after.phase.value}
        intent = job.recorder.intent(f"rotation.{word}", path, **fields)
        try:
            version = job.store.put(path, write_state(after), replaced)
        except Conflict:
            job.recorder.outcome(intent, "failed")
            continue
        except ReconcilerError:
            job.recorder.outcome(intent, "unknown")
            raise
        job.recorder.outcome(intent, "applied", ver_to=version)
        return replace(after, document_version=version)
    raise Conflict(f"{job.path}: rotators write its state all the time (try again)", path=job.path)


def _load(job: Job) -> State:
    """The document; a new one in the place of what cannot be read, since adopting is the way out of that."""
    held = job.store.get(sibling(job.path))
    try:
        return read_state(held.value, held.version, job.path) if held else State()
    except ReconcilerError:
        return State(document_version=held.version if held else "")
