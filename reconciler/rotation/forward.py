"""The way forward, from a rotation that is due to the secret's new value."""

from __future__ import annotations

from dataclasses import replace

from .moves import conflict, known_to_others, moved, over, pending_of, to, tried
from .seen import Action, Apply, Discard, Probe, Promote, Record, Seen, Wait
from .state import Kept, Phase, Stage, State


def idle(state: State, seen: Seen, now: int) -> Action:
    asked, main = seen.asked, seen.main
    noticed = _noticed(state, seen, now)
    if noticed is not None:
        return noticed
    leaked = bool(asked and asked.leaked) or known_to_others(state, main)
    if asked is None:
        if now < state.backoff_until:
            return Wait("waits after a failure", state.backoff_until)
        if not (seen.due or state.again or leaked):
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
        exposed=(main,) if leaked and main else (),
        alarmed=(now if state.alarmed is None else state.alarmed) if leaked else None,
        requested_by=asked.by if asked else "schedule",
    )
    return to(begun, Phase.STAGED)


def _noticed(state: State, seen: Seen, now: int) -> Record | None:
    """What is to be known of a secret before anything begins; None where it is known."""
    main = seen.main
    if main is None:
        return None
    if state.exposed and not known_to_others(state, main):
        return _replaced_by_hand(state, main, now)
    if state.last_rotated is None:
        # Nobody knows when it was made. Were it overdue, a first run would rotate everything at once.
        return Record(replace(state, last_rotated=now, old_version=main.version, old_fp=main.fp, again=False))
    if seen.asked is not None or main.version == state.old_version:
        return None
    if main.fp == state.old_fp:
        return Record(replace(state, old_version=main.version))
    return Record(replace(_by_hand(state, main, now), again=False))


def _by_hand(state: State, main: Kept, now: int) -> State:
    """A person's write counts as a rotation."""
    return replace(state, last_rotated=now, old_version=main.version, old_fp=main.fp, reason="written by a person")


def _replaced_by_hand(state: State, main: Kept, now: int) -> Record:
    """What leaked is not what readers get any more, and may still be good at the target."""
    after = _by_hand(state, main, now)
    return over(after, main, None, Phase.IDLE, reason=after.reason, promoted=now, again=False)


def staged(state: State, seen: Seen, now: int) -> Action:
    if moved(state, seen):
        return conflict(state)
    sure = seen.fence is None or seen.fence >= state.fence  # else somebody may sleep who is about to apply it again
    if not state.terms.tested or (seen.pending is Probe.ACCEPTED and sure):
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
    if not rest or state.exposed or state.previous is None:
        return to(state, Phase.PROMOTING)
    step = rest[0]
    return to(state, Phase.CANARY, stage=Stage(step.name, step.percent, now, now + step.seconds))


def canary(state: State, seen: Seen, now: int) -> Action:
    grace = now + state.terms.cache
    lost = _lost(state, seen)
    if isinstance(lost, Record):
        # Consumers in the rollout keep what they have for a while: it must stay good if it is taken back later.
        return Record(replace(lost.state, not_before=grace))
    if lost is not None:
        return lost
    if seen.complaints:
        return to(
            state, Phase.ABORTING, f"{len(seen.complaints)} consumers report failures: {', '.join(seen.complaints[:5])}", not_before=grace
        )
    if state.terms.checked and seen.checks.verdict is Probe.REFUSED:
        return to(state, Phase.ABORTING, "the validation failed in the rollout", checks=seen.checks.words, not_before=grace)
    if state.stage and now < state.stage.until and not state.exposed:
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
        over = now if state.exposed or state.previous is None else now + state.terms.overlap
        return to(state, Phase.OVERLAP, new_version=main.version, overlap_until=over, promoted=now)
    if moved(state, seen):
        return conflict(state)
    if not state.terms.tested or seen.pending is Probe.ACCEPTED:
        return Promote(pending, state.old_version)
    if seen.pending is Probe.UNSURE:
        return Wait("the target cannot be asked")
    if state.previous is None and tried(state, seen):
        return Wait("the target refuses the new value; `release` it to try again")
    if tried(state, seen):
        # Not straight to ABORTING: a rotator that sleeps may be about to promote. Writing the base anew stops it.
        return to(state, Phase.ROLLING_BACK, "the target refuses the new value")
    return Apply(pending)
