"""Health: what answers, what does not, and why. The command and the server say it in these words."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple


class State(StrEnum):
    """How something that we need is. A standby serves what we ask."""

    OK = "ok"
    STANDBY = "standby"
    SEALED = "sealed"
    UNINITIALISED = "uninitialised"
    REFUSED = "refused"  # it answers, but not to this login
    DOWN = "down"


class Health(NamedTuple):
    """One instance, or the ledger. `facts` are what it says of itself; `error` says what is wrong and what to do."""

    name: str
    state: State
    facts: Mapping[str, Any] = {}
    latency: float = 0.0  # seconds of its first answer
    error: str = ""

    @property
    def healthy(self) -> bool:
        return self.state in (State.OK, State.STANDBY)
