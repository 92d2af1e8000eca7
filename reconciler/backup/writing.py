"""Writes the file in one pass, under a temporary name: it has its own name only once it is whole and on the disk."""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from ..audit.note import Signer
from ..core.errors import ReconcilerError, Usage
from .manifest import FORMAT, Facts, Manifest, Origin, Stretch, manifest_of, write_note
from .records import KEY_BYTES, Record, fingerprint, index_line, key_line, line_of
from .sealing import seal

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
    from pyrage import x25519

MAGIC = f"{FORMAT}\n".encode()
UNFINISHED = ".part"
LENGTH_DIGITS = 10
"""Of the note's length, in the last line."""


class _Measured(io.BufferedIOBase):
    """A file that knows how much was written to it since, and the digest of that."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._bytes = 0
        self.lines = 0

    def write(self, content: ReadableBuffer) -> int:
        self._file.write(content)
        self._digest.update(content)
        count = memoryview(content).nbytes
        self._bytes += count
        return count

    @property
    def stretch(self) -> Stretch:
        return Stretch(bytes=self._bytes, lines=self.lines, sha256=self._digest.hexdigest())


def write_backup(file: Path, origin: Origin, records: Iterable[Record], recipients: list[x25519.Recipient], signer: Signer) -> Manifest:
    """Write a backup, and return when it is on the disk under its name. What the records raise is raised; then nothing is left."""
    _refuse_there(file)
    unfinished = file.with_name(f"{file.name}{UNFINISHED}")
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Usage(f"{file.parent}: {error.strerror}") from None
    try:
        with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            manifest = _write(stream, file.parent, origin, records, recipients, signer)
            stream.flush()
            os.fsync(stream.fileno())
            _refuse_there(file)  # another one may have been finished between the first look and the temporary name
        os.rename(unfinished, file)
        _sync(file.parent)
    except FileExistsError:
        raise Usage(f"{unfinished} is there already: another backup is being written, or was killed (then delete it)") from None
    except OSError as error:
        _forget(unfinished)
        raise ReconcilerError(f"{file}: the backup could not be written: {error.strerror}") from None
    except BaseException:
        _forget(unfinished)
        raise
    return manifest


def _write(
    stream: IO[bytes], folder: Path, origin: Origin, records: Iterable[Record], recipients: list[x25519.Recipient], signer: Signer
) -> Manifest:
    stream.write(MAGIC)
    payload, facts = _Measured(stream), Facts()
    # The index holds no value, so it may wait on the disk as it is.
    with tempfile.TemporaryFile(dir=folder) as spool:
        index = _Measured(spool)
        seal(_lines(records, payload, index, facts), payload, recipients)
        spool.seek(0)
        shutil.copyfileobj(spool, stream)
    manifest = manifest_of(origin, payload.stretch, index.stretch, facts)
    note = write_note(manifest, signer).encode()
    stream.write(note + f"{len(note):0{LENGTH_DIGITS}}\n".encode())
    return manifest


def _lines(records: Iterable[Record], payload: _Measured, index: _Measured, facts: Facts) -> Iterator[bytes]:
    key = secrets.token_bytes(KEY_BYTES)
    payload.lines += 1
    yield key_line(key)
    for record in records:
        line = line_of(record)
        facts.note(record)
        index.write(index_line(record, fingerprint(key, line)))
        index.lines += 1
        payload.lines += 1
        yield line


def _refuse_there(file: Path) -> None:
    if file.exists():
        raise Usage(f"{file} is there already (a backup is never written over)")


def _forget(file: Path) -> None:
    with suppress(OSError):  # what went wrong before is what is told
        file.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    """Without this, a power failure may take the rename back."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
