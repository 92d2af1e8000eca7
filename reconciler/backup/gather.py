"""What is backed up, read as a stream: the ledger, the audit log, the stores. Nothing is locked; what moves meanwhile is told apart."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from ..audit import head as log_heads
from ..audit.log import ARCHIVED, Log
from ..audit.people import FOLDER as PEOPLE
from ..audit.people import PEPPER
from ..audit.shelf import Shelf
from ..core.errors import ReconcilerError
from ..ledger import head as ledger_heads
from ..ledger.chunks import keys_of
from ..ledger.head import Head
from ..ledger.holder import KEY as LOCK
from ..ledger.ledger import RUNS_FOLDER, STATE_FOLDER
from ..secrets.rollout import FOLDER as ROTATIONS
from ..secrets.rollout import REPORTS
from ..secrets.store import SecretStore
from .records import AUDIT, LEDGER, Record

# Beside what follows the head: the lock, which is of processes that are gone then; the audit log, which is a part of its own;
# and pairs of versions that a migration has noted, which have other names once they are restored, and are known by their values.
_APART = frozenset({ledger_heads.KEY, LOCK})
_FOLDERS_APART = (STATE_FOLDER, RUNS_FOLDER, "audit/", "migrations/")
ATTEMPTS = 5  # at a ledger that others write


def ledger_records(shelf: Shelf) -> Iterator[Record]:
    """The ledger: what its head names, then the head.

    An apply may replace the head meanwhile. What an older head named is then in the backup beside what the newer one
    names, which does no harm: chunks never change, and a later apply collects those that nobody names.
    """
    yield from _entries(shelf, [key for key in shelf.keys("") if key not in _APART and not key.startswith(_FOLDERS_APART)])
    taken: set[str] = set()
    for _ in range(ATTEMPTS):
        kept = shelf.get(ledger_heads.KEY)
        if kept is None:
            return
        # Runs are never collected, so all that this head leads to are there.
        wanted = {*_state_keys(ledger_heads.read_head(kept.content)), *shelf.keys(RUNS_FOLDER)} - taken
        for record in _entries(shelf, sorted(wanted)):
            taken.add(record.id)
            yield record
        if wanted <= taken:
            yield Record("entry", LEDGER, ledger_heads.KEY, kept.content)
            return
    raise ReconcilerError("the ledger changed at every attempt to read it (another run is busy; try again)")


def _state_keys(head: Head) -> set[str]:
    return keys_of(reference for references in head.sections.values() for reference in references) | set(head.spare)


def _entries(shelf: Shelf, keys: Collection[str], part: str = LEDGER) -> Iterator[Record]:
    for key in keys:
        kept = shelf.get(key)
        if kept is not None:
            yield Record("entry", part, key, kept.content)


def audit_records(book: Log) -> Iterator[Record]:
    """The committed part of the audit log, its head last. Segments are added at the end only, so a head stays true."""
    kept = book.shelf.get(log_heads.KEY)
    if kept is None:
        return
    head = log_heads.read_head(kept.content)
    ids = {one.id for one in log_heads.every(book.shelf, head)}
    # Listed before the marks of what was archived: a segment that goes meanwhile has its mark then, or is noticed below.
    lines = [key for folder in ("segments/", "leaves/") for key in book.shelf.keys(folder) if _segment_of(key) in ids]
    keys = [key for folder in (PEOPLE, ARCHIVED, log_heads.PAGES) for key in book.shelf.keys(folder)]
    yield from _entries(book.shelf, [PEPPER, *keys], AUDIT)
    for key in lines:
        segment = book.shelf.get(key)
        if segment is None:
            raise ReconcilerError("lines of the audit log went to the archive while it was read (try again)")
        yield Record("entry", AUDIT, key, segment.content)
    yield Record("entry", AUDIT, log_heads.KEY, kept.content)


def _segment_of(key: str) -> str:
    return key.split("/")[1].partition(".")[0]


def store_records(store: SecretStore) -> Iterator[Record]:
    """All readable versions of all secrets, oldest first, each with its metadata; states of rotations before them."""
    # What consumers report of a rotation that is under way they report again.
    paths = [path for path in store.list() if not path.startswith(REPORTS)]
    for path in paths:
        if path.startswith(ROTATIONS):
            yield from _newest(store, path)
    for path in paths:
        if not path.startswith(ROTATIONS):
            yield from _versions(store, path)


def _newest(store: SecretStore, path: str) -> Iterator[Record]:
    """Of a state nobody ever reads an older version."""
    held = store.get(path)
    if held is not None:
        yield Record("version", store.name, path, held.value, held.version)


def _versions(store: SecretStore, path: str) -> Iterator[Record]:
    known = store.versions(path)
    newest = store.get(path, known[0].id) if known and known[0].readable else None
    if newest is None or not newest.value:
        return  # deleted since it was listed, or emptied, which is the same to its readers
    for version in reversed(known[1:]):
        held = store.get(path, version.id) if version.readable else None
        if held is not None and held.value:  # one without a name no store of ours takes, and those that follow would be lost with it
            yield Record("version", store.name, path, held.value, version.id, version.made)
    yield Record("version", store.name, path, newest.value, known[0].id, known[0].made)
    metadata = store.metadata(path)
    if metadata:
        yield Record("metadata", store.name, path, metadata)
