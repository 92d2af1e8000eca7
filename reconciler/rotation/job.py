"""One declared secret with all that its rotation needs, and its document."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from ..audit.head import Unanswered
from ..audit.journal import Recorder
from ..secrets.store import SecretStore
from .due import Due
from .policy import PolicySpec, SecretSpec
from .seen import Checks
from .state import Kept, Phase, State, read_state, sibling
from .strategy import Call, Strategy


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
    copies: tuple[SecretStore, ...] = ()
    """The other stores that have the secret, where writes go to all."""
    foreign: Callable[[], str] = lambda: ""
    """Why it is not ours to rotate; empty where it is."""
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


class Memory:
    """What this process was told is done, by action and fence. Only to notice targets that say yes and do not mean it.

    Beside that, the intents that nobody knows the outcome of; `settled`: those of earlier processes are among them.
    """

    def __init__(self) -> None:
        self.done: set[tuple[str, int]] = set()
        self.unsure: list[Unanswered] = []
        self.settled = False


def load(job: Job) -> State:
    """The document of a secret; an empty one where there is none."""
    held = job.store.get(sibling(job.path))
    return read_state(held.value, held.version, job.path) if held else State()


def begun_otherwise(job: Job, state: State) -> str:
    """Why nothing can be done with a rotation that began before the secret's type was edited; empty where it was not.

    What a rotation of one type made good is ended with the means of that type, which the declaration no longer names.
    """
    if state.phase is Phase.IDLE or state.strategy == job.spec.type:
        return ""
    return f"a rotation of it began as type {state.strategy}; declare it so until that is over, then edit the type"


@runtime_checkable
class Promotes(Protocol):
    """A store that makes one version of what several rotators promote at once."""

    def promote(self, path: str, value: Mapping[str, str], expected: str, attempt: int) -> str: ...


def promote(job: Job, state: State, value: Kept, expected: str) -> str:
    """Write the secret itself, if it still has the expected version. Returns the version that it has now."""
    if isinstance(job.store, Promotes):
        return job.store.promote(job.path, value.value, expected, state.attempt)
    return job.store.put(job.path, value.value, expected)


def calling(job: Job, state: State) -> Call:
    return Call(job.fence_name, state.rid, state.fence, urgent=bool(state.exposed), known=state.known_ids)
