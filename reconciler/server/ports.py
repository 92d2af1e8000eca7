"""What the server is handed: the clone, the commands, the forge, its memory. It constructs none of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from ..core.forge import Forge
from .events import Events
from .notes import Notes


class Clone(Protocol):
    """The git repository that the server works on. Raises ReconcilerError in words."""

    def fetch_branch(self) -> str:
        """Fetch the followed branch; return its tip."""

    def fetch(self, ref: str) -> str:
        """Fetch another ref of the origin; return its commit."""

    def move(self, commit: str) -> None:
        """Make a commit HEAD."""

    def between(self, earlier: str, later: str) -> tuple[str, ...]:
        """The commits of the branch after one and before another, oldest first; none where the one is not close behind the other."""


class Planned(NamedTuple):
    """What `reconcile plan` said. `code` as on the command line; without a `plan` there is only the log."""

    code: int
    markdown: str
    plan: Mapping[str, Any] | None
    log: str

    @property
    def digest(self) -> str:
        return str(self.plan["digest"]) if self.plan else ""

    @property
    def changes(self) -> list[Mapping[str, Any]]:
        return list(self.plan["changes"]) if self.plan else []


class Done(NamedTuple):
    """What `reconcile apply`, `rollback`, `drift` or `validate` said. `answer`: their JSON, where they printed any."""

    code: int
    answer: Mapping[str, Any] | None
    log: str

    def stale(self, digest: str) -> bool:
        """Whether an apply was refused because its plan is another one than was expected."""
        return self.code == 4 and bool(self.answer) and bool(digest) and (self.answer or {}).get("digest") != digest


class Commands(Protocol):
    """Runs the verbs, each as a process of its own. Raises Stopped when the server ends first."""

    def plan(self, commit: str, trusted: str) -> Planned:
        """Plan a commit with the login that reads, and instances, logins and guards of the trusted commit."""

    def validate(self, commit: str) -> Done: ...

    def apply(self, commit: str, digest: str) -> Done:
        """Apply HEAD, which is this commit; with a digest only that plan."""

    def rollback(self, commit: str) -> Done: ...

    def goal(self) -> str:
        """The commit that a rollback would go back to; empty where there is none."""

    def drift(self) -> Done: ...

    def standings(self) -> Done:
        """How every secret stands."""

    def applied(self) -> tuple[str, ...]:
        """The commits in effect, oldest first, as the ledger has them."""

    def locked_down(self) -> str:
        """Why nothing may be applied at present; empty: it may."""


@dataclass(frozen=True, slots=True)
class Ports:
    """Everything that looks need."""

    environment: str
    branch: str
    clone: Clone
    commands: Commands
    forge: Callable[[], Forge | None]
    """The forge for this thread; None where none is declared: then the branch is applied as it is."""
    events: Events
    notes: Notes
    people: frozenset[str] = frozenset()
    """Who may use comments; empty: who may push, and for what writes who maintains the repository."""
    applied: Callable[[], None] = lambda: None
    """Called when something may have been applied."""
    clock: Callable[[], float] = time.time
