"""Encrypted files as a store: `PATH/v000012.enc` for each version, and `HEAD`, which says which is the newest.

A put writes and syncs the version beside its place and links it there. The link fails where the name is taken: that is
the check-and-set, and unlike a file opened with O_EXCL it is never half a version. Then HEAD is replaced, and the unfinished
name removed last, so that it tells a put that was killed from a HEAD that somebody put back: in the first case readers go
on with what HEAD says, and the next writer finishes the put; in the second everything is refused. A whole folder that is
put back as it once was cannot be told from here; the audit log can.

Locks are the kernel's, on the folders themselves: whoever dies lets go, and there is nothing to tidy up.
"""

from __future__ import annotations

import datetime
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from ..core.errors import BackendError, Conflict
from . import file_disk as disk
from .file_disk import HEAD, META, in_words, locked, secret_folder, version_file
from .file_keyring import Keyring, opened
from .file_seal import Head, Masters, new_id, read_head, seal, unseal, write_head
from .file_slots import Slot
from .store import Held, Tampered, Version, checked_path, checked_value

R = TypeVar("R")

NO_MASTERS = Masters("", 0, {})  # of a store that does not exist yet, where nothing is read with them
_NUMBER = re.compile(r"[1-9][0-9]{0,15}")


class _Found(NamedTuple):
    """A folder as it stands: its head, whether a put was killed after it, and what is left of puts that were."""

    head: Head | None
    unfinished: bool = False
    left: tuple[str, ...] = ()


