"""What a ledger holds, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.address import Address
from ..core.guard import Limits
from ..core.owned import Claim, Owned
from ..core.run import ObjectRecord, RunRecord


@dataclass(frozen=True, slots=True)
class State:
    """Everything that is remembered of one environment."""

    owned: Mapping[Address, Owned] = field(default_factory=dict)
    claims: Mapping[Address, Claim] = field(default_factory=dict)
    undone: Mapping[Address, tuple[str, ...]] = field(default_factory=dict)
    """What rollbacks took back, by fingerprints of what was declared ("": that it was absent)."""
    declared: Mapping[Address, Any] = field(default_factory=dict)
    """Specs (JSON) of kinds that have no remote system: what was last applied is their live state."""
    runs: tuple[RunRecord, ...] = ()
    """The latest runs, newest first."""
    older: str = ""
    """Where the runs before those are."""
    applied: tuple[str, ...] = ()
    """Commits in effect, oldest first: an apply adds one, a rollback takes one off."""
    limits: Limits | None = None
    fence: int = 0
    """The fence of the run that wrote this."""


EMPTY = State()

__all__ = ["EMPTY", "Claim", "Limits", "ObjectRecord", "Owned", "RunRecord", "State"]
