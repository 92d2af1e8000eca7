"""What a run of rotations did, and what one would do: rows for reports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from .standing import Standing


@dataclass
class Rotated:
    """What became of one secret in one run."""

    path: str
    phase: str = "IDLE"
    waits: str = ""
    until: int | None = None
    """Epoch seconds; None where something else than time is waited for."""
    queued: bool = False
    """It is due, and waits for its turn."""
    error: str = ""
    trouble: str = ""
    """Why a rotation was rolled back, aborted or given up."""
    moves: int = 0
    seconds: float = 0.0
    """How long this run worked on it."""
    rotated: bool = False
    """A rotation came to its end."""
    promoted: bool = False
    """Readers get a new value."""
    alarm: bool = False
    """Something leaked, by what was asked for or by what is on record."""
    exposed: bool = False
    """What leaked is still good, or not known to be refused."""
    refused: bool | None = None
    """Whether the target was seen to refuse what leaked; None where nobody can be asked."""
    took: float = 0.0
    """Seconds from the alarm to that."""

    @property
    def failed(self) -> bool:
        """Whether a person has to look."""
        return bool(self.trouble) or self.exposed


class Outlook(NamedTuple):
    """What the next pass would do with one secret."""

    path: str
    phase: str
    next: str
    reason: str = ""


class Ended(NamedTuple):
    """How rotations of one secret ended."""

    succeeded: int = 0
    failed: int = 0


class RotationReport(NamedTuple):
    """How the secrets of an environment stand, and how their rotations ended since a moment (as the audit log writes it, or "")."""

    environment: str
    at: int
    since: str
    standings: tuple[Standing, ...]
    ended: Mapping[str, Ended]
