"""The ledger in a folder: for one machine, or a file system whose locks all machines honour."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..core.errors import BackendError, Conflict, Denied, Unavailable
from .shelf import Entry

_GUARD = ".guard"
_IGNORE = ".gitignore"
_UNFINISHED = ".new-"
PATIENCE_SECONDS = 20.0  # writing takes milliseconds, and the slowest of disks some seconds
POLL_SECONDS = 0.005


class FileShelf:
    """One file a key below a folder. Files are written beside their place, synced and renamed: whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, key: str) -> Entry | None:
        with _in_words(key, "read"):
            return _read(self._folder / key)

    def put(self, key: str, content: bytes, expected: str) -> str:
        with _in_words(key, "write"), self._alone():
            found = _read(self._folder / key)
            if (found.version if found else "") != expected:
                raise Conflict(f"{key} in {self._folder} was written by somebody else (plan again)", path=key)
            _write(self._folder / key, content)
        return _version(content)

    def add(self, key: str, content: bytes) -> None:
        with _in_words(key, "write"):
            # Written again even if it is there: what is there may be the torn file of a machine that lost power.
            _write(self._folder / key, content)

    def delete(self, key: str) -> None:
        with _in_words(key, "delete"):
            (self._folder / key).unlink(missing_ok=True)

    def keys(self, prefix: str) -> tuple[str, ...]:
        with _in_words(prefix, "list"):
            files = (self._folder / prefix).rglob("*")
            return tuple(sorted(file.relative_to(self._folder).as_posix() for file in files if _is_entry(file)))

    def prepare(self) -> None:
        with _in_words("", "create"):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # It may lie in the repository itself, and holds a key: `git add --all` must not take it.
            if not (self._folder / _IGNORE).exists():
                (self._folder / _IGNORE).write_text("*\n", encoding="utf-8")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep other processes and threads out. The kernel lets go when a process dies."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        guard = os.open(self._folder / _GUARD, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _lock(guard, self._folder)
            yield
        finally:
            os.close(guard)


def _lock(guard: int, folder: Path) -> None:
    """Wait, but not for ever: a process that was stopped in the middle of a write must not hold up all others. Raises Unavailable."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return fcntl.flock(guard, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise Unavailable(f"{folder}: another process writes it, and does not end (is it stopped?)", path=str(folder)) from None
            time.sleep(POLL_SECONDS)  # flock has no deadline of its own


def _is_entry(file: Path) -> bool:
    return file.is_file() and file.name not in (_GUARD, _IGNORE) and not file.name.startswith(_UNFINISHED)


def _version(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _read(file: Path) -> Entry | None:
    try:
        content = file.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return Entry(content, _version(content))


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    new = file.with_name(f"{_UNFINISHED}{uuid.uuid4().hex}")
    try:
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        new.replace(file)
    except BaseException:
        new.unlink(missing_ok=True)  # a full disk must not be filled further by what could not be finished
        raise
    _sync_folder(file.parent)


def _sync_folder(folder: Path) -> None:
    """Without this, a power failure may take the rename back."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def _in_words(key: str, capability: str) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise Denied(f"{error.filename}: no permission to {capability} the ledger's file", path=key, capability=capability) from None
    except OSError as error:
        raise BackendError(f"{error.filename or 'the ledger'}: {error.strerror or type(error).__name__}", path=key) from None
