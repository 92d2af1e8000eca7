"""The lock's entry: who holds it, and how it is written."""

from __future__ import annotations

import json
from typing import NamedTuple

from ..core.errors import ReconcilerError
from ..core.values import canonical_json
from .machine import Process

KEY = "lock"
FORMAT = 1


class Holder(NamedTuple):
    """Who holds the lock. Times are UTC by the holder's calendar."""

    owner: str
    run: str
    since: str
    until: str  # unless it is renewed
    lease: float  # seconds
    ticks: float  # the end of the lease on the holder's own clock
    process: Process


class LockEntry(NamedTuple):
    """What is kept under `lock`. `beat` counts writes within a fence: no content is written twice."""

    fence: int = 0
    beat: int = 0
    holder: Holder | None = None


def write_entry(entry: LockEntry) -> bytes:
    holder = entry.holder
    shown = {**holder._asdict(), "process": holder.process._asdict()} if holder else None
    return canonical_json({"format": FORMAT, "fence": entry.fence, "beat": entry.beat, "holder": shown}).encode()


def read_entry(content: bytes) -> LockEntry:
    """Read the lock's entry. Raises ReconcilerError for one that a newer version wrote, or that is damaged."""
    try:
        written = json.loads(content)
        if written["format"] == FORMAT:
            shown = written["holder"]
            holder = Holder(**{**shown, "process": Process(**shown["process"])}) if shown else None
            return LockEntry(int(written["fence"]), int(written["beat"]), holder)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ReconcilerError(f"the lock's entry cannot be read ({type(error).__name__}; delete the entry `{KEY}` by hand)") from None
    raise ReconcilerError(f"the lock has format {written['format']}, and this version reads {FORMAT} (upgrade the reconciler)")
