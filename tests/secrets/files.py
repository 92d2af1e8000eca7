"""Encrypted stores for tests that are not about passphrases: one key, no derivation that is slow on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from reconciler.secrets.file_seal import decrypt, encrypt
from reconciler.secrets.file_slots import Closed, Kept, bound
from reconciler.secrets.file_store import FileStore


class QuickSlot(NamedTuple):
    """A slot that is opened by a key at hand."""

    name: str = "quick"
    key: bytes = bytes(32)
    sort: str = "quick"

    def wrap(self, secret: bytes, store: str) -> dict[str, Any]:
        return {"wrapped": encrypt(self.key, secret, bound(self, store)).hex()}

    def unwrap(self, kept: Kept, store: str) -> bytes:
        try:
            secret = decrypt(self.key, bytes.fromhex(kept["wrapped"]), bound(self, store))
        except (KeyError, ValueError):
            secret = None
        if secret is None:
            raise Closed("wrong key")
        return secret

    def is_like(self, kept: Kept) -> bool:
        return True


def quick_store(root: Path) -> FileStore:
    return FileStore("files", root, [QuickSlot()])
