"""The way forward, from a rotation that is due to the secret's new value."""

from __future__ import annotations

from dataclasses import replace

from .moves import conflict, moved, pending_of, to, tried
from .seen import Action, Apply, Discard, Probe, Promote, Record, Seen, Wait
from .state import Phase, Stage, State


def idle(state: State, seen: Seen, now: int) -> Action:
    asked, main = seen.asked, seen.main
    noticed = _noticed(state, seen, now)
    if noticed is not None:
        return noticed
    if asked is None and not state.again:
        if now < state.backoff_until:
            return Wait("waits after a failure", state.backoff_until)
        if not seen.due:
            return Wait("not due", seen.next_due)
    if seen.fresh is None:
        return Wait(seen.lacking or "there is nothing to make a value of")
    begun = replace(
        seen.fresh,
        serial=state.serial,
        failures=state.failures,
        attempt=state.attempt + 1,
        restore_epoch=state.restore_epoch,
        last_rotated=state.last_rotated,
        document_version=state.document_version,
        old_version=main.version if main else "",
        old_fp=main.fp if main else "",
        previous=main,
        started=now,
        leaked=asked.leaked if asked else ("current",) if state.again and state.leaked else (),
        requested_by=asked.by if asked else "schedule",
    )
    return to(begun, Phase.STAGED)


def _noticed(state: State, seen: Seen, now: int) -> Record | None:
    """What is to be known of a secret before anything begins; None where it is known."""
    main = seen.main
    if main is None:
        return None
    if state.last_rotated is None:
        # Nobody knows when it was made. Were it overdue, a first run would rotate everything at once.
        return Record(replace(state, last_rotated=now, old_version=main.version, old_fp=main.fp, again=False))
    if seen.asked is not None or main.version == state.old_version:
        return None
    if main.fp == state.old_fp:
        return Record(replace(state, old_version=main.version))
    # It counts as a rotation, and what leaked before it is not in use any more.
    return Record(
        replace(state, last_rotated=now, old_version=main.version, old_fp=main.fp, reason="written by a person", again=False, leaked=())
    )


def staged(state: State, seen: Seen, now: int) -> Action:
    if moved(state, seen):
        return conflict(state)
    if not state.terms.tested or seen.pending is Probe.ACCEPTED:
        value, beside = seen.completed or (state.pending, ())
        return to(state, Phase.APPLIED, pending=value, doomed=beside)
    return _make_accepted(state, seen, now)


def _make_accepted(state: State, seen: Seen, now: int) -> Action:
    """Bring the pending value to the target, or see that it was brought there and does not work."""
    if seen.pending is Probe.UNSURE:
        return Wait("the target cannot be asked")
    if tried(state, seen):
        return to(state, Phase.ABORTING, "the target refuses the new value")
    return Apply(pending_of(state))


def applied(state: State, seen: Seen, now: int) -> Action:
    lost = _lost(state, seen)
    if lost is not None:
        return lost
    if seen.doomed:
        return Discard(seen.doomed[0])
    if state.terms.checked:
        match seen.checks.verdict:
            case Probe.UNSURE:
                return Wait("the validation gave no answer")
            case Probe.REFUSED:
                return to(state, Phase.ABORTING, "the validation failed", checks=seen.checks.words)
    return to(state, Phase.VALIDATED, checks=seen.checks.words)


def validated(state: State, seen: Seen, now: int) -> Action:
    return _lost(state, seen) or _next_stage(state, now)


def _next_stage(state: State, now: int) -> Record:
    done = next((index for index, step in enumerate(state.terms.steps) if state.stage and step.name == state.stage.name), -1)
    rest = state.terms.steps[done + 1 :]
    # A first value has no readers yet, and a leaked one no time.
    if not rest or state.leaked or state.previous is None:
        return to(state, Phase.PROMOTING)
    step = rest[0]
    return to(state, Phase.CANARY, stage=Stage(step.name, step.percent, now, now + step.seconds))


def canary(state: State, seen: Seen, now: int) -> Action:
    lost = _lost(state, seen)
    if lost is not None:
        return lost
    grace = now + state.terms.cache
    if seen.complaints:
        return to(
            state, Phase.ABORTING, f"{len(seen.complaints)} consumers report failures: {', '.join(seen.complaints[:5])}", not_before=grace
        )
    if state.terms.checked and seen.checks.verdict is Probe.REFUSED:
        return to(state, Phase.ABORTING, "the validation failed in the rollout", checks=seen.checks.words, not_before=grace)
    if state.stage and now < state.stage.until and not state.leaked:
        return Wait(f"stage {state.stage.name}", state.stage.until)
    if state.terms.checked and seen.checks.verdict is Probe.UNSURE:
        return Wait("the validation gave no answer")
    return _next_stage(state, now)


def _lost(state: State, seen: Seen) -> Action | None:
    """What to do where what was believed does not hold any more; None where it does."""
    if moved(state, seen):
        return conflict(state)
    if state.terms.tested and seen.pending is Probe.UNSURE:
        return Wait("the target cannot be asked")
    if state.terms.tested and seen.pending is Probe.REFUSED:
        return to(state, Phase.STAGED, "the target does not know the new value any more", stage=None)
    return None


def promoting(state: State, seen: Seen, now: int) -> Action:
    pending, main = pending_of(state), seen.main
    if pending.same(main) and main is not None:
        # A first value has no reader who still has another.
        over = now if state.leaked or state.previous is None else now + state.terms.overlap
        return to(state, Phase.OVERLAP, new_version=main.version, overlap_until=over, promoted=now)
    if moved(state, seen):
        return conflict(state)
    if not state.terms.tested or seen.pending is Probe.ACCEPTED:
        return Promote(pending, state.old_version)
    if seen.pending is Probe.UNSURE:
        return Wait("the target cannot be asked")
    if state.previous is None and tried(state, seen):
        return Wait("the target refuses the new value; `adopt` or `release` it")
    if tried(state, seen):
        # Not straight to ABORTING: a rotator that sleeps may be about to promote. Writing the base anew stops it.
        return to(state, Phase.ROLLING_BACK, "the target refuses the new value")
    return Apply(pending)
