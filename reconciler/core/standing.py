"""How one secret stands with its rotation: what status, plans, metrics and pages are made of."""

from __future__ import annotations

import datetime
from typing import Any, NamedTuple


class Standing(NamedTuple):
    """One secret. Moments are epoch seconds; None where there is none."""

    path: str
    store: str
    type: str
    phase: str
    stage: str = ""
    last_rotated: int | None = None
    next_due: int | None = None
    warn_at: int | None = None
    warn: bool = False
    overdue: bool = False
    covered: int = 0
    consumers: int = 0
    failures: int = 0
    reason: str = ""
    until: int | None = None
    """When what it waits for is over."""
    scheduled: bool = False
    """It has a policy, and is not rotated by hand only."""
    alarmed: int | None = None
    """Since when something that leaked is still good, or not known to be refused."""
    stuck: bool = False
    """Its retries are spent, whatever its phase."""

    @property
    def in_trouble(self) -> bool:
        """Whether a person has to look."""
        return self.phase in ("ORPHANED", "CONFLICT", "ABORTING", "ROLLING_BACK", "UNKNOWN") or self.alarmed is not None or self.stuck


FIELDS = (
    "path", "store", "type", "phase", "stage", "last_rotated", "next_due", "warn", "overdue", "covered", "consumers", "failures",
)  # fmt: skip


def as_text(moment: int | None) -> str | None:
    """A moment as JSON has it."""
    return None if moment is None else datetime.datetime.fromtimestamp(moment, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def standing_json(one: Standing) -> dict[str, Any]:
    """One entry of `rotate status -o json`."""
    found = {name: getattr(one, name) for name in FIELDS}
    return {**found, "stage": one.stage or None, "last_rotated": as_text(one.last_rotated), "next_due": as_text(one.next_due)}
