"""The folder of one secret in the encrypted store: what lies in it, held against its head, and how a version is added.

A put writes and syncs the version beside its place and links it there. The link fails where the name is taken: that is
the check-and-set, and unlike a file opened with O_EXCL it is never half a version. Then HEAD is replaced, and the unfinished
name removed last, so that it tells a put that was killed from a HEAD that somebody put back: in the first case readers go
on with what HEAD says, and the next writer finishes the put; in the second everything is refused. A whole folder that is
put back as it once was cannot be told from here; the audit log can.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from . import file_disk as disk
from .file_disk import HEAD, META, version_file
from .file_seal import Head, Masters, new_id, read_head, seal, unseal, write_head
from .store import Tampered


class Found(NamedTuple):
    """A folder as it stands: its head, whether a put was killed after it, and what is left of puts that were."""

    head: Head | None
    unfinished: bool = False
    left: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SecretFolder:
    """One secret's folder and the keys to read it with. What changes it must hold its lock."""

    at: Path
    path: str
    masters: Masters

    def look(self) -> Found:
        """The head, held against the versions that lie there. Raises Tampered."""
        try:
            names = os.listdir(self.at)
        except (FileNotFoundError, NotADirectoryError):
            return Found(None)
        left = tuple(name for name in names if name.startswith(disk.UNFINISHED))
        newest = max(map(disk.version_number, names)) if names else 0
        raw, where = disk.read(self.at / HEAD), str(self.at / HEAD)
        head = read_head(self.masters, self.path, raw, where) if raw is not None else None
        known = head.version if head else 0
        if newest == known or (head and newest < known and set(range(newest + 1, known + 1)) <= head.unreadable):
            return Found(head, False, left)
        if newest == known + 1 and any(disk.is_unfinished(name, version_file(newest)) for name in left):
            return Found(head, True, left)
        if newest < known:
            raise Tampered("gone", str(self.at / version_file(known)), "HEAD names this version, and it is not there")
        raise Tampered("replayed" if head else "gone", where, f"it is older than {version_file(newest)}, which lies beside it")

    def content(self, head: Head, number: int) -> dict[str, Any]:
        """What a version holds; empty where it was destroyed. Raises Tampered."""
        file = self.at / version_file(number)
        raw = disk.read(file)
        if number in head.destroyed and raw is not None:
            raise Tampered("replayed", str(file), "this version was destroyed")
        if number in head.unreadable:
            return {}
        if raw is None:
            raise Tampered("gone", str(file), "this version was written, and it is not there")
        sealed, content = unseal(self.masters, self.path, number, raw, str(file))
        if number == head.version and sealed.id != head.id:
            raise Tampered("replayed", str(file), "it is not the version that HEAD speaks of")
        return content

    def metadata(self) -> dict[str, str]:
        file = self.at / META
        raw = disk.read(file)
        return unseal(self.masters, self.path, 0, raw, str(file))[1] if raw is not None else {}

    def annotate(self, metadata: Mapping[str, str]) -> None:
        disk.replace(self.at, META, seal(self.masters, self.path, 0, new_id(), {**self.metadata(), **metadata}))

    def add(self, head: Head | None, content: Mapping[str, Any]) -> Head:
        """Write the next version."""
        number, name = head.version + 1 if head else 1, new_id()
        new = disk.unfinished(self.at, version_file(number), seal(self.masters, self.path, number, name, content))
        os.link(new, self.at / version_file(number))
        # The folder is synced once, after HEAD: file systems with a journal keep the order of what happens in one folder.
        # Where one does not, HEAD names a version that is not there, which is an error and never an older value.
        added = self._following(head, number, name, content)
        self._replace_head(added)
        new.unlink()
        return added

    def destroy(self, head: Head, number: int) -> None:
        """Nobody is given the version any more, from the first step on."""
        doomed = replace(head, destroying=(number,))
        self._replace_head(doomed)
        self._finish_destroying(doomed)

    def finish(self, found: Found) -> Head | None:
        """Do what killed ones left to be done."""
        head = self._finish_put(found.head) if found.unfinished else found.head
        if head and head.destroying:
            head = self._finish_destroying(head)
        for name in found.left:
            (self.at / name).unlink()
        return head

    def reseal(self, head: Head | None) -> int:
        """Encrypt anew what an older master key still opens. Returns how many files that were."""
        count = 0
        for name in sorted(os.listdir(self.at)):
            number = disk.version_number(name)
            if not number and name != META:
                continue
            file = self.at / name
            sealed, content = unseal(self.masters, self.path, number, disk.read(file) or b"", str(file))
            if sealed.master != self.masters.newest:
                disk.replace(self.at, name, seal(self.masters, self.path, number, sealed.id, content))
                count += 1
        if head:
            self._replace_head(head)
        return count

    def _finish_put(self, head: Head | None) -> Head:
        """Give a version that a killed put left without a head its head."""
        number = head.version + 1 if head else 1
        file = self.at / version_file(number)
        sealed, content = unseal(self.masters, self.path, number, disk.read(file) or b"", str(file))
        done = self._following(head, number, sealed.id, content)
        self._replace_head(done)
        return done

    def _finish_destroying(self, head: Head) -> Head:
        for number in head.destroying:
            (self.at / version_file(number)).unlink(missing_ok=True)
        done = replace(head, destroyed=tuple(sorted({*head.destroyed, *head.destroying})), destroying=())
        self._replace_head(done)
        return done

    def _replace_head(self, head: Head) -> None:
        disk.replace(self.at, HEAD, write_head(self.masters, head))

    def _following(self, head: Head | None, number: int, name: str, content: Mapping[str, Any]) -> Head:
        """The head that a new version makes."""
        return Head(self.path, number, name, "gone" in content, head.destroyed if head else (), head.destroying if head else ())
