"""What a mutation is told to before and after it: an intent, then its outcome. If an intent cannot be kept, nothing is done."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from .head import Unanswered


class Recorder(Protocol):
    """Keeps intents and outcomes. Raises ReconcilerError where it cannot: then nothing is done."""

    def intent(self, action: str, resource: str, **fields: str) -> str:
        """Keep what is about to be done; return its id."""
        ...

    def outcome(self, id: str, outcome: str, **fields: str) -> None:
        """Keep what became of an intent: applied, failed, unknown."""
        ...

    def dangling(self, resource: str) -> tuple[Unanswered, ...]:
        """Intents about a resource that had no outcome when this process began, and whose process is gone."""
        ...


class RunRecorder(Recorder, Protocol):
    """The same for runs of many changes."""

    def intents(self, wanted: Iterable[tuple[str, str, str]]) -> list[str]:
        """Keep several intents (action, resource, version before) for the price of one; return their ids."""
        ...

    def outcome_soon(self, id: str, outcome: str, **fields: str) -> None:
        """Keep an outcome with what is kept next, or at the end: enough where looking would tell it, too."""
        ...

    def decision(self, action: str, resource: str, **fields: str) -> None:
        """Keep what a person or a guard decided."""
        ...

    def unanswered(self) -> Sequence[Unanswered]:
        """All intents that had no outcome when this process began, and whose process is gone."""
        ...

    def clean(self, text: str) -> str:
        """A name as it is recorded: without what the log must not hold."""
        ...
