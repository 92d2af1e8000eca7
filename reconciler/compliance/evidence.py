"""What checks look at: gathered once, frozen, without secrets."""

from __future__ import annotations

import datetime
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that was gathered of one environment at one moment."""

    project: str
    environment: str
    commit: str
    at: datetime.datetime
