"""Rotating the master key of the encrypted store: everything is encrypted anew, then the old key is destroyed.

From the first step on the keyring holds both keys and all writes use the new one, so readers and writers go on meanwhile.
Killed anywhere, it is begun again and goes on: what is sealed with the new key already is left alone.
"""

from __future__ import annotations

from .file_disk import in_words
from .file_store import FileStore


def rotate_master(store: FileStore) -> int:
    """Returns how many files were encrypted anew. Raises Tampered at the first that is not what was written."""
    with in_words("", "write"), store.keyring.rotating():
        return sum(_reseal(store, path) for path in sorted(store.paths()))


def _reseal(store: FileStore, path: str) -> int:
    with store.writing(path) as (folder, head):
        return folder.reseal(head)
