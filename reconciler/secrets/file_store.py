"""Encrypted files as a store: a folder a secret, with `v000012.enc` for each version and `HEAD`, which says which is the newest.

Locks are the kernel's, on the folders themselves: whoever dies lets go, and there is nothing to tidy up.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from ..core.errors import BackendError, Conflict, Missing, Usage
from . import file_disk as disk
from .file_disk import HEAD, in_words, locked, secret_folder
from .file_folder import SecretFolder
from .file_keyring import Keyring, opened
from .file_seal import Head, Masters
from .file_slots import Slot
from .store import Held, Tampered, Version, checked_path, checked_value

R = TypeVar("R")

_NUMBER = re.compile(r"[1-9][0-9]{0,15}")


class _Seen(NamedTuple):
    """A secret's folder and its head, where there is a store and a secret."""

    folder: SecretFolder
    head: Head


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class FileStore:
    """A folder of encrypted files. Safe to use from many threads and processes of one machine."""

    def __init__(self, name: str, root: Path, slots: Sequence[Slot], now: Callable[[], str] = _now) -> None:
        self.name = name
        self.root = root
        self.keyring = Keyring(root, slots)
        self._now = now

    def check(self, path: str, value: Mapping[str, str]) -> None:
        checked_value(checked_path(path), value)
        if not disk.fits(path):
            raise Usage(
                f"{path}: {self.name} cannot hold a secret of this name (a file system takes {disk.LONGEST_NAME} bytes between two /)"
            )

    def get(self, path: str, version: str = "") -> Held | None:
        return self._steadily(path, lambda: self._get(path, version))

    def put(self, path: str, value: Mapping[str, str], expected: str | None = None) -> str:
        self.check(path, value)
        with in_words(path, "write"), self.writing(path) as (folder, head):
            self._expect(path, head, expected)
            return str(folder.add(head, {"made": self._now(), "value": dict(value)}).version)

    def list(self, prefix: str = "") -> tuple[str, ...]:
        with in_words(prefix, "list"):
            return tuple(sorted(path for path in self.paths() if path.startswith(prefix) and self._is_there(path)))

    def versions(self, path: str) -> tuple[Version, ...]:
        return self._steadily(path, lambda: self._versions(path))

    def metadata(self, path: str) -> Mapping[str, str]:
        return self._steadily(path, lambda: self._metadata(path))

    def annotate(self, path: str, metadata: Mapping[str, str]) -> None:
        with in_words(checked_path(path), "write"), self.writing(path) as (folder, head):
            if head is None:
                raise Missing(f"{path}: there is no such secret in {self.name}", path=path)
            folder.annotate(head, metadata)

    def delete(self, path: str) -> None:
        with in_words(checked_path(path), "delete"):
            if not self._is_folder(path):
                return
            with self.writing(path) as (folder, head):
                if head and not head.absent:
                    folder.add(head, {"made": self._now(), "gone": "deleted"})

    def destroy(self, path: str, version: str) -> None:
        with in_words(checked_path(path), "delete"):
            if not _NUMBER.fullmatch(version) or not self._is_folder(path):
                return
            with self.writing(path) as (folder, head):
                if head and head.is_readable(int(version)):
                    folder.destroy(head, int(version))

    def probe(self) -> str:
        try:
            with in_words("", "read"):
                self.keyring.masters()
        except (BackendError, Tampered) as error:
            return str(error)
        return ""

    def paths(self) -> Iterator[str]:
        """Every path that anything was ever written for."""
        for folder, _, files in os.walk(self.root, onerror=_stop):
            if Path(folder) != self.root and any(name == HEAD or disk.version_number(name) for name in files):
                yield disk.secret_path(self.root, Path(folder))

    def folder(self, path: str) -> Path:
        return secret_folder(self.root, path)

    def _is_folder(self, path: str) -> bool:
        return disk.fits(path) and self.folder(path).is_dir()

    def _steadily(self, path: str, read: Callable[[], R]) -> R:
        """Read without a lock; what looks wrong is read once more under one, since a writer may have been at it."""
        with in_words(checked_path(path), "read"):
            try:
                return read()
            except Tampered:
                if not self._is_folder(path):
                    raise
                with locked(self.folder(path), alone=False):
                    return read()

    def _get(self, path: str, version: str) -> Held | None:
        seen = self._look(path)
        if seen is None or (not version and seen.head.absent):
            return None
        number = int(version) if _NUMBER.fullmatch(version) else 0 if version else seen.head.version
        content = seen.folder.content(seen.head, number) if 1 <= number <= seen.head.version else {}
        return Held(content["value"], str(number)) if "value" in content else None

    def _versions(self, path: str) -> tuple[Version, ...]:
        seen = self._look(path)
        return tuple(_version(seen, number) for number in range(seen.head.version, 0, -1)) if seen else ()

    def _metadata(self, path: str) -> dict[str, str]:
        seen = self._look(path)
        return seen.folder.metadata(seen.head) if seen else {}

    def _is_there(self, path: str) -> bool:
        seen = self._steadily(path, lambda: self._look(path))
        return seen is not None and not seen.head.absent

    def _look(self, path: str) -> _Seen | None:
        masters = self.keyring.masters()
        if masters is None or not disk.fits(path):
            return None
        folder = self._opened(path, masters)
        head = folder.look().head
        return _Seen(folder, head) if head else None

    def _opened(self, path: str, masters: Masters) -> SecretFolder:
        return SecretFolder(self.folder(path), path, masters)

    @contextmanager
    def writing(self, path: str) -> Iterator[tuple[SecretFolder, Head | None]]:
        """Hold the path alone, on the newest master key, with what a killed put left finished."""
        self.keyring.masters(make=True)
        at = self.folder(path)
        disk.make_folders(self.root, at)
        # The root is shared by writers: the master key cannot be rotated away under one.
        with locked(self.root, alone=False), locked(at, alone=True):
            folder = self._opened(path, opened(self.keyring.masters()))
            head = folder.finish(folder.look())
            if head is None:
                disk.sync_above(self.root, at)
            yield folder, head

    def _expect(self, path: str, head: Head | None, expected: str | None) -> None:
        there = "" if head is None or head.absent else str(head.version)
        if expected is not None and expected != there:
            raise Conflict(f"{path}: somebody else wrote it in {self.name} meanwhile (read it again)", path=path)


def _version(seen: _Seen, number: int) -> Version:
    content = seen.folder.content(seen.head, number)
    return Version(str(number), content.get("made", ""), "value" in content)


def _stop(error: OSError) -> None:
    # `os.walk` passes over folders that it cannot read: a list with holes, and after a rotation secrets that nothing opens.
    if not isinstance(error, FileNotFoundError):
        raise error
