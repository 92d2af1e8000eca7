"""One pass over one secret: read everything, decide, make ONE mutation, return. Killed anywhere, the next pass goes on."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from ..audit.head import Unanswered
from ..core.errors import Conflict, Denied, Invalid, Missing, ReconcilerError, Unavailable
from .job import Job, Memory, calling, load, promote
from .look import next_action
from .machine import failed
from .seen import Action, Apply, Asked, Copy, Discard, Evict, Promote, Record, Revoke, Wait
from .state import Phase, State, iso, sibling, write_state
from .strategy import Definite, Fenced, Full
from .trail import answer_what_was_left, place_of


class Acted(NamedTuple):
    """The state after an action, and the version that it made in a store, if any."""

    state: State
    version: str = ""


class Stepped(NamedTuple):
    """What one pass came to."""

    before: State
    state: State
    action: Action
    error: str = ""
    """Why the action was not done, or is not known to be."""

    @property
    def moved(self) -> bool:
        return not isinstance(self.action, Wait) and not self.error


def one_pass(job: Job, memory: Memory, asked: Asked | None = None) -> Stepped:
    """Do the one thing that is to be done now. Raises ReconcilerError where it cannot even be told."""
    state = load(job)
    answer_what_was_left(job, state, memory)
    action = next_action(job, state, memory, asked)
    if isinstance(action, Wait):
        return Stepped(state, state, action)
    return _audited(job, state, action, memory)


def _audited(job: Job, state: State, action: Action, memory: Memory) -> Stepped:
    """Keep the intent, act, keep the outcome. Where nobody knows whether it was done, or by whom, the next pass looks."""
    name = type(action).__name__.lower()
    about = action.state if isinstance(action, Record) else state
    pending = about.pending.fp if about.pending else ""
    path, store, version = place_of(job, state, action)
    fields = {"rid": about.rid, "phase": about.phase.value, "fence": str(state.fence), "fp": pending}
    intent = job.recorder.intent(f"rotation.{name}", path, store=store, ver_from=version, **fields)
    try:
        acted = _act(job, state, action)
    except Unavailable as error:
        memory.unsure.append(Unanswered(intent, f"rotation.{name}", path, job.commit, about.rid, version, store))
        return Stepped(state, state, action, str(error))
    except (Conflict, Fenced) as error:
        job.recorder.outcome(intent, "unknown")
        return Stepped(state, state, action, str(error))
    except Definite as error:
        job.recorder.outcome(intent, "failed")
        return _gave_up(job, state, action, failed(state, str(error)), memory, str(error))
    except Full as error:
        job.recorder.outcome(intent, "failed")
        return _gave_up(job, state, action, Record(replace(state, hold=str(error))), memory, str(error))
    except ReconcilerError:
        job.recorder.outcome(intent, "failed")
        raise
    job.recorder.outcome(intent, "applied", phase=acted.state.phase.value, ver_to=acted.version)
    memory.done.add((type(action).__name__, state.fence))
    return Stepped(state, acted.state, action)


def _gave_up(job: Job, state: State, action: Action, record: Record | None, memory: Memory, reason: str) -> Stepped:
    """What a target refused for certain changed nothing there: recording that is this pass' one mutation."""
    return Stepped(state, state, action, reason) if record is None else _audited(job, state, record, memory)


def _act(job: Job, state: State, action: Action) -> Acted:
    call = calling(job, state)
    match action:
        case Record(after):
            return _record(job, state, after)
        case Promote(value, expected):
            return Acted(state, promote(job, state, value, expected))
        case Copy(place, value):
            copy = next(one for one in job.copies if one.name == place.store)
            return Acted(state, copy.put(job.path, value.value, place.version))
        case Apply(value):
            job.strategy.apply(call, value, state.previous)
        case Revoke(value):
            job.strategy.revoke(call, value)
        case Evict(value):
            job.strategy.evict(call, value)
        case Discard(id):
            job.strategy.discard(call, id)
        case Wait():
            raise AssertionError("waiting is no act")
    return Acted(state)


def _record(job: Job, state: State, after: State) -> Acted:
    written = replace(after, serial=state.serial + 1)
    version = job.store.put(sibling(job.path), write_state(written), state.document_version)
    return Acted(replace(written, document_version=version), version)


def mirror(job: Job, state: State) -> None:
    """Tell people in the secret's metadata; nothing is decided by it, so it may fail."""
    last = state.promoted if state.promoted is not None and state.phase in (Phase.OVERLAP, Phase.RETIRING) else state.last_rotated
    due = job.due(last) if last is not None else None
    about = {"phase": state.word, "last_rotated": iso(last) if last is not None else ""}
    about |= {"next_due": iso(due.at), "warn": iso(due.warn_at)} if due else {}
    try:
        job.store.annotate(job.path, {f"reconciler_{key}": value for key, value in about.items() if value})
    except (Denied, Missing, Unavailable, Conflict, Invalid):
        return
