"""What the stores have: every path that anything was written for, and its versions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, Protocol, runtime_checkable

from ..core.errors import ReconcilerError
from ..secrets.store import SecretStore, Version

READERS = 16


class Held(NamedTuple):
    """One secret in one store. `unread`: why its versions are not known."""

    store: str
    path: str
    versions: tuple[Version, ...] = ()
    """Newest first."""
    unread: str = ""


@runtime_checkable
class EveryPath(Protocol):
    """A store that can tell of secrets which were deleted, too."""

    def paths(self) -> Iterator[str]: ...


def holdings(store: SecretStore) -> list[Held]:
    """Everything in a store; where it cannot be listed, one entry that says why."""
    try:
        paths = list(store.paths()) if isinstance(store, EveryPath) else list(store.list())
    except ReconcilerError as error:
        return [Held(store.name, "", unread=str(error))]
    except OSError as error:
        return [Held(store.name, "", unread=f"{error.filename}: {error.strerror}")]
    return look(store, paths)


def look(store: SecretStore, paths: Iterable[str]) -> list[Held]:
    """The versions of some secrets."""

    def read(path: str) -> Held:
        try:
            return Held(store.name, path, store.versions(path))
        except ReconcilerError as error:
            return Held(store.name, path, unread=str(error))

    with ThreadPoolExecutor(READERS, thread_name_prefix="versions") as pool:
        return sorted(pool.map(read, paths))
