"""Chunks: immutable, compressed texts of any size, cut into parts that every shelf takes."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from ..core.errors import ReconcilerError
from .shelf import Shelf

A = TypeVar("A")
R = TypeVar("R")

# Raft refuses entries above 1 MiB. This is 683 KiB in base64, and leaves room for the server's own wrapping.
PART_BYTES = 512 * 1024
# Level 6 is three times slower for a tenth less.
LEVEL = 3
THREADS = 8


class Absent(ReconcilerError):
    """A chunk that was named is not there: collected since the head was read, or lost."""


def pack(prefix: str, text: str) -> tuple[str, dict[str, bytes]]:
    """Cut a text into parts. Returns its reference (keys joined by "+") and the parts by key.

    A key is the prefix and the SHA-256 of the part as it is stored. No text, no parts: the reference is empty.
    """
    packed = zlib.compress(text.encode(), LEVEL) if text else b""
    cut = [packed[start : start + PART_BYTES] for start in range(0, len(packed), PART_BYTES)]
    keys = [prefix + hashlib.sha256(part).hexdigest() for part in cut]
    return "+".join(keys), dict(zip(keys, cut, strict=True))


def keys_of(references: Iterable[str]) -> set[str]:
    """All keys that references name."""
    return {key for reference in references if reference for key in reference.split("+")}


class Chunks:
    """Writes and reads texts by reference, many at once."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def write(self, parts: Mapping[str, bytes]) -> None:
        """Write parts, in parallel. Returns when all are kept."""
        _each(lambda part: self._shelf.add(*part), parts.items())

    def read(self, references: Iterable[str]) -> dict[str, str]:
        """Return the text of each reference. Raises Absent, or ReconcilerError for a damaged part."""
        wanted = tuple(references)
        parts = dict(_each(self._part, sorted(keys_of(wanted))))
        return {reference: _unpack(reference, parts) for reference in wanted if reference}

    def delete(self, keys: Iterable[str]) -> None:
        _each(self._shelf.delete, keys)

    def _part(self, key: str) -> tuple[str, bytes]:
        entry = self._shelf.get(key)
        if entry is None:
            raise Absent(f"the ledger names {key}, which is not there (restore it from a backup, or from the store's own versions)")
        if hashlib.sha256(entry.content).hexdigest() != key[-64:]:
            raise ReconcilerError(f"{key} in the ledger is damaged: its content is not what its name says (restore it from a backup)")
        return key, entry.content


def _unpack(reference: str, parts: Mapping[str, bytes]) -> str:
    try:
        return zlib.decompress(b"".join(parts[key] for key in reference.split("+"))).decode()
    except (zlib.error, ValueError) as error:
        raise ReconcilerError(f"{reference[:80]} in the ledger cannot be unpacked ({error}; restore it from a backup)") from None


def _each(work: Callable[[A], R], over: Iterable[A]) -> list[R]:
    """Do several things at once; a single one without a thread."""
    todo = list(over)
    if len(todo) < 2:
        return [work(one) for one in todo]
    with ThreadPoolExecutor(min(THREADS, len(todo))) as pool:
        return list(pool.map(work, todo))
