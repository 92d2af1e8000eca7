"""Opens a backup: nothing of it is believed before its signature, sizes and digests were looked at."""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from ..audit.note import Verifier
from ..core.errors import Missing, ReconcilerError
from .damage import Damaged
from .manifest import Manifest, Stretch, read_manifest
from .records import Record, fingerprint, read_index_line, read_key, read_line
from .sealing import unsealed
from .writing import LENGTH_DIGITS, MAGIC

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer
    from pyrage import x25519

LONGEST_NOTE = 4 << 20  # a note has as many bytes as its recipients and parts need, and no more
_CHUNK = 1 << 20
_LENGTH = re.compile(rf"[0-9]{{{LENGTH_DIGITS}}}\n".encode())


class Opened(NamedTuple):
    """A backup whose signature, sizes and digests are right. The payload may still be for others."""

    file: int
    manifest: Manifest
    by: Verifier

    def records(self, identities: Sequence[x25519.Identity]) -> Iterator[Record]:
        """Everything in it, each held against the index. Raises Damaged."""
        with closing(unsealed(self._payload(), identities)) as lines:
            first = next(lines, b"")
            key = read_key(first)
            for line, listed in zip_longest(lines, self._index()):
                if line is None or listed is None:
                    raise Damaged("payload", "it has more or fewer lines than the index")
                if fingerprint(key, line) != read_index_line(listed).fp:
                    raise Damaged("payload", f"{read_index_line(listed).id} is not what the index says of it")
                yield read_line(line)

    def _payload(self) -> io.BufferedReader:
        return _window(self.file, len(MAGIC), self.manifest.payload)

    def _index(self) -> io.BufferedReader:
        return _window(self.file, len(MAGIC) + self.manifest.payload.bytes, self.manifest.index)


@contextmanager
def opened(path: Path, trusted: Sequence[Verifier]) -> Iterator[Opened]:
    """Open a backup. Raises Damaged: cut, altered, unsigned, signed by others."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Missing(f"{path}: there is no such file", path=str(path)) from None
    except OSError as error:
        raise ReconcilerError(f"{path}: {error.strerror}") from None
    try:
        yield _checked(file, trusted)
    except OSError as error:
        raise ReconcilerError(f"{path}: cannot be read: {error.strerror}") from None
    finally:
        os.close(file)


def _checked(file: int, trusted: Sequence[Verifier]) -> Opened:
    size = os.fstat(file).st_size
    if os.pread(file, len(MAGIC), 0) != MAGIC:
        raise Damaged("beginning", "it does not begin as a backup of this version does")
    note = _note(file, size)
    manifest, by = read_manifest(note.decode(errors="replace"), trusted)
    found = Opened(file, manifest, by)
    parts = len(MAGIC) + manifest.payload.bytes + manifest.index.bytes + len(note) + LENGTH_DIGITS + 1
    if parts != size:
        raise Damaged("size", f"its parts are {parts:,} bytes together, and the file has {size:,}")
    for name, stretch, stream in (("payload", manifest.payload, found._payload()), ("index", manifest.index, found._index())):
        if _digest(stream) != stretch.sha256:
            raise Damaged(name, "it is not what was signed: bytes of it were altered, moved or put in the place of others")
    return found


def _note(file: int, size: int) -> bytes:
    """The note, as the last line says where it begins. Raises Damaged."""
    length = os.pread(file, LENGTH_DIGITS + 1, max(size - LENGTH_DIGITS - 1, 0))
    if not _LENGTH.fullmatch(length):
        raise Damaged("end", "its last line is missing: the file was cut, or never finished")
    begin = size - LENGTH_DIGITS - 1 - int(length)
    if begin < len(MAGIC) or int(length) > LONGEST_NOTE:
        raise Damaged("end", "its last line was altered")
    return os.pread(file, int(length), begin)


def _digest(stream: io.BufferedReader) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _window(file: int, begin: int, stretch: Stretch) -> io.BufferedReader:
    return io.BufferedReader(_Window(file, begin, begin + stretch.bytes), _CHUNK)


class _Window(io.RawIOBase):
    """A part of an open file, with a place of its own: two threads read two parts at once."""

    def __init__(self, file: int, begin: int, end: int) -> None:
        self._file = file
        self._at = begin
        self._end = end

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        room = memoryview(buffer)
        content = os.pread(self._file, min(len(room), self._end - self._at), self._at)
        room[: len(content)] = content
        self._at += len(content)
        return len(content)
