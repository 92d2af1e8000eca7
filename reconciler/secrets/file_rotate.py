"""Rotating the master key of the encrypted store: everything is encrypted anew, then the old key is destroyed.

From the first step on the keyring holds both keys and all writes use the new one, so readers and writers go on meanwhile.
Killed anywhere, it is begun again and goes on: what is sealed with the new key already is left alone.
"""

from __future__ import annotations

import os

from . import file_disk as disk
from .file_disk import HEAD, META
from .file_seal import seal, unseal, write_head
from .file_store import FileStore


def rotate_master(store: FileStore) -> int:
    """Returns how many files were encrypted anew. Raises Tampered at the first that is not what was written."""
    with disk.in_words("", "write"), store.keyring.rotating():
        return sum(_reseal(store, path) for path in sorted(store.paths()))


def _reseal(store: FileStore, path: str) -> int:
    folder = store.folder(path)
    count = 0
    with store.writing(path) as (masters, head):
        for name in sorted(os.listdir(folder)):
            number = disk.version_number(name)
            if not number and name != META:
                continue
            file = folder / name
            sealed, content = unseal(masters, path, number, disk.read(file) or b"", str(file))
            if sealed.master != masters.newest:
                disk.replace(folder, name, seal(masters, path, number, sealed.id, content))
                count += 1
        if head:
            disk.replace(folder, HEAD, write_head(masters, head))
    return count
