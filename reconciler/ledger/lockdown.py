"""The lockdown of an environment: one entry on the shelf. While it is there nothing is applied, whoever asks."""

from __future__ import annotations

import json
from typing import NamedTuple

from ..core.errors import ReconcilerError, Refused
from ..core.values import canonical_json
from .shelf import Shelf

KEY = "lockdown"
FORMAT = 1


class Lockdown(NamedTuple):
    """Since when, by whom and why. `serial` counts changes: no content is written twice."""

    on: bool = False
    since: str = ""
    by: str = ""
    reason: str = ""
    serial: int = 0

    def __str__(self) -> str:
        """In words; empty where nothing is locked down."""
        return f"locked down since {self.since} by {self.by}: {self.reason}" if self.on else ""


def read_lockdown(shelf: Shelf) -> Lockdown:
    """How it stands. Raises ReconcilerError for an entry that cannot be read: nobody can tell then that it is off."""
    entry = shelf.get(KEY)
    return _read(entry.content) if entry else Lockdown()


def set_lockdown(shelf: Shelf, *, on: bool, since: str, by: str, reason: str) -> Lockdown:
    """Switch it. Raises Conflict where somebody else does so at the same time."""
    entry = shelf.get(KEY)
    before = _read(entry.content) if entry else Lockdown()
    after = Lockdown(on, since, by, reason, before.serial + 1)
    shelf.put(KEY, canonical_json({"format": FORMAT, **after._asdict()}).encode(), entry.version if entry else "")
    return after


def refuse_locked_down(shelf: Shelf) -> None:
    """Raise Refused while it is on."""
    if said := str(read_lockdown(shelf)):
        raise Refused(f"{said} (reconcile lockdown off)")


def _read(content: bytes) -> Lockdown:
    try:
        written = json.loads(content)
        if written.pop("format") == FORMAT:
            return Lockdown(**written)
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    raise ReconcilerError(f"the entry `{KEY}` of the ledger cannot be read, so nobody can tell whether it is off (delete it by hand)")
