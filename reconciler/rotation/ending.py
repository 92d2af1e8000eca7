"""How rotations end: the old value is retired, or the new one is taken back, or a person has to look."""

from __future__ import annotations

from .moves import anew, conflict, known_to_others, over, pending_of, sealed, to, tried, works
from .seen import Action, Apply, Copy, Evict, Probe, Promote, Record, Revoke, Seen, Wait
from .state import Kept, Phase, State

BACKOFF_SECONDS = 300
LONGEST_BACKOFF_SECONDS = 86400


def overlap(state: State, seen: Seen, now: int) -> Action:
    if seen.main is None:
        return conflict(state)
    if not pending_of(state).same(seen.main):
        back = seen.main.same(state.previous)
        return to(state, Phase.ABORTING, "a person put the previous value back") if back else conflict(state)
    if seen.behind:
        return Copy(seen.behind[0], seen.main)
    broken = bool(seen.complaints) and not known_to_others(state, state.previous)  # nobody's word brings back what leaked
    if state.terms.tested and seen.live is Probe.REFUSED:
        if not tried(state, seen):
            return Apply(pending_of(state))
        broken = True
    if broken and works(state, seen.previous, state.previous):
        return to(state, Phase.ROLLING_BACK, "the new value does not work")
    if state.terms.tested and seen.live is not Probe.ACCEPTED:
        return Wait("the target cannot be asked, or refuses the new value")
    if now < state.overlap_until and not state.exposed:
        return Wait("old and new value are both good", state.overlap_until)
    return to(state, Phase.RETIRING)


def retiring(state: State, seen: Seen, now: int) -> Action:
    old, main = state.previous, seen.main
    if main is None:
        return conflict(state)
    if main.same(old):
        return to(state, Phase.ABORTING, "a person put the previous value back")
    if not main.same(pending_of(state)):
        return conflict(state)
    if old is None or not state.terms.ends:
        return finished(state, seen, now)
    if not state.terms.both or main.shadows(old):
        return _superseded(state, seen, old, now)
    if seen.live is not Probe.ACCEPTED:
        if seen.live is Probe.REFUSED and not tried(state, seen):
            return Apply(pending_of(state))
        return Wait("the previous value is kept while nothing shows that the new one works")
    if seen.previous is Probe.REFUSED and sealed(state, seen):
        return finished(state, seen, now)
    if seen.previous is Probe.UNSURE:
        return Wait("the target cannot be asked")
    return _end(state, seen, old, seen.previous)


def _superseded(state: State, seen: Seen, old: Kept, now: int) -> Action:
    """The old value is one login's with what readers get: the target refuses it as it accepts that, and it must not be ended."""
    if seen.previous is not Probe.REFUSED and (state.exposed or not state.terms.both):
        return Wait("the target does not refuse the previous value yet")
    return finished(state, seen, now) if _gone(state, seen) else _let_go(state, seen, old)


def _gone(state: State, seen: Seen) -> bool:
    """Whether nobody is in any more who came with something that leaked, as far as that matters."""
    return not state.exposed or sealed(state, seen)


def _let_go(state: State, seen: Seen, old: Kept) -> Action:
    """End the sessions of a login that goes on with another value."""
    return anew(state) if tried(state, seen) else Evict(old)


def _end(state: State, seen: Seen, value: Kept, said: Probe) -> Action:
    """Have the target refuse a value. One fence is good for one change: another attempt needs another."""
    if not tried(state, seen):
        return Revoke(value)
    if said is Probe.REFUSED:
        return anew(state)  # it was cut off before the sessions were ended
    if state.failures > state.terms.budget:
        return Wait("the target goes on accepting a value that was ended; `release` it to try again")
    return to(state, state.phase, state.reason, failures=state.failures + 1)


def finished(state: State, seen: Seen, now: int) -> Record:
    if state.strays and seen.main is not None and not seen.main.shadows(state.strays[0]):
        first, *rest = state.strays
        exposed = tuple(one for one in state.exposed if not one.same(state.previous))
        terms = state.terms._replace(ends=True)
        return to(state, Phase.RETIRING, state.reason, pending=seen.main, previous=first, strays=tuple(rest), exposed=exposed, terms=terms)
    rotated = {"last_rotated": state.promoted or now, "failures": 0, "backoff_until": 0}
    return over(state, seen.main, state.previous, Phase.IDLE, **rotated)


