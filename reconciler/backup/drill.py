"""A restore that is only tried: into throw-away places on this machine, where everything is read back and compared."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from ..audit.log import Log
from ..audit.people import People
from ..audit.verify import verify
from ..core.errors import ReconcilerError
from ..ledger.file import FileShelf
from ..ledger.ledger import Ledger
from ..secrets.file_slots import PassphraseSlot
from ..secrets.file_store import FileStore
from .records import AUDIT, LEDGER, Record
from .restoring import put_entries


class Drilled(NamedTuple):
    """What was restored and found to be as it was."""

    versions: int
    objects: int
    """That the ledger knows."""
    entries: int
    """Of the audit log."""


def drill(records: Iterable[Record], folder: Path, book: Log) -> Drilled:
    """Restore into a folder, and compare. Raises ReconcilerError: what is not as it was, or cannot be put there.

    `book` says whose signatures count. The stores are encrypted with a passphrase that nobody is told.
    """
    shelves = {name: FileShelf(folder / name) for name in (LEDGER, AUDIT)}
    stores: dict[str, FileStore] = {}
    versions = 0
    for record in records:
        if record.what == "entry":
            put_entries([record], shelves[record.part])
            kept = shelves[record.part].get(record.id)
            _compare(record, kept is not None and kept.content == record.raw)
        elif record.what == "version":
            store = stores.get(record.part) or stores.setdefault(record.part, _throw_away(record.part, folder))
            held = store.get(record.id, store.put(record.id, record.value))
            _compare(record, held is not None and dict(held.value) == record.value)
            versions += 1
    return Drilled(versions, _objects(shelves[LEDGER]), _entries(folder / AUDIT, book))


def _throw_away(name: str, folder: Path) -> FileStore:
    passphrase = secrets.token_hex(32)
    return FileStore(name, folder / "stores" / name, [PassphraseSlot("drill", lambda: passphrase)])


def _compare(record: Record, same: bool) -> None:
    if not same:
        raise ReconcilerError(f"{record.part}: {record.id}: what was restored is not what was backed up")


def _objects(shelf: FileShelf) -> int:
    """Load the ledger as a whole, with all runs."""
    ledger = Ledger(shelf)
    for run in ledger.runs():
        ledger.run_changes(run)
    return len(ledger.load()[0].owned)


def _entries(folder: Path, book: Log) -> int:
    """Verify the audit log."""
    shelf = FileShelf(folder)
    restored = replace(book, folder=folder, shelf=shelf, people=People(shelf))
    if not restored.head()[0].segments:
        return 0
    verdict = verify(restored)
    if not verdict.ok:
        raise ReconcilerError(f"the restored audit log does not verify: {verdict.findings[0].what}")
    return verdict.size
