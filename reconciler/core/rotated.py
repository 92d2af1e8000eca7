"""What a run of rotations did, and what one would do: rows for reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass
class Rotated:
    """What became of one secret in one run."""

    path: str
    phase: str = "IDLE"
    began: str = "IDLE"
    waits: str = ""
    until: int | None = None
    """Epoch seconds; None where something else than time is waited for."""
    error: str = ""
    trouble: str = ""
    """Why a rotation was rolled back, aborted or given up."""
    moves: int = 0
    seconds: float = 0.0
    rotated: bool = False
    """A rotation came to its end."""
    promoted: bool = False
    """Readers get a new value."""
    leaked: bool = False
    """It was asked for because something leaked."""
    refused: bool | None = None
    """Whether the target was seen to refuse what leaked; None where nobody can be asked."""


class Outlook(NamedTuple):
    """What the next pass would do with one secret."""

    path: str
    phase: str
    next: str
    reason: str = ""
