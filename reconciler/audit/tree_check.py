"""Checks committed segments, one after the other, against the tree and the checkpoints over it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from ..core.errors import ReconcilerError
from .chain import Fault, Looked, difference, look
from .head import Head, Listed
from .log import Log, leaves_of
from .merkle import Frontier
from .note import NoteError
from .pruned import PRUNE, joined, pruned_by
from .reading import whole_lines
from .segment import SUFFIX
from .verdict import Anchor, Known, Verdict

R = TypeVar("R")

HARMLESS = frozenset({"torn", "gap"})
"""What a crash or a sleeping machine leaves: recorded, and no finding."""


class TreeCheck:
    """Goes over the segments once, oldest first, with the tree in hand."""

    def __init__(self, book: Log) -> None:
        self.verdict = Verdict()
        self.tree = Frontier()
        self._book = book
        self._sound = True  # whether the tree is that of the checkpoints so far
        self._wanted: dict[int, list[tuple[str, bytes]]] = {}  # size -> who says that the root there is which
        self._missing: list[Listed] = []  # segments whose lines are gone, with hashes that a checkpoint is over

    def expect(self, head: Head, anchors: Sequence[Anchor]) -> None:
        """Note what the log must contain, since somebody has seen it."""
        for where, note in anchors:
            try:
                checkpoint, _ = self._book.opened(note)
            except NoteError as error:
                self.verdict.fail(error.sort, f"the checkpoint that is kept there is not ours: {error}", where=where)
                continue
            if checkpoint.size > head.size:
                what = f"the log was rolled back or replaced: {checkpoint.size:,} entries were there, and it has {head.size:,} now"
                self.verdict.fail("rolled back", what, where=where)
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
            self.verdict.fail("deleted", gone if listed.begin > begin else "segments were reordered", min(begin, listed.begin), listed.id)
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
            self.verdict.fail("truncated", what, self.tree.size)
        for size in list(self._wanted):
            self._compare(size)
        self.verdict.size = self.tree.size

    def close(self) -> None:
        """Hold segments whose lines are gone against what the log says was archived."""
        said = self.verdict.pruned = joined(self.verdict.pruned)
        for listed in self._missing:
            if not any(one.holds(listed.begin, listed.end - 1) for one in said):
                self._deleted(listed)
        if self._missing:
            self.verdict.notes += [f"{one}: their hashes were checked, and not their lines" for one in said]

    def _deleted(self, listed: Listed) -> None:
        what = f"its lines are gone: entries {listed.begin:,} to {listed.end - 1:,}"
        marked = quiet(lambda: self._book.is_archived(listed.id) or None)
        untrue = ", and said to be archived, but no event in the log says so" if marked else ""
        self.verdict.fail("deleted", what + untrue, listed.begin, listed.id)

    def _compare(self, size: int) -> None:
        for where, root in self._wanted.pop(size, ()):
            if self._sound and root != self.tree.root():
                self.verdict.fail(
                    "replaced", f"the log was replaced or rewritten: its first {size:,} entries are not those that were there", where=where
                )

    def _leaves(self, listed: Listed) -> Sequence[bytes]:
        """The hashes that a segment had when it was committed, where that can be known; else those that it has."""
        kept = quiet(lambda: self._book.leaves(listed.id))
        vouched = kept is not None and self._is_vouched(kept, listed)
        content = self._content(listed, vouched=vouched)
        if content is None:
            return kept or ()
        lines, torn = whole_lines(content)
        leaves = leaves_of(lines)
        looked = look(lines, leaves, listed.writer)
        fault = (difference(leaves, kept) if vouched and kept is not None else None) or looked.fault
        if torn and (fault is None or fault.number == len(lines)):
            fault = Fault(len(lines), "edited", "it was edited: it has no end any more")
        if fault is not None:
            self.verdict.fail(fault.sort, fault.what, listed.begin + fault.number, place_of(listed, fault))
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

    def _content(self, listed: Listed, *, vouched: bool) -> bytes | None:
        try:
            content = self._book.content(listed.id)
            mine = self._book.own_copy(listed.id) if self._book.shipped else None
        except ReconcilerError as error:
            self.verdict.fail("damaged", str(error), listed.begin, listed.id)
            return None
        if content is None and vouched:
            self._missing.append(listed)  # whether it was archived, a later line says
        elif content is None:
            self._deleted(listed)
        if content is not None and mine is not None and mine != content:
            fault = difference(leaves_of(whole_lines(mine)[0]), leaves_of(whole_lines(content)[0])) or Fault(0, "", "it was cut")
            self.verdict.fail(
                "copies differ",
                f"this folder's copy is not what was shipped: {fault.what}",
                listed.begin + fault.number,
                place_of(listed, fault),
            )
        return content

    def _tell(self, listed: Listed, looked: Looked) -> None:
        verdict = self.verdict
        verdict.checked += len(looked.found)
        verdict.newest = str(looked.found[-1].get("ts", "")) if looked.found else verdict.newest
        verdict.notes += [f"{listed.id}: {gap}; its writer says that the machine slept" for gap in looked.gaps]
        for number, entry in enumerate(looked.found):
            if entry.get("action") == PRUNE:  # looked at here, since this is done for every line
                verdict.pruned += filter(None, [pruned_by(entry)])
            if entry.get("type") == "recovery" and entry.get("code") not in HARMLESS:
                what = f"{entry.get('resource')} was found tampered with before it was committed: {entry.get('code')}, {entry.get('phase')}"
                self.verdict.fail("set aside", what, listed.begin + number, listed.id)

    def _hold(self, listed: Listed, *, blamed: bool) -> None:
        """Hold the tree against the checkpoint after a segment. `blamed`: why it differs was said already."""
        try:
            checkpoint, by = self._book.opened(listed.note)
        except NoteError as error:
            self.verdict.fail(error.sort, f"the checkpoint after it is not ours: {error}", listed.end - 1, listed.id)
            return
        self.verdict.checkpoint, self.verdict.by = checkpoint, f"{by.name}+{by.id.hex()}"
        if by.until is not None and listed.ended[:10] > by.until.isoformat():
            what = f"the checkpoint after it is of {listed.ended}, by a key that is trusted until {by.until}"
            self.verdict.fail("expired", what, listed.end - 1, listed.id)
        if self._sound and (checkpoint.size, checkpoint.root) != (self.tree.size, self.tree.root()):
            self._sound = False
            if not blamed:
                what = (
                    f"lines were edited and all after them chained anew: entries {listed.begin:,} to {listed.end - 1:,} are not "
                    "those that the checkpoint after them is over (their kept hashes were altered too; another copy of the segment "
                    "shows which line was the first)"
                )
                self.verdict.fail("rechained", what, listed.begin, listed.id)


def place_of(listed: Listed, fault: Fault) -> str:
    return f"{listed.id}{SUFFIX} line {fault.number + 1}"


def quiet(read: Callable[[], R | None]) -> R | None:
    """What is read; None where that cannot be."""
    try:
        return read()
    except (ReconcilerError, OSError):
        return None
