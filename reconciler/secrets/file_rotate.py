"""Rotating the master key of the encrypted store: everything is encrypted anew, then the old key is destroyed.

From the first step on the keyring holds both keys and all writes use the new one, so readers and writers go on meanwhile.
Killed anywhere, it is begun again and goes on: what is sealed with the new key already is left alone.
"""

from __future__ import annotations

import os

from . import file_disk as disk
from .file_disk import HEAD, META
from .file_seal import Masters, seal, unseal, write_head
from .file_store import FileStore


def rotate_master(store: FileStore) -> int:
    """Returns how many files were encrypted anew. Raises Tampered at the first that is not what was written."""
    with disk.in_words("", "write"):
        masters = store.keyring.begin_rotation()
        count = sum(_reseal(store, masters, path) for path in sorted(store.paths()))
        store.keyring.end_rotation()
    return count


def _reseal(store: FileStore, masters: Masters, path: str) -> int:
    folder = store.folder(path)
    count = 0
    with store.writing(path) as (_, head):
        names = {disk.version_number(name): name for name in os.listdir(folder) if disk.version_number(name)}
        for number, name in sorted({**names, **({0: META} if (folder / META).exists() else {})}.items()):
            file = folder / name
            sealed, content = unseal(masters, path, number, disk.read(file) or b"", str(file))
            if sealed.master != masters.newest:
                disk.replace(folder, name, seal(masters, path, number, sealed.id, content))
                count += 1
        if head:
            disk.replace(folder, HEAD, write_head(masters, head))
    return count
