"""What the audit log is told of a pass: where it makes versions, and what became of it where the answer was lost.

Every version in a store is held against the outcome that names it. So a write whose answer never came is not called
unknown before the store was looked at, by the next pass or, after a kill, by the next process.
"""

from __future__ import annotations

from ..audit.head import Unanswered
from ..core.errors import Denied
from ..secrets.store import SecretStore
from .job import Job, Memory
from .seen import Action, Copy, Promote, Record
from .state import State, kept, sibling

LOOKED = "looked"
_WRITES = frozenset({"rotation.record", "rotation.promote", "rotation.copy"})


def place_of(job: Job, state: State, action: Action) -> tuple[str, str, str]:
    """Where an action makes a version: path, store, and the version that is replaced there.

    The document's versions count too, since it says what is promoted.
    """
    match action:
        case Record():
            return sibling(job.path), job.store.name, state.document_version
        case Promote(_, expected):
            return job.path, job.store.name, expected
        case Copy(place, _):
            return job.path, place.store, place.version
        case _:
            return job.path, job.store.name, ""


def answer_what_was_left(job: Job, state: State, memory: Memory) -> None:
    """Answer intents whose outcome nobody kept: from here on what counts is what is there."""
    if not memory.settled:
        for path in (job.path, sibling(job.path)):
            memory.unsure += [one._replace(resource=path) for one in job.recorder.dangling(path)]
        memory.settled = True
    while memory.unsure:
        version = _made(job, state, memory.unsure[0])
        if version:
            job.recorder.outcome(memory.unsure[0].id, "applied", ver_to=version, code=LOOKED)
        else:
            job.recorder.outcome(memory.unsure[0].id, "unknown")
        del memory.unsure[0]


def _made(job: Job, state: State, one: Unanswered) -> str:
    """The version that a write made; empty where there is none that it can have made."""
    store = next((place for place in (job.store, *job.copies) if place.name == one.store), None)
    if store is None or one.rid != state.rid or one.action not in _WRITES:
        return ""
    try:
        version = _next(store, one.resource, one.ver_from)
        held = store.get(one.resource, version) if version and one.action != "rotation.record" else None
    except Denied:
        return ""  # a login that may not list versions
    if one.action == "rotation.record":
        return version
    ours = held is not None and any(kept(held.value).same(value) for value in (state.pending, state.previous))
    return version if ours else ""


def _next(store: SecretStore, path: str, version: str) -> str:
    """The version that replaced one; empty where none did, or where that cannot be told any more."""
    newest_first = [one.id for one in store.versions(path)]
    later = newest_first[: newest_first.index(version)] if version in newest_first else () if version else newest_first
    return later[-1] if later else ""
