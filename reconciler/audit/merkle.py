"""The Merkle tree of RFC 6962: hashes, roots in constant memory, proofs, and their verification as RFC 9162 has it. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256

EMPTY_ROOT = sha256(b"").digest()
HASH_BYTES = 32


def leaf_hash(line: bytes) -> bytes:
    """The leaf of a raw line, without its line end."""
    return sha256(b"\0" + line).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\1" + left + right).digest()


class Frontier:
    """A tree that only grows, as the roots of its perfect subtrees, largest first: a few hundred bytes at any size."""

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if size < 0 or len(peaks) != size.bit_count():
            raise ValueError("a tree of this size has another number of perfect subtrees")
        self.size = size
        self.peaks = list(peaks)

    def copy(self) -> Frontier:
        return Frontier(self.size, self.peaks)

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Append leaves, by their hashes."""
        size, peaks, push, pop = self.size, self.peaks, self.peaks.append, self.peaks.pop
        for leaf in leaves:
            carry, level = leaf, size
            while level & 1:
                carry = sha256(b"\1" + pop() + carry).digest()
                level >>= 1
            push(carry)
            size += 1
        self.size, self.peaks = size, peaks

    def root(self) -> bytes:
        if not self.peaks:
            return EMPTY_ROOT
        *rest, root = self.peaks
        for peak in reversed(rest):
            root = node_hash(peak, root)
        return root


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over hashes of leaves."""
    tree = Frontier()
    tree.extend(leaves)
    return tree.root()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The path from a leaf to the root over all leaves, lowest first."""
    if not 0 <= index < len(leaves):
        raise ValueError("there is no such leaf")
    begin, end = 0, len(leaves)
    path: list[bytes] = []
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(root_of(leaves[middle:end]))
            end = middle
        else:
            path.append(root_of(leaves[begin:middle]))
            begin = middle
    return path[::-1]


def consistency_proof(leaves: Sequence[bytes], size: int) -> list[bytes]:
    """What shows that the tree over the first `size` leaves is the beginning of the tree over all."""
    if not 0 <= size <= len(leaves):
        raise ValueError("there are fewer leaves than that")
    if size in (0, len(leaves)):
        return []
    begin, end, whole = 0, len(leaves), True
    proof: list[bytes] = []
    while size != end:
        middle = begin + _split(end - begin)
        if size <= middle:
            proof.append(root_of(leaves[middle:end]))
            end = middle
        else:
            proof.append(root_of(leaves[begin:middle]))
            begin, whole = middle, False
    if not whole:  # else it is the root that the verifier has already
        proof.append(root_of(leaves[begin:end]))
    return proof[::-1]


def _split(count: int) -> int:
    """The largest power of two below a count."""
    return 1 << (count - 1).bit_length() - 1


def is_included(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether a proof leads from a leaf to a root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    first, last, found = index, size - 1, leaf
    for step in proof:
        if last == 0:
            return False
        if first & 1 or first == last:
            found = node_hash(step, found)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            found = node_hash(found, step)
        first, last = first >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether a proof shows that a smaller tree is the beginning of a larger one (RFC 9162, 2.1.4.2)."""
    if not 0 <= old_size <= size:
        return False
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT
    if old_size == size:
        return not proof and old_root == root
    steps = list(proof)
    if old_size & (old_size - 1) == 0:
        steps.insert(0, old_root)
    return bool(steps) and _climbed(old_size, size, steps) == (old_root, root)


def _climbed(old_size: int, size: int, steps: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """Both roots as the steps give them; None where their number is wrong."""
    first, last = old_size - 1, size - 1
    while first & 1:
        first, last = first >> 1, last >> 1
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return None
        if first & 1 or first == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not first & 1 and first:
                first, last = first >> 1, last >> 1
        else:
            new = node_hash(new, step)
        first, last = first >> 1, last >> 1
    return (old, new) if last == 0 else None
