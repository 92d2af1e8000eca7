"""Files on a shelf: compressed, and cut into parts that every shelf takes."""

from __future__ import annotations

import zlib

from ..core.errors import ReconcilerError
from .shelf import Shelf

PART_BYTES = 512 * 1024
"""Raft refuses entries above 1 MiB; this is 683 KiB in base64."""
LEVEL = 3


def packed(name: str, content: bytes) -> dict[str, bytes]:
    """The parts of a file by key. The last is shorter than the others, so that a lost one is noticed."""
    raw = zlib.compress(content, LEVEL)
    cut = [raw[start : start + PART_BYTES] for start in range(0, len(raw) + 1, PART_BYTES)]
    return {f"{name}/{number:04}": part for number, part in enumerate(cut)}


def read_packed(shelf: Shelf, name: str) -> bytes | None:
    """The file again; None where it is not there. Raises ReconcilerError where it is damaged."""
    parts: list[bytes] = []
    while not parts or len(parts[-1]) == PART_BYTES:
        kept = shelf.get(f"{name}/{len(parts):04}")
        if kept is None and not parts:
            return None
        if kept is None:
            raise ReconcilerError(f"{name}/{len(parts):04} of the audit log is missing")
        parts.append(kept.content)
    try:
        return zlib.decompress(b"".join(parts))
    except zlib.error:
        raise ReconcilerError(f"{name} of the audit log was damaged or altered: it cannot be unpacked") from None
