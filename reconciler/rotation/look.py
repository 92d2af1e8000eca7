"""What a pass reads: the secret, the target, the validation, consumers' reports, the schedule. Nothing here changes anything."""

from __future__ import annotations

from collections.abc import Iterator

from ..core.errors import Refused
from ..secrets.store import Held
from .canary import complaints
from .job import Job, Memory, begun_otherwise, calling
from .machine import decide, wants
from .seen import Action, Asked, Checks, Place, Probe, Seen, Wait, Want
from .state import Kept, Phase, State, Step, Terms, kept
from .strategy import Call


def next_action(job: Job, state: State, memory: Memory, asked: Asked | None) -> Action:
    """Look, and decide. Raises ReconcilerError where it cannot be told."""
    otherwise = begun_otherwise(job, state)
    if otherwise:
        return Wait(otherwise)
    return decide(state, observe(job, state, memory, asked), int(job.clock()))


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
        lingering=Want.SESSIONS in wanted and _lingering(job, state),
        done_here=any((name, state.fence) in memory.done for name in ("Apply", "Revoke", "Evict")),
        asked=asked,
    )
    if Want.CHECKS in wanted and state.pending is not None and seen.pending is not Probe.REFUSED:
        seen = seen._replace(checks=_checked(job, call, state.pending))
    if Want.REPORTS in wanted:
        seen = seen._replace(complaints=complaints(job.store, job.path, state.rid))
    if Want.ISSUED in wanted and state.pending is not None and seen.pending is Probe.ACCEPTED:
        seen = seen._replace(completed=job.strategy.completed(state.pending, state.known_ids))
    if Want.COPIES in wanted and main is not None:
        seen = seen._replace(behind=tuple(_behind(job, main)))
    if Want.DOOMED in wanted and state.doomed:
        seen = seen._replace(doomed=job.strategy.alive(state.doomed))
    return _with_schedule(job, state, seen) if state.phase is Phase.IDLE else seen


def _behind(job: Job, main: Kept) -> Iterator[Place]:
    for store in job.copies:
        held = store.get(job.path)
        if held is None or dict(held.value) != main.value:
            yield Place(store.name, held.version if held else "")


def _with_schedule(job: Job, state: State, seen: Seen) -> Seen:
    now, main = int(job.clock()), seen.main
    due = job.due(state.last_rotated) if state.last_rotated is not None else None
    first = main is None and state.last_rotated is None and job.first_value
    overdue = job.auto and (first or (due is not None and due.overdue(now)))
    seen = seen._replace(due=overdue, next_due=due.at if due else None)
    if not (overdue or seen.asked or state.again or state.exposed):
        return seen
    foreign = job.foreign()
    if foreign:
        raise Refused(f"{job.path}: {foreign}")
    lacking = _lacking(job, state, seen) if main is None else ""
    return seen._replace(lacking=lacking) if lacking else seen._replace(fresh=begin(job, state, main))


def _lacking(job: Job, state: State, seen: Seen) -> str:
    """Why no first value is made; empty where one is."""
    put = f"`reconcile secret put {job.path}`"
    if not job.first_value:
        return f"has no value yet ({put}, or declare `generate`)"
    occupied = job.strategy.occupied() if seen.asked is None and not state.attempt else ""
    return f"{occupied} ({put}, or `reconcile rotate --secret-path {job.path}` to replace it)" if occupied else ""


def begin(job: Job, state: State, main: Kept | None) -> State:
    """A rotation as the declared state wants it now, with a new value."""
    value = job.strategy.make(main.value if main else None)
    ours = state.attempt > 0  # before that nobody knows who uses a login that the store does not name
    return State(
        rid=job.new_rid(),
        terms=terms(job, main),
        strategy=job.spec.type,
        target=job.strategy.target,
        commit=job.commit,
        policy_hash=job.policy_hash,
        pending=kept(value, "", job.strategy.identity(value), job.fingerprint(value)),
        known_ids=job.strategy.known_ids(),
        strays=job.strategy.strays(main.value if main else None, value) if ours else (),
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
        cache=job.policy.consumer_cache,
        budget=job.policy.retries,
    )


def _lingering(job: Job, state: State) -> bool:
    ending = state.pending if state.phase is Phase.ABORTING else state.previous
    return ending is not None and job.strategy.tested and job.strategy.lingering(job.fence_name, ending)


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
