"""The head of the log: its tree in short, its newest segments, and intents that nobody has answered yet.

One small entry, replaced by check-and-set: whoever replaces it adds a segment, so the order of segments is the order of
the log. Older segments are listed in immutable pages. Nothing in it is believed because it stands there: the signed
checkpoints bind sizes and roots, and verification reads the lines.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from ..core.errors import ReconcilerError
from ..core.values import canonical_json
from .merkle import Frontier
from .shelf import Shelf

KEY = "head"
PAGES = "index/"
FORMAT = 1
RECENT = 100  # segments in the head: between this and twice as many


class Listed(NamedTuple):
    """A segment in the log. `note` is the checkpoint over everything up to its end."""

    id: str
    begin: int
    lines: int
    begun: str
    ended: str
    note: str

    @property
    def end(self) -> int:
        return self.begin + self.lines

    @property
    def writer(self) -> str:
        return self.id.rpartition("-")[2]


class Unanswered(NamedTuple):
    """An intent without an outcome: whoever had it was killed, or is slow."""

    id: str
    action: str
    resource: str
    commit: str
    rid: str
    ver_from: str = ""
    store: str = ""


@dataclass(frozen=True, slots=True)
class Head:
    """What is kept under `head`. An empty one: nothing was ever recorded."""

    serial: int = 0
    size: int = 0
    peaks: tuple[bytes, ...] = ()
    segments: tuple[Listed, ...] = ()
    """The newest, oldest first."""
    older: str = ""
    """The page of those before."""
    unanswered: Mapping[str, Unanswered] = field(default_factory=dict)

    @property
    def note(self) -> str:
        """The newest checkpoint."""
        return self.segments[-1].note if self.segments else ""

    def tree(self) -> Frontier:
        """Raises ReconcilerError where the head contradicts itself."""
        try:
            return Frontier(self.size, self.peaks)
        except ValueError:
            raise _damaged() from None


def write_head(head: Head) -> bytes:
    written = {
        "format": FORMAT,
        "serial": head.serial,
        "size": head.size,
        "peaks": [one.hex() for one in head.peaks],
        "segments": [list(one) for one in head.segments],
        "older": head.older,
        "unanswered": [list(one) for one in head.unanswered.values()],
    }
    return canonical_json(written).encode()


def read_head(content: bytes) -> Head:
    """Raises ReconcilerError for a head that is damaged, or of a newer version."""
    try:
        written = json.loads(content)
        if written["format"] != FORMAT:
            raise ReconcilerError(f"the audit log has format {written['format']}, and this version reads {FORMAT} (upgrade the reconciler)")
        return Head(
            int(written["serial"]),
            int(written["size"]),
            tuple(map(bytes.fromhex, written["peaks"])),
            tuple(map(_listed, written["segments"])),
            str(written["older"]),
            {one[0]: Unanswered(*map(str, one)) for one in written["unanswered"]},
        )
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
        raise _damaged() from None


def _listed(row: Any) -> Listed:
    id, begin, lines, begun, ended, note = row
    return Listed(str(id), int(begin), int(lines), str(begun), str(ended), str(note))


def _damaged() -> ReconcilerError:
    return ReconcilerError("the head of the audit log cannot be read: it was damaged or altered (restore it from a backup)")


def load(shelf: Shelf) -> tuple[Head, str]:
    """The head, and the version by which it may be replaced."""
    kept = shelf.get(KEY)
    return (read_head(kept.content), kept.version) if kept else (Head(), "")


def every(shelf: Shelf, head: Head) -> Iterator[Listed]:
    """All segments, newest first. Raises ReconcilerError where a page is missing or altered."""
    yield from reversed(head.segments)
    older = head.older
    while older:
        kept = shelf.get(older)
        if kept is None or older != _page_key(kept.content):
            raise ReconcilerError(f"{older}, a page of the audit log's index, {'was altered' if kept else 'is missing'}")
        page = read_head(kept.content)
        yield from reversed(page.segments)
        older = page.older


def with_segment(head: Head, listed: Listed, tree: Frontier, unanswered: Mapping[str, Unanswered]) -> tuple[Head, dict[str, bytes]]:
    """The head after a segment was added, and the page that has to be written before it, if any."""
    segments, older, pages = (*head.segments, listed), head.older, {}
    if len(segments) > 2 * RECENT:
        page = write_head(Head(segments=segments[:-RECENT], older=older))
        segments, older = segments[-RECENT:], _page_key(page)
        pages[older] = page
    fresh = replace(
        head,
        serial=head.serial + 1,
        size=tree.size,
        peaks=tuple(tree.peaks),
        segments=segments,
        older=older,
        unanswered=unanswered,
    )
    return fresh, pages


def _page_key(content: bytes) -> str:
    return PAGES + hashlib.sha256(content).hexdigest()