def _now() -> str:
    return datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class FileStore:
    """A folder of encrypted files. Safe to use from many threads and processes of one machine."""

    def __init__(self, name: str, root: Path, slots: Sequence[Slot], now: Callable[[], str] = _now) -> None:
        self.name = name
        self.root = root
        self.keyring = Keyring(root, slots)
        self._now = now

    def get(self, path: str, version: str = "") -> Held | None:
        return self._steadily(path, lambda: self._get(path, version))

    def put(self, path: str, value: Mapping[str, str], expected: str | None = None) -> str:
        sent = checked_value(checked_path(path), value)
        with in_words(path, "write"), self.writing(path) as (masters, head):
            self._expect(path, head, expected)
            return self._add(masters, path, head, {"made": self._now(), "value": sent})

    def list(self, prefix: str = "") -> tuple[str, ...]:
        with in_words(prefix, "list"):
            return tuple(sorted(path for path in self.paths() if path.startswith(prefix) and self._is_there(path)))

    def versions(self, path: str) -> tuple[Version, ...]:
        return self._steadily(path, lambda: self._versions(path))

    def metadata(self, path: str) -> Mapping[str, str]:
        return self._steadily(path, lambda: self._metadata(self.keyring.masters(), path))

    def annotate(self, path: str, metadata: Mapping[str, str]) -> None:
        with in_words(checked_path(path), "write"), self.writing(path) as (masters, _):
            known = {**self._metadata(masters, path), **metadata}
            disk.replace(self.folder(path), META, seal(masters, path, 0, new_id(), known))

    def delete(self, path: str) -> None:
        with in_words(checked_path(path), "delete"):
            if not self.folder(path).is_dir():
                return
            with self.writing(path) as (masters, head):
                if head and not head.absent:
                    self._add(masters, path, head, {"made": self._now(), "gone": "deleted"})

    def destroy(self, path: str, version: str) -> None:
        with in_words(checked_path(path), "delete"):
            if not _NUMBER.fullmatch(version) or not self.folder(path).is_dir():
                return
            with self.writing(path) as (masters, head):
                if head and int(version) <= head.version and int(version) not in head.destroyed:
                    doomed = replace(head, destroying=(int(version),))
                    disk.replace(self.folder(path), HEAD, write_head(masters, doomed))
                    self._finish_destroying(masters, doomed)

    def probe(self) -> str:
        try:
            with in_words("", "read"):
                self.keyring.masters()
        except (BackendError, Tampered) as error:
            return str(error)
        return ""

    def paths(self) -> Iterator[str]:
        """Every path that anything was ever written for."""
        for folder, _, files in os.walk(self.root):
            if Path(folder) != self.root and any(name in (HEAD, META) or disk.version_number(name) for name in files):
                yield disk.secret_path(self.root, Path(folder))

    def folder(self, path: str) -> Path:
        return secret_folder(self.root, path)

    def _steadily(self, path: str, read: Callable[[], R]) -> R:
        """Read without a lock; what looks wrong is read once more under one, since a writer may have been at it."""
        with in_words(checked_path(path), "read"):
            try:
                return read()
            except Tampered:
                if not self.folder(path).is_dir():
                    raise
                with locked(self.folder(path), alone=False):
                    return read()

    def _get(self, path: str, version: str) -> Held | None:
        masters, head = self._look(path)
        if head is None or (not version and head.absent):
            return None
        number = int(version) if _NUMBER.fullmatch(version) else 0 if version else head.version
        content = self._content(masters, head, number) if 1 <= number <= head.version else {}
        return Held(content["value"], str(number)) if "value" in content else None

    def _versions(self, path: str) -> tuple[Version, ...]:
        masters, head = self._look(path)
        return tuple(self._version(masters, head, number) for number in range(head.version, 0, -1)) if head else ()

    def _look(self, path: str) -> tuple[Masters, Head | None]:
        masters = self.keyring.masters()
        return (masters, self._settled(masters, path).head) if masters else (NO_MASTERS, None)

    def _settled(self, masters: Masters, path: str) -> _Found:
        """The head of a path, held against the versions that lie there. Raises Tampered."""
        folder = self.folder(path)
        try:
            names = os.listdir(folder)
        except (FileNotFoundError, NotADirectoryError):
            return _Found(None)
        left = tuple(name for name in names if name.startswith(disk.UNFINISHED))
        newest = max(map(disk.version_number, names)) if names else 0
        raw, where = disk.read(folder / HEAD), str(folder / HEAD)
        head = read_head(masters, path, raw, where) if raw is not None else None
        known = head.version if head else 0
        if newest == known or (head and newest < known and set(range(newest + 1, known + 1)) <= head.unreadable):
            return _Found(head, False, left)
        if newest == known + 1 and any(disk.is_unfinished(name, version_file(newest)) for name in left):
            return _Found(head, True, left)
        if newest < known:
            raise Tampered("gone", str(folder / version_file(known)), "HEAD names this version, and it is not there")
        raise Tampered("replayed" if head else "gone", where, f"it is older than {version_file(newest)}, which lies beside it")

    @contextmanager
    def writing(self, path: str) -> Iterator[tuple[Masters, Head | None]]:
        """Hold the path alone, on the newest master key, with what a killed put left finished."""
        self.keyring.masters(make=True)
        folder = self.folder(path)
        disk.make_folders(self.root, folder)
        # The root is shared by writers: the master key cannot be rotated away under one.
        with locked(self.root, alone=False), locked(folder, alone=True):
            masters = opened(self.keyring.masters())
            found = self._settled(masters, path)
            head = self._finish(masters, path, found.head) if found.unfinished else found.head
            if head and head.destroying:
                head = self._finish_destroying(masters, head)
            for name in found.left:
                (folder / name).unlink()
            yield masters, head

    def _finish(self, masters: Masters, path: str, head: Head | None) -> Head:
        """Give a version that a killed put left without a head its head."""
        number = head.version + 1 if head else 1
        file = self.folder(path) / version_file(number)
        sealed, content = unseal(masters, path, number, disk.read(file) or b"", str(file))
        done = _following(path, head, number, sealed.id, content)
        disk.replace(self.folder(path), HEAD, write_head(masters, done))
        return done

    def _finish_destroying(self, masters: Masters, head: Head) -> Head:
        folder = self.folder(head.path)
        for number in head.destroying:
            (folder / version_file(number)).unlink(missing_ok=True)
        done = replace(head, destroyed=tuple(sorted({*head.destroyed, *head.destroying})), destroying=())
        disk.replace(folder, HEAD, write_head(masters, done))
        return done

    def _expect(self, path: str, head: Head | None, expected: str | None) -> None:
        there = "" if head is None or head.absent else str(head.version)
        if expected is not None and expected != there:
            raise Conflict(f"{path}: somebody else wrote it in {self.name} meanwhile (read it again)", path=path)

    def _add(self, masters: Masters, path: str, head: Head | None, content: Mapping[str, Any]) -> str:
        folder, number, name = self.folder(path), head.version + 1 if head else 1, new_id()
        new = disk.unfinished(folder, version_file(number), seal(masters, path, number, name, content))
        os.link(new, folder / version_file(number))
        # The folder is synced once, after HEAD: file systems with a journal keep the order of what happens in one folder.
        # Where one does not, HEAD names a version that is not there, which is an error and never an older value.
        added = _following(path, head, number, name, content)
        disk.replace(folder, HEAD, write_head(masters, added))
        new.unlink()
        return str(number)

    def _content(self, masters: Masters, head: Head, number: int) -> dict[str, Any]:
        file = self.folder(head.path) / version_file(number)
        raw = disk.read(file)
        if number in head.destroyed and raw is not None:
            raise Tampered("replayed", str(file), "this version was destroyed")
        if number in head.unreadable:
            return {}
        if raw is None:
            raise Tampered("gone", str(file), "this version was written, and it is not there")
        sealed, content = unseal(masters, head.path, number, raw, str(file))
        if number == head.version and sealed.id != head.id:
            raise Tampered("replayed", str(file), "it is not the version that HEAD speaks of")
        return content

    def _is_there(self, path: str) -> bool:
        head = self._steadily(path, lambda: self._look(path)[1])
        return head is not None and not head.absent

    def _version(self, masters: Masters, head: Head, number: int) -> Version:
        content = self._content(masters, head, number)
        return Version(str(number), content.get("made", ""), "value" in content)

    def _metadata(self, masters: Masters | None, path: str) -> dict[str, str]:
        file = self.folder(path) / META
        raw = disk.read(file)
        return unseal(masters, path, 0, raw, str(file))[1] if masters and raw is not None else {}


def _following(path: str, head: Head | None, number: int, name: str, content: Mapping[str, Any]) -> Head:
    """The head that a new version makes."""
    return Head(path, number, name, "gone" in content, head.destroyed if head else (), head.destroying if head else ())
