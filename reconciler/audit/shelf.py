"""What the log needs of the place where it is kept: a folder, or the ledger's store. The ledger's shelves are such places."""

from __future__ import annotations

from typing import Protocol


class Kept(Protocol):
    """What lies under a key, and the version by which it may be replaced."""

    @property
    def content(self) -> bytes: ...
    @property
    def version(self) -> str: ...


class Shelf(Protocol):
    """Keys to bytes, as `reconciler.ledger.shelf` has it. Raises BackendErrors in words."""

    def get(self, key: str) -> Kept | None: ...

    def put(self, key: str, content: bytes, expected: str) -> str:
        """Replace what has the `expected` version ("": what must not exist). Raises Conflict."""
        ...

    def add(self, key: str, content: bytes) -> None:
        """Keep content that is the same whenever it is written under this key."""
        ...

    def delete(self, key: str) -> None:
        """Remove a key with all its versions."""
        ...

    def keys(self, prefix: str) -> tuple[str, ...]: ...
