"""The log of one environment: a sequence of segments, one Merkle tree over all their lines, and its signed head.

A process records into a segment of its own, in the folder `open`. When it ends, the segment is committed: its lines become
the next of the log, and the checkpoint over them replaces the last one, by check-and-set. Segments that were left behind
are committed by the next process. Where the log is shipped, its head and segments are in the ledger's store, so that
machines that are thrown away have one log; each keeps its own segments as files, too.

    open/ID.jsonl, open/ID.note     being written; the note is a checkpoint over the segment alone
    segments/ID.jsonl, ID.leaves    committed; the leaves are the hashes of the lines
    quarantine/                     what was found torn or altered, as it was found
    head, index/, people/, pepper   on the shelf; without shipping, the same folder
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..core.errors import Conflict, ReconcilerError
from . import head as heads
from .event import Event
from .head import Head, Listed, Unanswered
from .merkle import HASH_BYTES, Frontier, leaf_hash
from .note import Checkpoint, NoteError, Signer, Verifier, read_checkpoint, signed, verified
from .packing import packed, read_packed
from .people import People
from .reading import Entry, answered, whole_lines
from .segment import SUFFIX, sync_folder
from .shelf import Shelf

ATTEMPTS = 20  # at the head, while others commit too
LEAVES = ".leaves"
NOTE = ".note"
ARCHIVED = "archived/"


class Told(NamedTuple):
    """What a segment tells, in short: when, what it left open, and which intents of earlier segments it answered."""

    begun: str
    ended: str
    left: Mapping[str, Unanswered]
    answered: Collection[str]

    def after(self, before: Mapping[str, Unanswered]) -> dict[str, Unanswered]:
        """The intents without an outcome once this segment is committed."""
        return {id: one for id, one in before.items() if id not in self.answered} | dict(self.left)


def told_by(found: Sequence[Entry]) -> Told:
    """What lines tell, that somebody else has written."""
    ends = {str(entry.get("cause_id")) for entry in found if entry["type"] == "outcome"}
    return Told(str(found[0]["ts"]), str(found[-1]["ts"]), answered({}, iter(found)), ends)


class Tampered(ReconcilerError):
    """The log is not as it was left, so nothing is added to it. `reconcile audit verify` says what was done."""


@dataclass(frozen=True)
class Log:
    """One log. `signer` is asked for when something is committed, `trusted` whenever a note is read."""

    folder: Path
    origin: str
    shelf: Shelf
    people: People
    signer: Callable[[], Signer]
    trusted: Callable[[], Sequence[Verifier]]
    shipped: bool = False

    @property
    def open_folder(self) -> Path:
        return self.folder / "open"

    def prepare(self) -> None:
        """Make the folder, so that `git add --all` does not take it where it lies in the repository. Raises OSError."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not (self.folder / ".gitignore").exists():
            (self.folder / ".gitignore").write_text("*\n", encoding="utf-8")

    def head(self) -> tuple[Head, str]:
        """The head as it stands, and its version. Raises ReconcilerError."""
        return heads.load(self.shelf)

    def trusted_head(self) -> tuple[Head, str]:
        """The head, whose checkpoint was looked at. Raises Tampered."""
        head, version = self.head()
        try:
            checkpoint = self.opened(head.note)[0] if head.note else Checkpoint(self.origin, 0, Frontier().root())
        except NoteError as error:
            raise Tampered(f"the checkpoint of the audit log is not ours: {error}") from None
        if (checkpoint.size, checkpoint.root) != (head.size, head.tree().root()):
            raise Tampered("the head of the audit log contradicts its checkpoint: it was altered")
        return head, version

    def opened(self, note: str, part: str = "") -> tuple[Checkpoint, Verifier]:
        """The checkpoint of a note, and the trusted key that signed it. `part`: of a single segment. Raises NoteError."""
        text, by = verified(note, self.trusted())
        found = read_checkpoint(text)
        if found.origin != self._origin(part):
            raise NoteError("foreign", f"it is of another log, {found.origin!r}")
        return found, by

    def sign(self, tree: Frontier, part: str = "") -> str:
        """A checkpoint over a tree. Raises ReconcilerError where the key cannot be reached, or counts for nothing."""
        signer = self.signer()
        mine = (signer.verifier.name, signer.verifier.public)
        if mine not in [(one.name, one.public) for one in self.trusted()]:
            raise ReconcilerError(f"this machine's key is not among those that are trusted with the audit log: {signer.verifier.vkey}")
        return signed(Checkpoint(self._origin(part), tree.size, tree.root()).text, [signer])

    def commit(self, id: str, leaves: Sequence[bytes], told: Told) -> None:
        """Make a segment of the folder `open` the next of the log. Raises Tampered and other ReconcilerErrors; then it stays open."""
        if self.shipped:
            content = (self.open_folder / f"{id}{SUFFIX}").read_bytes()
            for key, part in {**packed(f"segments/{id}", content), **packed(f"leaves/{id}", b"".join(leaves))}.items():
                self.shelf.add(key, part)
        self._commit(id, leaves, told)
        self._settled(id, leaves)
        self.people.settle()

    def _commit(self, id: str, leaves: Sequence[bytes], told: Told) -> None:
        for _ in range(ATTEMPTS):
            head, version = self.trusted_head()
            if self._has(head, id):
                return  # an earlier attempt arrived, and its answer was lost
            tree = head.tree()
            begin = tree.size
            tree.extend(leaves)
            listed = Listed(id, begin, len(leaves), told.begun, told.ended, self.sign(tree))
            after, pages = heads.with_segment(head, listed, tree, told.after(head.unanswered))
            for key, page in pages.items():
                self.shelf.add(key, page)
            try:
                self.shelf.put(heads.KEY, heads.write_head(after), version)
            except Conflict:
                continue
            return
        raise Conflict("the audit log is committed to by others all the time (the next run goes on with it)", path=heads.KEY)

    def _has(self, head: Head, id: str) -> bool:
        # Ids begin with their time: only one that is older than all the head lists may be in a page.
        older = bool(head.older) and id < head.segments[0].id
        return any(one.id == id for one in (heads.every(self.shelf, head) if older else head.segments))

    def _settled(self, id: str, leaves: Iterable[bytes]) -> None:
        """Move the files of a segment to where committed ones are."""
        there = self.folder / "segments"
        there.mkdir(mode=0o700, exist_ok=True)
        (there / f"{id}{LEAVES}").write_bytes(b"".join(leaves))
        os.replace(self.open_folder / f"{id}{SUFFIX}", there / f"{id}{SUFFIX}")
        (self.open_folder / f"{id}{NOTE}").unlink(missing_ok=True)
        sync_folder(there)

    def segments(self) -> list[Listed]:
        """All segments, oldest first."""
        return list(heads.every(self.shelf, self.head()[0]))[::-1]

    def content(self, id: str) -> bytes | None:
        """The lines of a committed segment as the log has them; None where they are not there."""
        return read_packed(self.shelf, f"segments/{id}") if self.shipped else self.own_copy(id)

    def own_copy(self, id: str) -> bytes | None:
        """The lines of a committed segment as this folder has them."""
        return _read(self.folder / "segments" / f"{id}{SUFFIX}")

    def leaves(self, id: str) -> list[bytes] | None:
        """The kept hashes of a segment's lines; None where they are not there."""
        raw = read_packed(self.shelf, f"leaves/{id}") if self.shipped else _read(self.folder / "segments" / f"{id}{LEAVES}")
        return [raw[at : at + HASH_BYTES] for at in range(0, len(raw), HASH_BYTES)] if raw is not None else None

    def is_archived(self, id: str) -> bool:
        """Whether the lines of a segment were archived and then dropped."""
        return self.shelf.get(f"{ARCHIVED}{id}") is not None

    def archived(self) -> frozenset[str]:
        """All segments whose lines were archived and then dropped."""
        return frozenset(key.removeprefix(ARCHIVED) for key in self.shelf.keys(ARCHIVED))

    def drop(self, id: str, mark: bytes) -> None:
        """Delete the lines of an archived segment, wherever this log has them. Their hashes stay. `mark`: what is left in their place.

        The mark comes last: without it, the next run does this again.
        """
        for key in self.shelf.keys(f"segments/{id}/") if self.shipped else ():
            self.shelf.delete(key)
        (self.folder / "segments" / f"{id}{SUFFIX}").unlink(missing_ok=True)
        self.shelf.add(f"{ARCHIVED}{id}", mark)

    def unfinished(self) -> list[Path]:
        """Segments in the folder `open`, oldest first."""
        return sorted(self.open_folder.glob(f"*{SUFFIX}"))

    def read(self) -> Iterator[tuple[int, bytes]]:
        """Every line of the log with its number; those that are not here any more are left out."""
        for listed in self.segments():
            content = self.content(listed.id)
            if content is not None:
                lines, _ = whole_lines(content)
                yield from enumerate(lines, listed.begin)

    def _origin(self, part: str) -> str:
        return f"{self.origin}/{part}" if part else self.origin


def leaves_of(lines: Iterable[bytes]) -> list[bytes]:
    return list(map(leaf_hash, lines))


def recovery(resource: str, code: str, fp: str, phase: str = "") -> Event:
    """What is recorded of something that was found broken."""
    return Event("recovery", action="audit.quarantine", resource=resource, code=code, fp=fp, phase=phase)


def _read(file: Path) -> bytes | None:
    try:
        return file.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ReconcilerError(f"{file}: cannot be read: {error.strerror}") from None
