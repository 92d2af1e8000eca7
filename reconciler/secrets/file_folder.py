"""The folder of one secret in the encrypted store: what lies in it, held against its head, and how a version is added.

A put writes and syncs the version beside its place and links it there. The link fails where the name is taken: that is
the check-and-set, and unlike a file opened with O_EXCL it is never half a version. Then HEAD is replaced, and the unfinished
name removed last, so that it tells a put that was killed from a HEAD that somebody put back: in the first case readers go
on with what HEAD says, and the next writer finishes the put; in the second everything is refused. A whole folder that is
put back as it once was cannot be told from here; the audit log can.

HEAD knows the id of every version. Metadata is a file with a number of its own, which HEAD names: so no file that is put
back alone is taken for what counts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from . import file_disk as disk
from .file_disk import HEAD, metadata_file, version_file
from .file_seal import Head, Masters, new_id, read_head, seal, unseal, write_head
from .store import Tampered


class Found(NamedTuple):
    """A folder as it stands: its head, whether a put was killed after it, and files that killed ones left."""

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
        """The head, held against the files that lie there. Raises Tampered."""
        try:
            names = os.listdir(self.at)
        except (FileNotFoundError, NotADirectoryError):
            return Found(None)
        left = tuple(name for name in names if name.startswith(disk.UNFINISHED))
        newest = max(map(disk.version_number, names), default=0)
        raw, where = disk.read(self.at / HEAD), str(self.at / HEAD)
        head = read_head(self.masters, self.path, raw, where) if raw is not None else None
        stray = self._stray(head, {disk.metadata_number(name) for name in names} - {0})
        known = head.version if head else 0
        if newest == known or (head and newest < known and not any(map(head.is_readable, range(newest + 1, known + 1)))):
            return Found(head, False, left + stray)
        if newest == known + 1 and any(disk.is_unfinished(name, version_file(newest)) for name in left):
            return Found(head, True, left + stray)
        if newest < known:
            raise Tampered("gone", str(self.at / version_file(known)), "HEAD names this version, and it is not there")
        raise Tampered("replayed" if head else "gone", where, f"it is older than {version_file(newest)}, which lies beside it")

    def _stray(self, head: Head | None, there: set[int]) -> tuple[str, ...]:
        """Files of metadata that killed ones left: one that HEAD does not know yet, or one that it does not speak of any more."""
        named = head.metadata if head else 0
        if named and named not in there:
            raise Tampered("gone", str(self.at / metadata_file(named)), "HEAD names this metadata, and it is not there")
        if there and max(there) > named + 1:
            raise Tampered("replayed", str(self.at / HEAD), f"it is older than {metadata_file(max(there))}, which lies beside it")
        return tuple(map(metadata_file, sorted(there - {named})))

    def content(self, head: Head, number: int) -> dict[str, Any]:
        """What a version holds; empty where it was destroyed. Raises Tampered."""
        file = self.at / version_file(number)
        raw = disk.read(file)
        if not head.ids[number - 1] and raw is not None:
            raise Tampered("replayed", str(file), "this version was destroyed")
        if not head.is_readable(number):
            return {}
        if raw is None:
            raise Tampered("gone", str(file), "this version was written, and it is not there")
        sealed, content = unseal(self.masters, self.path, number, raw, str(file))
        if sealed.id != head.ids[number - 1]:
            raise Tampered("replayed", str(file), "it is not the version that HEAD speaks of")
        return content

    def metadata(self, head: Head) -> dict[str, str]:
        if not head.metadata:
            return {}
        file = self.at / metadata_file(head.metadata)
        raw = disk.read(file)
        if raw is None:
            raise Tampered("gone", str(file), "HEAD names this metadata, and it is not there")
        return unseal(self.masters, self.path, -head.metadata, raw, str(file))[1]

    def annotate(self, head: Head, metadata: Mapping[str, str]) -> None:
        number = head.metadata + 1
        content = {**self.metadata(head), **metadata}
        disk.replace(self.at, metadata_file(number), seal(self.masters, self.path, -number, new_id(), content))
        self._replace_head(replace(head, metadata=number))
        (self.at / metadata_file(head.metadata)).unlink(missing_ok=True)

    def add(self, head: Head | None, content: Mapping[str, Any]) -> Head:
        """Write the next version."""
        number, name = head.version + 1 if head else 1, new_id()
        new = disk.unfinished(self.at, version_file(number), seal(self.masters, self.path, number, name, content))
        os.link(new, self.at / version_file(number))
        # The folder is synced once, after HEAD: file systems with a journal keep the order of what happens in one folder.
        # Where one does not, HEAD names a version that is not there, which is an error and never an older value.
        added = self._following(head, name, content)
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
            number = disk.version_number(name) or -disk.metadata_number(name)
            if not number:
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
        done = self._following(head, sealed.id, content)
        self._replace_head(done)
        return done

    def _finish_destroying(self, head: Head) -> Head:
        for number in head.destroying:
            (self.at / version_file(number)).unlink(missing_ok=True)
        ids = tuple("" if number in head.destroying else name for number, name in enumerate(head.ids, 1))
        done = replace(head, ids=ids, destroying=())
        self._replace_head(done)
        return done

    def _following(self, head: Head | None, name: str, content: Mapping[str, Any]) -> Head:
        """The head that a new version makes."""
        before = head or Head(self.path, ())
        return replace(before, ids=(*before.ids, name), gone="gone" in content)

    def _replace_head(self, head: Head) -> None:
        disk.replace(self.at, HEAD, write_head(self.masters, head))
