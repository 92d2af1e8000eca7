"""The head: the one entry of a ledger that changes. It names the chunks, and holds what is small."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..core.errors import ReconcilerError
from ..core.values import canonical_json
from .records import Limits, RunRecord

KEY = "head"
FORMAT = 1


@dataclass(frozen=True, slots=True)
class Head:
    """What is written under `head`."""

    serial: int = 0
    """Counts writes: no two heads have the same content, so that an old version never returns (see Shelf)."""
    fence: int = 0
    sections: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """References of each section's buckets, in order; empty for an empty bucket."""
    spare: tuple[str, ...] = ()
    """Chunks that only the head before named: kept for whoever is just reading that one."""
    runs: tuple[RunRecord, ...] = ()
    older: str = ""
    applied: tuple[str, ...] = ()
    limits: Limits | None = None


def write_head(head: Head) -> bytes:
    """The head as it is stored: JSON, readable by people."""
    content = {
        "format": FORMAT,
        "serial": head.serial,
        "fence": head.fence,
        "sections": head.sections,
        "spare": head.spare,
        "runs": [write_run(run) for run in head.runs],
        "older": head.older,
        "applied": head.applied,
        "limits": head.limits,
    }
    return canonical_json(content).encode()


def read_head(content: bytes) -> Head:
    """Read a head. Raises ReconcilerError for one that a newer version wrote, or that is damaged."""
    try:
        written = json.loads(content)
        found = int(written["format"])
        if found == FORMAT:
            return _head(written)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ReconcilerError(f"the ledger's head cannot be read ({type(error).__name__}; restore it from a backup)") from None
    raise ReconcilerError(f"the ledger has format {found}, and this version reads format {FORMAT} (upgrade the reconciler)")


def _head(written: Mapping[str, Any]) -> Head:
    return Head(
        serial=int(written["serial"]),
        fence=int(written["fence"]),
        sections={name: tuple(references) for name, references in written["sections"].items()},
        spare=tuple(written["spare"]),
        runs=tuple(RunRecord(**run) for run in written["runs"]),
        older=written["older"],
        applied=tuple(written["applied"]),
        limits=Limits(*written["limits"]) if written["limits"] else None,
    )


def write_run(run: RunRecord) -> dict[str, Any]:
    """A run without its empty fields."""
    return {name: value for name, value in run._asdict().items() if value}
