"""One pass over one secret: read everything, decide, make ONE mutation, return. Killed anywhere, the next pass goes on."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from ..audit.journal import Recorder
from ..core.errors import Conflict, Denied, Invalid, Missing, ReconcilerError, Unavailable
from ..secrets.store import Held, SecretStore
from .canary import complaints
from .due import Due
from .machine import decide, failed, wants
from .policy import PolicySpec, SecretSpec
from .seen import Action, Apply, Asked, Checks, Discard, Probe, Promote, Record, Revoke, Seen, Wait, Want
from .state import Kept, Phase, State, Step, Terms, iso, kept, read_state, sibling, write_state
from .strategy import Call, Definite, Fenced, Strategy

SAVED_BY_LOOKING = (Unavailable, Conflict, Fenced)
"""After these nobody knows whether it was done, or somebody else did it: the next pass looks."""


@dataclass(frozen=True)
class Job:
    """One declared secret, with all that its rotation needs."""

    path: str
    spec: SecretSpec
    policy: PolicySpec
    store: SecretStore
    strategy: Strategy
    validate: Callable[[Kept], Checks] | None
    recorder: Recorder
    fingerprint: Callable[[Mapping[str, str]], str]
    due: Callable[[int], Due | None]
    """When it is due, from when it was last rotated; None: by hand only."""
    clock: Callable[[], float]
    auto: bool = True
    """Whether it begins by its schedule. What is under way goes on in any case."""
    policy_hash: str = ""
    commit: str = ""
    fence_name: str = ""
    """The name of its row among the fences of a target that several projects may share."""
    new_rid: Callable[[], str] = field(default=lambda: uuid.uuid4().hex[:12])

    @property
    def first_value(self) -> bool:
        """Whether a value may be made where there is none."""
        return self.spec.generate is not None or self.spec.target is not None


class Stepped(NamedTuple):
    """What one pass came to."""

    state: State
    action: Action
    error: str = ""
    """Why the action was not done, or is not known to be."""

    @property
    def moved(self) -> bool:
        return not isinstance(self.action, Wait) and not self.error


class Memory:
    """What this process was told is done, by action and fence. Only to notice targets that say yes and do not mean it."""

    def __init__(self) -> None:
        self.done: set[tuple[str, int]] = set()
        self.settled = False


def one_pass(job: Job, memory: Memory, asked: Asked | None = None) -> Stepped:
    """Do the one thing that is to be done now. Raises ReconcilerError where it cannot even be told."""
    state = load(job)
    _resolve(job, memory)
    seen = observe(job, state, memory, asked)
    action = decide(state, seen, int(job.clock()))
    if isinstance(action, Wait):
        return Stepped(state, action)
    return _audited(job, state, action, memory)


def load(job: Job) -> State:
    """The document of a secret; an empty one where there is none."""
    held = job.store.get(sibling(job.path))
    return read_state(held.value, held.version, job.path) if held else State()


def observe(job: Job, state: State, memory: Memory, asked: Asked | None) -> Seen:
    """Look at all that this phase needs."""
    wanted, call = wants(state), calling(job, state)
    main = _kept(job, job.store.get(job.path))
    seen = Seen(
        main=main,
        pending=_probed(job, call, state.pending if Want.PENDING in wanted else None),
        previous=_probed(job, call, state.previous if Want.PREVIOUS in wanted else None),
        live=_probed(job, call, main if Want.MAIN in wanted else None),
        fence=job.strategy.fence(job.fence_name) if Want.FENCE in wanted and job.strategy.tested else None,
        done_here=any((name, state.fence) in memory.done for name in ("Apply", "Revoke")),
        asked=asked,
    )
    if Want.CHECKS in wanted and state.pending is not None and seen.pending is not Probe.REFUSED:
        seen = seen._replace(checks=_checked(job, call, state.pending))
    if Want.REPORTS in wanted:
        seen = seen._replace(complaints=complaints(job.store, job.path, state.rid))
    if Want.ISSUED in wanted and state.pending is not None and seen.pending is Probe.ACCEPTED:
        seen = seen._replace(completed=job.strategy.completed(state.pending, state.known_ids))
    if Want.DOOMED in wanted and state.doomed:
        seen = seen._replace(doomed=job.strategy.alive(state.doomed))
    return _with_schedule(job, state, seen) if state.phase is Phase.IDLE else seen


def _with_schedule(job: Job, state: State, seen: Seen) -> Seen:
    now, main = int(job.clock()), seen.main
    due = job.due(state.last_rotated) if state.last_rotated is not None else None
    first = main is None and state.last_rotated is None and job.first_value
    overdue = job.auto and (first or (due is not None and due.overdue(now)))
    seen = seen._replace(due=overdue, next_due=due.at if due else None)
    if not (overdue or seen.asked or state.again):
        return seen
    if main is None and not job.first_value:
        return seen._replace(lacking=f"has no value yet (`reconcile secret put {job.path}`, or declare `generate`)")
    return seen._replace(fresh=begin(job, main))


def begin(job: Job, main: Kept | None) -> State:
    """A rotation as the declared state wants it now, with a new value."""
    value = job.strategy.make(main.value if main else None)
    return State(
        rid=job.new_rid(),
        terms=terms(job, main),
        strategy=job.spec.type,
        target=job.strategy.target,
        commit=job.commit,
        policy_hash=job.policy_hash,
        pending=kept(value, "", job.strategy.identity(value), job.fingerprint(value)),
        known_ids=job.strategy.known_ids(),
    )


def terms(job: Job, main: Kept | None) -> Terms:
    """What holds for this rotation to its end, whatever is edited meanwhile."""
    rollout = job.policy.staged_rollout
    stages = rollout.stages if rollout.enabled else ()
    return Terms(
        steps=tuple(Step(one.name, round(one.duration_minutes * 60), one.traffic_percentage) for one in stages),
        overlap=job.policy.overlap if job.spec.both else 0,
        checked=job.validate is not None or (job.policy.validation_required and job.strategy.tested),
        both=job.spec.both,
        tested=job.strategy.tested,
        ends=main is not None and job.strategy.ends(main.value),
        undoes=job.strategy.undoes,
        budget=job.policy.retries,
    )


def calling(job: Job, state: State) -> Call:
    return Call(job.fence_name, state.rid, state.fence, urgent=bool(state.leaked), known=state.known_ids)


def _kept(job: Job, held: Held | None) -> Kept | None:
    if held is None:
        return None
    return kept(held.value, held.version, job.strategy.identity(held.value), job.fingerprint(held.value))


def _probed(job: Job, call: Call, value: Kept | None) -> Probe:
    if value is None or not job.strategy.tested:
        return Probe.UNSURE
    return job.strategy.probe(call, value)


def _checked(job: Job, call: Call, value: Kept) -> Checks:
    if job.validate is not None:
        return job.validate(value)
    if not job.strategy.tested:
        return Checks(passed=1)  # the validation was taken out of the document since: there is nothing left to try it with
    accepted = _probed(job, call, value)
    return Checks(passed=accepted is Probe.ACCEPTED, failed=accepted is Probe.REFUSED)


def _audited(job: Job, state: State, action: Action, memory: Memory) -> Stepped:
    """Keep the intent, act, keep the outcome."""
    name = type(action).__name__.lower()
    about = action.state if isinstance(action, Record) else state
    pending = about.pending.fp if about.pending else ""
    intent = job.recorder.intent(
        f"rotation.{name}", job.path, store=job.store.name, rid=about.rid, phase=about.phase.value, fence=str(state.fence), fp=pending
    )
    try:
        after = _act(job, state, action)
    except SAVED_BY_LOOKING as error:
        job.recorder.outcome(intent, "unknown")
        return Stepped(state, action, str(error))
    except Definite as error:
        job.recorder.outcome(intent, "failed")
        return _gave_up(job, state, action, str(error))
    except ReconcilerError:
        job.recorder.outcome(intent, "failed")
        raise
    job.recorder.outcome(intent, "applied", phase=after.phase.value)
    memory.done.add((type(action).__name__, state.fence))
    return Stepped(after, action)


def _gave_up(job: Job, state: State, action: Action, reason: str) -> Stepped:
    """What a target refused for certain changed nothing there: recording that is this pass' one mutation."""
    record = failed(state, reason)
    if record is None:
        return Stepped(state, action, reason)
    try:
        return Stepped(_record(job, state, record.state), record)
    except SAVED_BY_LOOKING as error:
        return Stepped(state, record, str(error))


def _act(job: Job, state: State, action: Action) -> State:
    call = calling(job, state)
    match action:
        case Record(after):
            return _record(job, state, after)
        case Promote(value, expected):
            job.store.put(job.path, value.value, expected)
        case Apply(value):
            job.strategy.apply(call, value, state.previous)
        case Revoke(value):
            job.strategy.revoke(call, value)
        case Discard(id):
            job.strategy.discard(call, id)
        case Wait():
            raise AssertionError("waiting is no act")
    return state


def _record(job: Job, state: State, after: State) -> State:
    written = replace(after, serial=state.serial + 1)
    version = job.store.put(sibling(job.path), write_state(written), state.document_version)
    return replace(written, document_version=version)


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


def _resolve(job: Job, memory: Memory) -> None:
    """Say of intents whose outcome nobody kept that it is not known: from here on what counts is what is there."""
    if not memory.settled:
        for id in job.recorder.dangling(job.path):
            job.recorder.outcome(id, "unknown")
        memory.settled = True
