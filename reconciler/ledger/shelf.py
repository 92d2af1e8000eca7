"""A shelf: the few operations that a place must have to hold a ledger."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Entry(NamedTuple):
    """What is kept under one key, and the version by which it may be replaced."""

    content: bytes
    version: str


class Shelf(Protocol):
    """Keys to bytes. Keys are paths such as `state/abc`. Raises Denied, Unavailable and other BackendErrors in words.

    A version may return when the same content returns (S3, files): whoever relies on check-and-set must never write
    the same content twice. Head and lock hold a counter for that.
    """

    def get(self, key: str) -> Entry | None:
        """Return what is kept; None if nothing is, or the place itself does not exist."""

    def put(self, key: str, content: bytes, expected: str) -> str:
        """Replace what has the `expected` version ("": what must not exist); return the new version. Raises Conflict."""

    def add(self, key: str, content: bytes) -> None:
        """Keep content under a key that is derived from it: to write it again is fine."""

    def delete(self, key: str) -> None:
        """Remove a key with all its versions; one that is not there is fine."""

    def keys(self, prefix: str) -> tuple[str, ...]:
        """List all keys below a folder (`""` or `state/`), at any depth, sorted."""

    def prepare(self) -> None:
        """Make the place if it is absent, and return when it can be written. Only an apply does this."""


class Below(NamedTuple):
    """A folder of a shelf, as a shelf."""

    shelf: Shelf
    folder: str

    def get(self, key: str) -> Entry | None:
        return self.shelf.get(self.folder + key)

    def put(self, key: str, content: bytes, expected: str) -> str:
        return self.shelf.put(self.folder + key, content, expected)

    def add(self, key: str, content: bytes) -> None:
        self.shelf.add(self.folder + key, content)

    def delete(self, key: str) -> None:
        self.shelf.delete(self.folder + key)

    def keys(self, prefix: str) -> tuple[str, ...]:
        return tuple(key.removeprefix(self.folder) for key in self.shelf.keys(self.folder + prefix))

    def prepare(self) -> None:
        self.shelf.prepare()
