"""Archives whole segments, then drops their lines. Their hashes, their places in the index and all checkpoints stay.

What was dropped can so be told from what was deleted: the tree still fits, and the log holds a signed event that says
which entries are where. Nothing is dropped before its copy was read back and its hashes were found to be those of the
log, and before the event about it is signed. Whoever is interrupted anywhere does it again: every step is the same twice.

Events about what was archived are lines of the log, and go with their segments. So each new one says again what all
before it said: the log explains its own beginning however often its oldest part goes.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ..core.errors import ReconcilerError
from .event import Event
from .head import Listed
from .log import Log, leaves_of
from .merkle import root_of
from .pruned import Pruned, joined
from .reading import whole_lines
from .segment import SUFFIX
from .shelf import Shelf


class Archived(NamedTuple):
    """A segment whose copy was read back, and the digest of its file."""

    listed: Listed
    digest: str


def archivable(book: Log, before: str, is_held: Callable[[Listed], bool] = lambda _listed: False) -> Iterator[Listed]:
    """Segments that ended before a moment, whose lines are still somewhere here, and that no legal hold keeps."""
    done = book.archived()
    for listed in book.segments():
        if listed.ended < before and not is_held(listed) and (listed.id not in done or book.own_copy(listed.id) is not None):
            yield listed


def archive(book: Log, listed: Listed, place: Shelf) -> Archived:
    """Copy a segment, and read the copy back. Nothing is dropped. Raises ReconcilerError."""
    kept, key = book.leaves(listed.id), f"{listed.id}{SUFFIX}"
    content = _whole(book, listed.id, kept)
    if content is None:
        # An earlier run may have been interrupted while it dropped it: then the copy is all there is.
        copy = place.get(key)
        content = copy.content if copy is not None and _is(copy.content, kept) else None
    if content is None:
        raise ReconcilerError(f"{listed.id}: its lines are not what was recorded, so they are not archived (reconcile audit verify)")
    about = json.dumps({"id": listed.id, "begin": listed.begin, "note": listed.note}, indent=2).encode()
    for name, part in ((key, content), (f"{listed.id}.json", about)):
        place.add(name, part)
        back = place.get(name)
        if back is None or back.content != part:
            raise ReconcilerError(f"{listed.id}: the archive does not give back what was written to it; nothing was dropped")
    return Archived(listed, hashlib.sha256(content).hexdigest())


def prune(book: Log, archived: Sequence[Archived], where: str, said: Sequence[Pruned], record: Callable[[Event], None]) -> None:
    """Drop the lines of segments that were archived.

    `said`: all that the log says was archived before. `record` keeps an event on the disk, and signs it, before it returns.
    """
    fresh = [Pruned(one.listed.begin, one.listed.end - 1, where) for one in archived]
    segments = book.segments() if fresh else []
    for stretch in joined([*said, *fresh]) if fresh else ():
        leaves = [leaf for one in segments if stretch.holds(one.begin, one.end - 1) for leaf in book.leaves(one.id) or ()]
        record(stretch.event(book.origin, root_of(leaves).hex()))
    for one in archived:
        book.drop(one.listed.id, json.dumps({"where": where, "sha256": one.digest}).encode())


def _whole(book: Log, id: str, kept: Sequence[bytes] | None) -> bytes | None:
    """The lines of a segment, wherever they are as they were recorded."""
    for read in (book.content, book.own_copy):
        try:
            content = read(id)
        except ReconcilerError:
            continue  # a part of it is gone already, or damaged
        if content is not None and _is(content, kept):
            return content
    return None


def _is(content: bytes, kept: Sequence[bytes] | None) -> bool:
    lines, torn = whole_lines(content)
    return not torn and leaves_of(lines) == kept
