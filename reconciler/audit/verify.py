"""Verification: is the log what was recorded? Names the first bad line of each segment, and what was done to it.

Checked are: every line's form and chain; the tree over all lines against the checkpoint after each segment; the newest
checkpoint against what this folder verified last and against every anchor; segments that are not committed yet, against
the checkpoints of their writers. What is missing is a finding: no checkpoint and no signature are never "ok".
"""

from __future__ import annotations

from collections.abc import Sequence

from ..core.errors import ReconcilerError
from . import head as heads
from .chain import look
from .log import Log, leaves_of
from .pruned import pruned_by
from .reading import answered, whole_lines
from .recovery import note_fault, note_of
from .segment import SUFFIX
from .tree_check import TreeCheck, quiet
from .verdict import Anchor, Known, Verdict


def verify(book: Log, *, anchors: Sequence[Anchor] = (), known: Known | None = None, incremental: bool = False) -> Verdict:
    """Verify the log. `known`: what was verified last; with `incremental`, the lines before it are not read again."""
    check = TreeCheck(book)
    verdict = check.verdict
    try:
        head, _ = book.head()
        listed = list(heads.every(book.shelf, head))[::-1]
    except ReconcilerError as error:
        verdict.fail("damaged", str(error))
        return verdict
    check.expect(head, [*anchors, *([Anchor("verified here before", known.note)] if known else [])])
    if incremental and known is not None:
        check.begin(known, listed)
    for one in listed:
        if one.end > check.tree.size or one.lines < 1:
            check.segment(one)
    check.end(head)
    verdict.unanswered = head.unanswered
    _open_segments(book, check)
    check.close()
    if not head.segments and not verdict.uncommitted:
        verdict.fail("no checkpoint", "there is no log: nothing was ever recorded here, or all of it was taken away")
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


def _open_segments(book: Log, check: TreeCheck) -> None:
    """Segments that are being written, or were left by a killed process; and those that were set aside."""
    verdict = check.verdict
    for path in book.unfinished():
        note = note_of(path)  # first, since its writer goes on: a later one may be over lines that were not read
        content = quiet(path.read_bytes)
        if content is None:
            continue  # committed since it was listed
        lines, torn = whole_lines(content)
        leaves = leaves_of(lines)
        looked = look(lines, leaves, path.stem.rpartition("-")[2])
        fault = looked.fault or note_fault(book, path, note, leaves)
        verdict.uncommitted += len(lines)
        verdict.newest = max(verdict.newest, str(looked.found[-1].get("ts", "")) if looked.found else "")
        verdict.unanswered = answered(verdict.unanswered, iter(looked.found if fault is None else ()))
        verdict.pruned += filter(None, map(pruned_by, looked.found))
        if fault is not None:
            verdict.fail(fault.sort, fault.what, where=f"open/{path.name} line {fault.number + 1}")
        if torn:
            verdict.notes.append(f"open/{path.name} ends in a torn line: it is being written, or its process was killed")
    for path in sorted((book.folder / "quarantine").glob(f"*{SUFFIX}")):
        verdict.fail("set aside", "it was found tampered with before it was committed", where=f"quarantine/{path.name}")
