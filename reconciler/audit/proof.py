"""Proofs about the log that somebody else can check: with a public key, and without the log.

A proof that an entry is in the log has the format of C2SP (tlog-proof); one that the log only grew is like it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import NamedTuple

from ..core.errors import Missing, ReconcilerError, Refused
from .log import Log, leaves_of
from .merkle import consistency_proof, inclusion_proof, is_consistent, is_included, leaf_hash, root_of
from .note import Checkpoint, NoteError, Verifier, read_checkpoint, verified
from .reading import whole_lines

INCLUSION = "c2sp.org/tlog-proof@v1"
GROWTH = "reconciler-growth@v1"


class Proof(NamedTuple):
    """A line, and the text that proves it to be in the log."""

    line: bytes
    text: str


def prove(book: Log, entry: int) -> Proof:
    """Prove that an entry is in the log, under its newest checkpoint. Raises Missing, ReconcilerError."""
    leaves, note = all_leaves(book)
    if not 0 <= entry < len(leaves):
        raise Missing(f"the audit log has no entry {entry} (it has {len(leaves):,}: 0 to {len(leaves) - 1})", path=str(entry))
    line = next((line for number, line in book.read() if number == entry), None)
    if line is None or leaf_hash(line) != leaves[entry]:
        raise ReconcilerError(f"the line of entry {entry} is not what was recorded, or is archived (reconcile audit verify says which)")
    proof = inclusion_proof(leaves, entry)
    return Proof(line, "\n".join([INCLUSION, f"index {entry}", *map(_text, proof), "", note]))


def check_inclusion(line: bytes, proof: str, trusted: Sequence[Verifier]) -> Checkpoint:
    """Check what `prove` made; the checkpoint that it is under. Raises NoteError."""
    head, _, note = proof.partition("\n\n")
    first, index, *hashes = [*head.split("\n"), ""]
    checkpoint = read_checkpoint(verified(note, trusted)[0])
    number = index.removeprefix("index ")
    path = [_hash(one) for one in hashes if one]
    if (
        first != INCLUSION
        or not number.isdecimal()
        or not is_included(leaf_hash(line), int(number), checkpoint.size, path, checkpoint.root)
    ):
        raise NoteError("forged", "the proof does not lead from this line to the checkpoint")
    return checkpoint


def prove_growth(book: Log, old: Checkpoint) -> str:
    """Prove that the log as it was at an older checkpoint is the beginning of the newest. Raises Refused where it is not."""
    leaves, note = all_leaves(book)
    if old.size > len(leaves):
        what = f"the audit log was rolled back or replaced: it had {old.size:,} entries, and has {len(leaves):,}"
        raise Refused(f"{what} (reconcile audit verify)")
    if root_of(leaves[: old.size]) != old.root:
        raise Refused(
            f"the audit log was replaced or rewritten: its first {old.size:,} entries are not what they were (reconcile audit verify)"
        )
    proof = consistency_proof(leaves, old.size)
    return "\n".join([GROWTH, f"old {old.size}", *map(_text, proof), "", note])


def check_growth(old: Checkpoint, proof: str, trusted: Sequence[Verifier]) -> Checkpoint:
    """Check what `prove_growth` made; the newer checkpoint. Raises NoteError, Refused."""
    head, _, note = proof.partition("\n\n")
    first, size, *hashes = [*head.split("\n"), ""]
    checkpoint = read_checkpoint(verified(note, trusted)[0])
    if checkpoint.origin != old.origin:
        raise NoteError("foreign", f"it is of another log, {checkpoint.origin!r}")
    if checkpoint.size < old.size:
        raise Refused(f"the tree became smaller: {old.size:,} entries were anchored, and now {checkpoint.size:,} (it was rolled back)")
    path = [_hash(one) for one in hashes if one]
    if first != GROWTH or size != f"old {old.size}" or not is_consistent(old.size, old.root, checkpoint.size, checkpoint.root, path):
        raise Refused(f"the proof does not show that the {old.size:,} entries that were anchored are the beginning of the log")
    return checkpoint


def all_leaves(book: Log) -> tuple[list[bytes], str]:
    """The hashes of all lines, and the note over them. Raises ReconcilerError where they do not fit together."""
    head, _ = book.trusted_head()
    leaves: list[bytes] = []
    for listed in book.segments():
        kept = book.leaves(listed.id)
        if kept is None or len(kept) != listed.lines:
            content = book.content(listed.id)
            kept = leaves_of(whole_lines(content)[0]) if content is not None else []
        leaves += kept
    if not head.note or root_of(leaves) != read_checkpoint(verified(head.note, book.trusted())[0]).root:
        raise ReconcilerError(
            "the audit log is not what its checkpoint is over, or there is none (reconcile audit verify says what was done)"
        )
    return leaves, head.note


def _text(hash: bytes) -> str:
    return base64.b64encode(hash).decode()


def _hash(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise NoteError("malformed", "the proof has a line that is no hash") from None