def aborting(state: State, seen: Seen, now: int) -> Action:
    if seen.behind and seen.main is not None:
        return Copy(seen.behind[0], seen.main)
    pending, main, old = pending_of(state), seen.main, state.previous
    if not state.terms.tested or not state.terms.undoes:
        return aborted(state, seen, now)
    good, said = (main, seen.live) if main is not None else (old, seen.previous)
    if not state.terms.both and good is not None:
        return _restored(state, seen, good, said, now)
    if main is not None and main.shadows(pending):
        return aborted(state, seen, now) if _gone(state, seen) else _let_go(state, seen, pending)  # a person's, for the same user
    if seen.pending is Probe.REFUSED and sealed(state, seen):
        return aborted(state, seen, now)
    if main is not None and seen.live is not Probe.ACCEPTED:
        return Wait("the new value is kept while nothing shows that the old one works")
    if now < state.not_before and not state.exposed:
        return Wait("consumers may still have the value that is taken back", state.not_before)
    if seen.pending is Probe.UNSURE:
        return Wait("the target cannot be asked")
    return _end(state, seen, pending, seen.pending)


def _restored(state: State, seen: Seen, good: Kept, said: Probe, now: int) -> Action:
    """Give a target that takes one value the old one again."""
    if said is Probe.ACCEPTED and sealed(state, seen):
        return aborted(state, seen, now)
    if said is Probe.UNSURE:
        return Wait("the target cannot be asked")
    if tried(state, seen):
        return anew(state) if said is Probe.ACCEPTED else Wait("the target refuses the old value; `release` it to try again")
    return Apply(good)


def aborted(state: State, seen: Seen, now: int) -> Record:
    main = seen.main
    # A person's write stands for a rotation, and is no failure of ours.
    by_hand = main is not None and not main.same(state.previous)
    if by_hand and _left_over(state, main):
        return to(state, Phase.RETIRING, state.reason, pending=main, again=False, excused=False)
    again = state.again and not by_hand
    failures = state.failures + (not by_hand and not state.excused)
    wait = min(BACKOFF_SECONDS * 2 ** max(failures - 1, 0), LONGEST_BACKOFF_SECONDS)
    return over(
        state,
        main,
        state.pending,
        Phase.ORPHANED if failures > state.terms.budget else Phase.IDLE,
        reason=state.reason,
        failures=failures,
        backoff_until=0 if again or state.excused or by_hand else now + wait,
        last_rotated=now if by_hand else state.last_rotated,
        again=again,
    )


def _left_over(state: State, main: Kept | None) -> bool:
    """Whether the value that a person replaced is still good at the target, beside theirs, or what it opened is."""
    old = state.previous
    if old is None or main is None or not (state.terms.both and state.terms.ends):
        return False
    return not main.shadows(old) or known_to_others(state, old)


def rolling_back(state: State, seen: Seen, now: int) -> Action:
    old, main, pending = state.previous, seen.main, pending_of(state)
    if main is not None and not main.same(pending) and not (main.same(old) and main.version == state.old_version):
        return to(
            state, Phase.ABORTING, state.reason, not_before=now + state.terms.cache
        )  # the old value was written anew, or a person wrote
    if old is None:
        return Wait("there is no previous value to go back to; `release` it to try the new one again")
    if not state.terms.both or works(state, seen.previous, old):
        return Promote(old, main.version if main else "")
    return Wait("the previous value does not work any more; `release` it to try the new one again")


def in_conflict(state: State, seen: Seen, now: int) -> Action:
    if seen.main is None:
        return Wait("a person deleted the secret; `adopt` or `release` it")
    if state.terms.tested and seen.live is not Probe.ACCEPTED:
        return Wait("a person wrote a value that the target does not accept; `adopt` or `release` it")
    return to(state, Phase.ABORTING, "a person wrote the secret meanwhile", not_before=now + state.terms.cache)


def orphaned(state: State, seen: Seen, now: int) -> Action:
    return Wait(f"gave up after {state.failures} failures: {state.reason}; `release` it when that is mended")
