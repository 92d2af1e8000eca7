"""What the phases have in common: how one moves on, and what they may believe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .seen import Probe, Record, Seen
from .state import Kept, Phase, State


def moved(state: State, seen: Seen) -> bool:
    """Whether somebody else wrote the secret since the rotation began."""
    return (seen.main.version if seen.main else "") != state.old_version


def conflict(state: State) -> Record:
    return to(state, Phase.CONFLICT, "a person wrote the secret meanwhile", stage=None)


def tried(state: State, seen: Seen) -> bool:
    """Whether the action of this phase was carried out already, and so has failed if a probe says otherwise."""
    return seen.done_here or (seen.fence is not None and seen.fence >= state.fence)


def sealed(state: State, seen: Seen) -> bool:
    """Whether the target refuses whoever still acts on an earlier phase, and has let nobody in who must not stay."""
    return (seen.fence is None or seen.fence >= state.entered_fence) and not seen.lingering


def known_to_others(state: State, value: Kept | None) -> bool:
    """Whether this value leaked."""
    return any(one.same(value) for one in state.exposed)


def over(state: State, main: Kept | None, ended: Kept | None, phase: Phase, **changes: Any) -> Record:
    """A rotation is over, unless something else leaked that has to be ended first. Readers' own value is for the next rotation."""
    left = tuple(one for one in state.exposed if not one.same(ended))
    other = next((one for one in left if not one.same(main)), None)
    if other is not None and main is not None and state.terms.tested and state.terms.ends:
        return to(state, Phase.RETIRING, state.reason, pending=main, previous=other, exposed=left, again=False, excused=False)
    exposed = tuple(one for one in left if one.same(main))
    state = replace(state, old_version=main.version if main else "", old_fp=main.fp if main else "")
    state = replace(state, exposed=exposed, alarmed=state.alarmed if exposed else None, excused=False)
    return to(state, phase, pending=None, previous=None, stage=None, strays=(), **changes)


def works(state: State, probe: Probe, value: Kept | None) -> bool:
    """Whether a value can be gone back to: it is accepted, or nobody can say otherwise."""
    return value is not None and (probe is Probe.ACCEPTED or not state.terms.tested or not state.terms.both)


def pending_of(state: State) -> Kept:
    if state.pending is None:
        raise AssertionError(f"a rotation in phase {state.phase} has a pending value")
    return state.pending


def anew(state: State) -> Record:
    """Go on in the same phase behind a newer fence: one fence is good for one change."""
    return to(state, state.phase, state.reason)


def to(state: State, phase: Phase, reason: str = "", **changes: Any) -> Record:
    """Record another phase. `entered` is the serial that this record will have."""
    return Record(replace(state, phase=phase, entered=state.serial + 1, reason=reason, **changes))
