"""The state machine: from what was read to the one thing to do next. Pure; nothing here knows stores or targets.

A phase is believed when a probe confirms it, not because the record says so. Every action may be lost before or after it
took effect, and may be carried out late by a rotator that slept: records replace the version that was read, secrets too,
and targets refuse fences older than the last they saw.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from . import ending, forward
from .moves import to
from .seen import Action, Record, Seen, Wait, Want
from .state import EPOCH, UNPROMOTED, Phase, State


def wants(state: State) -> frozenset[Want]:
    """What a pass must look at in this phase, beside the document and the secret."""
    looks = _WANTS[state.phase]
    if not state.terms.tested:
        looks -= {Want.PENDING, Want.PREVIOUS, Want.MAIN}
    if not state.exposed:
        looks -= {Want.SESSIONS}
    return looks if state.terms.checked else looks - {Want.CHECKS}


_WANTS: Mapping[Phase, frozenset[Want]] = {
    Phase.IDLE: frozenset(),
    Phase.STAGED: frozenset({Want.PENDING, Want.FENCE, Want.ISSUED}),
    Phase.APPLIED: frozenset({Want.PENDING, Want.CHECKS, Want.DOOMED}),
    Phase.VALIDATED: frozenset({Want.PENDING}),
    Phase.CANARY: frozenset({Want.PENDING, Want.CHECKS, Want.REPORTS}),
    Phase.PROMOTING: frozenset({Want.PENDING, Want.FENCE}),
    Phase.OVERLAP: frozenset({Want.COPIES, Want.MAIN, Want.PREVIOUS, Want.FENCE, Want.REPORTS}),
    Phase.RETIRING: frozenset({Want.MAIN, Want.PREVIOUS, Want.FENCE, Want.SESSIONS}),
    Phase.ABORTING: frozenset({Want.COPIES, Want.MAIN, Want.PENDING, Want.PREVIOUS, Want.FENCE, Want.SESSIONS}),
    Phase.ROLLING_BACK: frozenset({Want.PREVIOUS}),
    Phase.CONFLICT: frozenset({Want.MAIN}),
    Phase.ORPHANED: frozenset(),
}


def decide(state: State, seen: Seen, now: int) -> Action:
    """The one thing to do next."""
    if seen.asked is not None and seen.asked.leaked and state.phase is not Phase.IDLE:
        marked = _marked(state, seen, seen.asked.leaked, now)
        if marked is not None:
            return marked
    if state.hold:
        return Wait(f"{state.hold}; `release` it to go on")
    if seen.fence is not None and seen.fence > state.fence:
        # Nobody but a holder of this document's newest version gets that far: the store was restored to an older one.
        return Record(replace(state, restore_epoch=seen.fence // EPOCH + 1))
    return _PHASES[state.phase](state, seen, now)


def _marked(state: State, seen: Seen, leaked: tuple[str, ...], now: int) -> Record | None:
    """Take note of what leaked while a rotation is under way, as values: what is current now may be the previous one soon."""
    noted = list(state.exposed)
    for word, value in (("current", seen.main), ("pending", state.pending), ("previous", state.previous)):
        if word in leaked and value is not None and not any(one.same(value) for one in noted):
            noted.append(value)
    alarm = replace(state, exposed=tuple(noted), alarmed=now if state.alarmed is None else state.alarmed)
    if state.phase is Phase.ORPHANED:
        return to(alarm, Phase.IDLE, state.reason, backoff_until=0)  # a leak is reason enough to try again
    if len(noted) == len(state.exposed):
        return None
    if "pending" in leaked and state.phase in UNPROMOTED:
        return to(alarm, Phase.ABORTING, "the pending value leaked", again=True, excused=True)
    # One that is being taken back is not that which the alarm is about, and its failure no reason to wait.
    return Record(replace(alarm, again=state.again or state.phase in (Phase.ABORTING, Phase.ROLLING_BACK)))


def failed(state: State, reason: str) -> Record | None:
    """What to record when a target said no, for certain; None where the phase goes on by looking."""
    if state.phase is Phase.STAGED:
        return to(state, Phase.ABORTING, reason)
    if state.phase is Phase.PROMOTING and state.previous is not None:
        return to(state, Phase.ROLLING_BACK, reason)
    if state.phase in (Phase.RETIRING, Phase.ABORTING) and state.failures <= state.terms.budget:
        return to(state, state.phase, state.reason, failures=state.failures + 1)
    return None


_PHASES: Mapping[Phase, Callable[[State, Seen, int], Action]] = {
    Phase.IDLE: forward.idle,
    Phase.STAGED: forward.staged,
    Phase.APPLIED: forward.applied,
    Phase.VALIDATED: forward.validated,
    Phase.CANARY: forward.canary,
    Phase.PROMOTING: forward.promoting,
    Phase.OVERLAP: ending.overlap,
    Phase.RETIRING: ending.retiring,
    Phase.ABORTING: ending.aborting,
    Phase.ROLLING_BACK: ending.rolling_back,
    Phase.CONFLICT: ending.in_conflict,
    Phase.ORPHANED: ending.orphaned,
}
