"""What the JSON API answers, as models: the answers are made of them, and so is the OpenAPI document."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

_HIDDEN = "how many more there are that the token of who asks may not read"


class Answer(BaseModel):
    """One JSON object."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Failure(Answer):
    """What went wrong, in a few words that are the same for all who are refused."""

    error: str


class Word(Answer):
    """What became of a request."""

    status: Literal["accepted", "duplicate", "ignored", "ok"]


class Check(Answer):
    """One instance, store or the ledger. What it says of itself stands beside."""

    model_config = ConfigDict(frozen=True, extra="allow")
    name: str
    state: str
    latency_ms: float | None = None
    error: str | None = None


class HealthAnswer(Answer):
    """The same as `reconcile health -o json`."""

    healthy: bool
    checks: list[Check]


class State(Answer):
    """How one part of readiness stands, for whoever asks."""

    name: str
    state: str


class Ready(Answer):
    ready: bool
    checks: list[State]


class Tip(Answer):
    """The tip of the followed branch, and what became of it."""

    commit: str
    state: str
    title: str | None = None
    run: str | None = None
    at: float = Field(description="seconds since 1970")


class Drift(Answer):
    """The last look for drift. `addresses` are some of the objects that differ."""

    known: bool
    at: float
    count: int | None = None
    complete: bool | None = None
    commit: str | None = None
    why: str | None = None
    addresses: list[str] = []
    hidden: int = Field(0, description=_HIDDEN)


class Secrets(Answer):
    """How the declared secrets stand with their rotation."""

    at: float
    rows: list[dict[str, Any]] = Field(description="as `reconcile rotate status -o json` has them")
    hidden: int = Field(0, description=_HIDDEN)


class StatusAnswer(Answer):
    """All at a glance."""

    project: str
    environment: str
    branch: str
    ready: bool
    locked_down: str | None = Field(description="why nothing is taken or applied at present")
    events_open: int
    tip: Tip | None
    drift: Drift | None
    overdue: int | None = Field(description="secrets past their due time")
    problems: list[str] = Field(description="of what is declared for the server itself")


class EventAnswer(Answer):
    id: int
    source: str
    name: str
    subject: str
    note: str
    received: float
    attempts: int
    finished: float | None
    outcome: str = Field(description="empty for tokens that may not read the ledger's state: it may name anything")


class EventsAnswer(Answer):
    """Newest first. The next page begins `before` the last id."""

    events: list[EventAnswer]


class Run(Answer):
    """One apply or rollback, as `reconcile history -o json` has it."""

    model_config = ConfigDict(frozen=True, extra="allow")
    id: str
    sort: str
    commit: str
    outcome: str
    started: str


class RunsAnswer(Answer):
    runs: list[Run]


class RunObject(Answer):
    """What a run did to one object. Specs never hold a secret."""

    address: str
    action: str
    outcome: str
    error: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None


class RunAnswer(Answer):
    run: Run
    objects: list[RunObject]
    hidden: int = Field(0, description=_HIDDEN)
