"""How rotations end: the old value is retired, or the new one is taken back, or a person has to look."""

from __future__ import annotations

from .moves import conflict, pending_of, sealed, to, tried, works
from .seen import Action, Apply, Copy, Probe, Promote, Record, Revoke, Seen, Wait
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
    broken = bool(seen.complaints)
    if state.terms.tested and seen.live is Probe.REFUSED:
        if not tried(state, seen):
            return Apply(pending_of(state))
        broken = True
    if broken and works(state, seen.previous, state.previous):
        return to(state, Phase.ROLLING_BACK, "the new value does not work")
    if state.terms.tested and seen.live is not Probe.ACCEPTED:
        return Wait("the target cannot be asked, or refuses the new value")
    if now < state.overlap_until and not state.leaked:
        return Wait("old and new value are both good", state.overlap_until)
    return to(state, Phase.RETIRING)


def retiring(state: State, seen: Seen, now: int) -> Action:
    old, main = state.previous, seen.main
    if main is None:
        return conflict(state)
    if old is not None and main.shadows(old):
        if main.same(old):
            return to(state, Phase.ABORTING, "a person put the previous value back")
        if state.terms.both:
            return finished(state, seen, now)  # a person's value logs in as the same user: it must not be ended
    if old is None or not state.terms.ends:
        return finished(state, seen, now)
    if not state.terms.both:
        return finished(state, seen, now) if seen.previous is Probe.REFUSED else Wait("the target does not refuse the previous value yet")
    if seen.live is not Probe.ACCEPTED:
        if seen.live is Probe.REFUSED and pending_of(state).same(main) and not tried(state, seen):
            return Apply(pending_of(state))
        return Wait("the previous value is kept while nothing shows that the new one works")
    if seen.previous is Probe.REFUSED and sealed(state, seen):
        return finished(state, seen, now)
    if seen.previous is Probe.UNSURE:
        return Wait("the target cannot be asked")
    return _end(state, seen, old)


def _end(state: State, seen: Seen, value: Kept) -> Action:
    """Have the target refuse a value. One fence is good for one change: another attempt needs another."""
    if not tried(state, seen):
        return Revoke(value)
    if state.failures > state.terms.budget:
        return Wait("the target goes on accepting a value that was ended")
    return to(state, state.phase, state.reason, failures=state.failures + 1)


def finished(state: State, seen: Seen, now: int) -> Record:
    main = seen.main
    return to(
        state,
        Phase.IDLE,
        pending=None,
        previous=None,
        stage=None,
        last_rotated=state.promoted or now,
        failures=0,
        backoff_until=0,
        old_version=main.version if main else "",
        old_fp=main.fp if main else "",
        leaked=state.leaked if state.again else (),
    )


def aborting(state: State, seen: Seen, now: int) -> Action:
    if seen.behind and seen.main is not None:
        return Copy(seen.behind[0], seen.main)
    pending, main, old = pending_of(state), seen.main, state.previous
    if not state.terms.tested or not state.terms.undoes:
        return aborted(state, seen, now)
    if not state.terms.both:
        good, said = (main, seen.live) if main is not None else (old, seen.previous)
        if good is None or (said is Probe.ACCEPTED and sealed(state, seen)):
            return aborted(state, seen, now)
        if said is Probe.REFUSED and tried(state, seen):
            return Wait("the target refuses the old value")
        return Wait("the target cannot be asked") if said is Probe.UNSURE else Apply(good)
    if main is not None and main.shadows(pending):
        return aborted(state, seen, now)  # a person's value logs in as the same user: it must not be ended
    if seen.pending is Probe.REFUSED and sealed(state, seen):
        return aborted(state, seen, now)
    if main is not None and seen.live is not Probe.ACCEPTED:
        return Wait("the new value is kept while nothing shows that the old one works")
    if now < state.not_before and not state.leaked:
        return Wait("consumers may still have the value that is taken back", state.not_before)
    if seen.pending is Probe.UNSURE:
        return Wait("the target cannot be asked")
    return _end(state, seen, pending)


def aborted(state: State, seen: Seen, now: int) -> Record:
    main = seen.main
    # A person's write stands for a rotation, and is no failure of ours.
    by_hand = main is not None and not main.same(state.previous)
    again = state.again and not by_hand  # what leaked is not in use any more, once a person replaced it
    if by_hand and _left_over(state, main):
        return to(state, Phase.RETIRING, state.reason, pending=main, again=again)
    failures = state.failures + (not by_hand and not state.again)
    spent = failures > state.terms.budget
    wait = min(BACKOFF_SECONDS * 2 ** max(failures - 1, 0), LONGEST_BACKOFF_SECONDS)
    return to(
        state,
        Phase.ORPHANED if spent else Phase.IDLE,
        state.reason,
        pending=None,
        previous=None,
        stage=None,
        failures=failures,
        backoff_until=0 if again or by_hand else now + wait,
        last_rotated=now if by_hand else state.last_rotated,
        old_version=main.version if main else "",
        old_fp=main.fp if main else "",
        again=again,
        leaked=state.leaked if again else (),
    )


def _left_over(state: State, main: Kept | None) -> bool:
    """Whether the value that a person replaced is still good at the target, beside theirs."""
    old = state.previous
    return old is not None and main is not None and state.terms.both and state.terms.ends and not main.shadows(old)


def rolling_back(state: State, seen: Seen, now: int) -> Action:
    old, main, pending = state.previous, seen.main, pending_of(state)
    if main is not None and not main.same(pending) and not (main.same(old) and main.version == state.old_version):
        return to(
            state, Phase.ABORTING, state.reason, not_before=now + state.terms.cache
        )  # the old value was written anew, or a person wrote
    if old is None:
        return Wait("there is no previous value to go back to; `adopt` or `release` it")
    if not state.terms.both or works(state, seen.previous, old):
        return Promote(old, main.version if main else "")
    return Wait("the previous value does not work any more; `adopt` or `release` it")


def in_conflict(state: State, seen: Seen, now: int) -> Action:
    if seen.main is None:
        return Wait("a person deleted the secret; `adopt` or `release` it")
    if state.terms.tested and seen.live is not Probe.ACCEPTED:
        return Wait("a person wrote a value that the target does not accept; `adopt` or `release` it")
    return to(state, Phase.ABORTING, "a person wrote the secret meanwhile", not_before=now + state.terms.cache)


def orphaned(state: State, seen: Seen, now: int) -> Action:
    return Wait(f"gave up after {state.failures} failures: {state.reason}; `release` it when that is mended")
