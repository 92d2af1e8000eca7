"""Archives whole segments, then drops their lines. Their hashes, their places in the index and all checkpoints stay.

What was dropped can so be told from what was deleted: the tree still fits, and the log holds an event about it. A
segment is dropped only after its copy was read back and its hashes were found to be those of the checkpoint.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import NamedTuple

from ..core.errors import ReconcilerError
from .event import Event
from .head import Listed
from .log import ARCHIVED, Log, leaves_of
from .reading import whole_lines
from .segment import SUFFIX
from .shelf import Shelf

PRUNE = "audit.prune"


class Archived(NamedTuple):
    """What was archived: a segment, and the digest of its file."""

    listed: Listed
    digest: str


def archivable(book: Log, before: str, is_held: Callable[[Listed], bool] = lambda _listed: False) -> Iterator[Listed]:
    """Segments that ended before a moment, whose lines are still here, and that no legal hold keeps."""
    for listed in book.segments():
        if listed.ended < before and not is_held(listed) and not book.is_archived(listed.id):
            yield listed


def archive(book: Log, listed: Listed, place: Shelf) -> Archived:
    """Copy a segment, and read the copy back. Nothing is dropped. Raises ReconcilerError."""
    content, kept = book.content(listed.id), book.leaves(listed.id)
    if content is None or kept is None or leaves_of(whole_lines(content)[0]) != kept:
        raise ReconcilerError(f"{listed.id}: its lines are not what was recorded, so they are not archived (reconcile audit verify)")
    about = json.dumps({"id": listed.id, "begin": listed.begin, "note": listed.note}, indent=2).encode()
    for key, part in ((f"{listed.id}{SUFFIX}", content), (f"{listed.id}.json", about)):
        place.add(key, part)
        back = place.get(key)
        if back is None or back.content != part:
            raise ReconcilerError(f"{listed.id}: the archive does not give back what was written to it; nothing was dropped")
    return Archived(listed, hashlib.sha256(content).hexdigest())


def drop(book: Log, archived: Archived, where: str, record: Callable[[Event], None]) -> None:
    """Drop the lines of a segment that was archived. `record` keeps the event on the disk before anything is dropped."""
    id, digest = archived.listed.id, archived.digest
    entries = f"entries {archived.listed.begin}-{archived.listed.end - 1}"
    record(Event("decision", action=PRUNE, resource=id, store=where, fp=digest, phase=entries))
    book.shelf.add(f"{ARCHIVED}{id}", json.dumps({"where": where, "sha256": digest}).encode())
    book.drop(id)
