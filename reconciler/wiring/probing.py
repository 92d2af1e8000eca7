"""Tries every credential of a restored store, and lets go of its rotation, or rotates it anew where its target refuses it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from reconciler.backup.held import held_before, is_restored
from reconciler.core.errors import ReconcilerError
from reconciler.core.tried import Tried, Verdict
from reconciler.rotation.job import Job, calling, load
from reconciler.rotation.rotate import Orders, rotate_one
from reconciler.rotation.run import mirror
from reconciler.rotation.seen import Asked, Probe
from reconciler.rotation.state import Kept, Phase, State, kept, sibling, write_state
from reconciler.settings import Settings

from .rotation import Rotation, opened_for_rotation


def tried(settings: Settings) -> Iterator[Tried]:
    """Try what a restore holds, with the token at hand. What cannot be tried stays held, and is tried by the next call."""
    with opened_for_rotation(settings, administrator=True) as rotation:
        for job in rotation.jobs:
            try:
                state = load(job)
                if is_restored(state):
                    yield _tried(rotation, job, state)
            except ReconcilerError as error:
                yield Tried(job.path, "unsure", released=False, why=str(error), failed=True)


def _tried(rotation: Rotation, job: Job, state: State) -> Tried:
    verdict, why = _verdict(job, state)
    if verdict in ("unsure", "lacking"):
        return Tried(job.path, verdict, released=False, why=why)
    closed = "rotation is switched off" if not rotation.settings.enabled else rotation.closed()
    if verdict == "refused" and closed:
        return Tried(job.path, verdict, released=False, why=closed)
    # Whoever is killed between the two has said that another rotation follows.
    free = _let_go(job, state, again=verdict == "refused" and state.phase is Phase.IDLE)
    if free.hold:
        return Tried(job.path, verdict, released=False, why=free.hold)
    if verdict != "refused":
        mirror(job, free)
        return Tried(job.path, verdict, released=True, why=why)
    # One that is under way is brought to its end; else another one begins.
    asked = Asked(rotation.actor) if free.phase is Phase.IDLE else None
    done = rotate_one(job, Orders(asked=asked))
    became = done.error or done.trouble or done.waits or done.phase
    return Tried(job.path, verdict, released=True, why=why, became=f"{done.phase}: {became}", failed=bool(done.error) or done.failed)


def _verdict(job: Job, state: State) -> tuple[Verdict, str]:
    """What its target, and whatever else was declared to try it, say of the value that readers get."""
    held = job.store.get(job.path)
    if held is None:
        return "lacking", "there is no value"
    if not job.strategy.tested and job.validate is None:
        return "untested", "no target and no validation is declared, so the store is right"
    value = kept(held.value, held.version, job.strategy.identity(held.value), job.fingerprint(held.value))
    values = [value] if state.phase is Phase.IDLE or state.pending is None else [value, state.pending]
    said: list[Probe] = []
    for one in values:  # in the middle of a rotation the pending value may be the one that is good
        try:
            said.append(_probe(job, state, one))
        except ReconcilerError as error:
            return "unsure", str(error)
    best = next((one for one in (Probe.ACCEPTED, Probe.UNSURE) if one in said), Probe.REFUSED)
    return _named(best), ""


def _probe(job: Job, state: State, value: Kept) -> Probe:
    said = [job.strategy.probe(calling(job, state), value)] if job.strategy.tested else []
    said += [job.validate(value).verdict] if job.validate is not None else []
    return next((one for one in (Probe.REFUSED, Probe.UNSURE) if one in said), Probe.ACCEPTED)


def _named(said: Probe) -> Verdict:
    match said:
        case Probe.ACCEPTED:
            return "works"
        case Probe.REFUSED:
            return "refused"
        case Probe.UNSURE:
            return "unsure"


def _let_go(job: Job, state: State, *, again: bool) -> State:
    """Take the restore's hold away; one that a person had put there before the backup stays."""
    free = replace(state, hold=held_before(state), serial=state.serial + 1, again=again or state.again)
    path = sibling(job.path)
    about = {"store": job.store.name, "ver_from": state.document_version, "rid": state.rid, "phase": free.phase.value}
    intent = job.recorder.intent("rotation.release", path, **about)
    try:
        version = job.store.put(path, write_state(free), state.document_version)
    except ReconcilerError:
        job.recorder.outcome(intent, "unknown")
        raise
    job.recorder.outcome(intent, "applied", ver_to=version)
    return replace(free, document_version=version)
