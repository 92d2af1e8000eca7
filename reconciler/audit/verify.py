"""Verification: is the log what was recorded? Names the first bad line of each segment, and what was done to it.

Checked are: every line's form and chain; the tree over all lines against the checkpoint after each segment; the newest
checkpoint against what this folder verified last and against every anchor; segments that are not committed yet, against
the checkpoints of their writers. What is missing is a finding: no checkpoint and no signature are never "ok".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ..core.errors import ReconcilerError
from . import head as heads
from .chain import Fault, Looked, difference, look
from .head import Head, Listed
from .log import Log, leaves_of
from .merkle import Frontier
from .note import NoteError
from .reading import answered, whole_lines
from .recovery import note_fault
from .segment import SUFFIX
from .verdict import Anchor, Finding, Known, Verdict

R = TypeVar("R")

HARMLESS = frozenset({"torn", "gap"})
"""What a crash or a sleeping machine leaves: recorded, and no finding."""


def verify(book: Log, *, anchors: Sequence[Anchor] = (), known: Known | None = None, incremental: bool = False) -> Verdict:
    """Verify the log. `known`: what was verified last; with `incremental`, the lines before it are not read again."""
    verification = _Verification(book)
    verdict = verification.verdict
    try:
        head, _ = book.head()
        listed = list(heads.every(book.shelf, head))[::-1]
    except ReconcilerError as error:
        verification.found("damaged", str(error))
        return verdict
    verification.expect(head, [*anchors, *([Anchor("verified here before", known.note)] if known else [])])
    if incremental and known is not None:
        verification.begin(known, listed)
    for one in listed:
        if one.end > verification.tree.size or one.lines < 1:
            verification.segment(one)
    verification.end(head)
    verdict.unanswered = head.unanswered
    _open_segments(book, verification)
    if not head.segments and not verdict.uncommitted:
        verification.found("no checkpoint", "there is no log: nothing was ever recorded here, or all of it was taken away")
    verdict.unseen = _unseen(verdict, anchors)
    if verdict.ok and head.note:
        verdict.known = Known(head.size, head.peaks, head.note)
    return verdict


def _unseen(verdict: Verdict, anchors: Sequence[Anchor]) -> list[str]:
    """Say what nobody could tell from all this."""
    found = ["what was done past the log altogether"]
    if not anchors:
        found.append(
            "a log that was rolled back together with its checkpoints, or replaced by one that has the same key "
            "(reconcile audit anchor keeps a checkpoint in git)"
        )
    else:
        found.append("a roll-back of log and checkpoints together to a moment after the last anchor")
    if verdict.uncommitted:
        found.append("lines that were cut off the end of a segment that is not committed yet, after its writer's last checkpoint")
    return found


class _Verification:
    """Goes over the segments once, oldest first, with the tree in hand."""

    def __init__(self, book: Log) -> None:
        self.verdict = Verdict()
        self.tree = Frontier()
        self._book = book
        self._sound = True  # whether the tree is that of the checkpoints so far
        self._wanted: dict[int, list[tuple[str, bytes]]] = {}  # size -> who says that the root there is which

    def found(self, sort: str, what: str, entry: int = -1, where: str = "") -> None:
        self.verdict.findings.append(Finding(sort, entry, where, what))

    def expect(self, head: Head, anchors: Sequence[Anchor]) -> None:
        """Note what the log must contain, since somebody has seen it."""
        for where, note in anchors:
            try:
                checkpoint, _ = self._book.opened(note)
            except NoteError as error:
                self.found(error.sort, f"the checkpoint that is kept there is not ours: {error}", where=where)
                continue
            if checkpoint.size > head.size:
                what = f"the log was rolled back or replaced: {checkpoint.size:,} entries were there, and it has {head.size:,} now"
                self.found("rolled back", what, where=where)
            else:
                self._wanted.setdefault(checkpoint.size, []).append((where, checkpoint.root))

    def begin(self, known: Known, listed: Sequence[Listed]) -> None:
        """Begin where the last verification ended, if the log still has that."""
        if known.size.bit_count() != len(known.peaks) or known.size not in [one.end for one in listed]:
            return
        tree = Frontier(known.size, known.peaks)
        if tree.root() not in [root for _, root in self._wanted.get(known.size, ())]:
            return
        self.tree = tree
        self._compare(known.size)
        for size in [size for size in self._wanted if size < known.size]:
            del self._wanted[size]  # compared when that was verified
        self.verdict.notes.append(f"entries 0 to {known.size - 1:,} were verified before, and not read again")

    def segment(self, listed: Listed) -> None:
        self.verdict.segments += 1
        begin, findings = self.tree.size, len(self.verdict.findings)
        if listed.begin != begin:
            gone = f"a whole segment is gone: entries {begin:,} to {listed.begin - 1:,}"
            self.found("deleted", gone if listed.begin > begin else "segments were reordered", min(begin, listed.begin), listed.id)
            self._sound = False
        leaves = self._leaves(listed)
        done = 0
        for size in sorted(one for one in self._wanted if begin < one <= begin + len(leaves)):
            self.tree.extend(leaves[done : size - begin])
            done = size - begin
            self._compare(size)
        self.tree.extend(leaves[done:])
        self._hold(listed, blamed=len(self.verdict.findings) > findings)

    def end(self, head: Head) -> None:
        """Hold the head against the tree."""
        if self._sound and (head.size, list(head.peaks)) != (self.tree.size, self.tree.peaks):
            what = (
                f"the head is over {head.size:,} entries, and the listed segments have {self.tree.size:,}: segments are gone from the end"
            )
            self.found("truncated", what, self.tree.size)
        for size in list(self._wanted):
            self._compare(size)
        self.verdict.size = self.tree.size

    def _compare(self, size: int) -> None:
        for where, root in self._wanted.pop(size, ()):
            if self._sound and root != self.tree.root():
                self.found(
                    "replaced", f"the log was replaced or rewritten: its first {size:,} entries are not those that were there", where=where
                )

    def _leaves(self, listed: Listed) -> Sequence[bytes]:
        """The hashes that a segment had when it was committed, where that can be known; else those that it has."""
        kept = _quiet(lambda: self._book.leaves(listed.id))
        vouched = kept is not None and self._is_vouched(kept, listed)
        content = self._content(listed)
        if content is None:
            return kept or ()
        lines, torn = whole_lines(content)
        leaves = leaves_of(lines)
        looked = look(lines, leaves, listed.writer)
        fault = (difference(leaves, kept) if vouched and kept is not None else None) or looked.fault
        if torn and (fault is None or fault.number == len(lines)):
            fault = Fault(len(lines), "edited", "it was edited: it has no end any more")
        if fault is not None:
            self.found(fault.sort, fault.what, listed.begin + fault.number, _line(listed, fault))
        self._tell(listed, looked)
        return kept if vouched and kept is not None else leaves

    def _is_vouched(self, kept: Sequence[bytes], listed: Listed) -> bool:
        """Whether the checkpoint after a segment is over these hashes."""
        tree = self.tree.copy()
        tree.extend(kept)
        try:
            checkpoint, _ = self._book.opened(listed.note)
        except NoteError:
            return False
        return self._sound and (checkpoint.size, checkpoint.root) == (tree.size, tree.root())

    def _content(self, listed: Listed) -> bytes | None:
        try:
            content = self._book.content(listed.id)
            mine = self._book.own_copy(listed.id) if self._book.shipped else None
            archived = content is None and self._book.is_archived(listed.id)
        except ReconcilerError as error:
            self.found("damaged", str(error), listed.begin, listed.id)
            return None
        if content is None and not archived:
            self.found("deleted", f"its lines are gone: entries {listed.begin:,} to {listed.end - 1:,}", listed.begin, listed.id)
        if content is not None and mine is not None and mine != content:
            fault = difference(leaves_of(whole_lines(mine)[0]), leaves_of(whole_lines(content)[0])) or Fault(0, "", "it was cut")
            self.found(
                "copies differ",
                f"this folder's copy is not what was shipped: {fault.what}",
                listed.begin + fault.number,
                _line(listed, fault),
            )
        return content

    def _tell(self, listed: Listed, looked: Looked) -> None:
        verdict = self.verdict
        verdict.checked += len(looked.found)
        verdict.newest = str(looked.found[-1].get("ts", "")) if looked.found else verdict.newest
        verdict.notes += [f"{listed.id}: {gap}; its writer says that the machine slept" for gap in looked.gaps]
        for number, entry in enumerate(looked.found):
            if entry.get("type") == "recovery" and entry.get("code") not in HARMLESS:
                what = f"{entry.get('resource')} was found tampered with before it was committed: {entry.get('code')}, {entry.get('phase')}"
                self.found("set aside", what, listed.begin + number, listed.id)

    def _hold(self, listed: Listed, *, blamed: bool) -> None:
        """Hold the tree against the checkpoint after a segment. `blamed`: why it differs was said already."""
        try:
            checkpoint, by = self._book.opened(listed.note)
        except NoteError as error:
            self.found(error.sort, f"the checkpoint after it is not ours: {error}", listed.end - 1, listed.id)
            return
        self.verdict.checkpoint, self.verdict.by = checkpoint, f"{by.name}+{by.id.hex()}"
        if by.until is not None and listed.ended[:10] > by.until.isoformat():
            what = f"the checkpoint after it is of {listed.ended}, by a key that is trusted until {by.until}"
            self.found("expired", what, listed.end - 1, listed.id)
        if self._sound and (checkpoint.size, checkpoint.root) != (self.tree.size, self.tree.root()):
            self._sound = False
            if not blamed:
                what = (
                    f"lines were edited and all after them chained anew: entries {listed.begin:,} to {listed.end - 1:,} are not "
                    "those that the checkpoint after them is over (their kept hashes were altered too; another copy of the segment "
                    "shows which line was the first)"
                )
                self.found("rechained", what, listed.begin, listed.id)


def _open_segments(book: Log, verification: _Verification) -> None:
    """Segments that are being written, or were left by a killed process; and those that were set aside."""
    verdict = verification.verdict
    for path in book.unfinished():
        content = _quiet(path.read_bytes)
        if content is None:
            continue  # committed since it was listed
        lines, torn = whole_lines(content)
        leaves = leaves_of(lines)
        looked = look(lines, leaves, path.stem.rpartition("-")[2])
        fault = looked.fault or note_fault(book, path, leaves)
        verdict.uncommitted += len(lines)
        verdict.newest = max(verdict.newest, str(looked.found[-1].get("ts", "")) if looked.found else "")
        verdict.unanswered = answered(verdict.unanswered, iter(looked.found if fault is None else ()))
        if fault is not None:
            verification.found(fault.sort, fault.what, where=f"open/{path.name} line {fault.number + 1}")
        if torn:
            verdict.notes.append(f"open/{path.name} ends in a torn line: it is being written, or its process was killed")
    for path in sorted((book.folder / "quarantine").glob(f"*{SUFFIX}")):
        verification.found("set aside", "it was found tampered with before it was committed", where=f"quarantine/{path.name}")


def _line(listed: Listed, fault: Fault) -> str:
    return f"{listed.id}{SUFFIX} line {fault.number + 1}"


def _quiet(read: Callable[[], R | None]) -> R | None:
    try:
        return read()
    except (ReconcilerError, OSError):
        return None
