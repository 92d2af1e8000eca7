"""How many known KV v2 secrets lie beneath a path pattern."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable

from .patterns import family

# Below a KV v2 mount the same secret is reached through several of these.
_VIEWS = ("data", "metadata", "delete", "undelete", "destroy", "subkeys")
_LAST = "\U0010ffff"  # greater than any sign of a path


class Beneath:
    """The secrets of one place. `names` are MOUNT/PATH; `mounts` are the known mounts, which tell where MOUNT ends."""

    def __init__(self, names: Iterable[str], mounts: Collection[str] = ()) -> None:
        self._mounts: set[str] = set()
        data, metadata = [], []
        for name in names:
            mount = _mount(name, mounts)
            self._mounts.add(mount)
            data.append(f"{mount}/data/{name[len(mount) + 1 :]}")
            metadata.append(f"{mount}/metadata/{name[len(mount) + 1 :]}")
        self._views = (sorted(data), sorted(metadata))

    def count(self, pattern: str) -> int | None:
        """How many secrets a rule's path reaches; None where it is not known which secrets there are."""
        start = pattern.partition("*")[0].partition("+")[0]
        mount = next((mount for mount in self._mounts if start.startswith(f"{mount}/") or f"{mount}/".startswith(start)), None)
        if mount is None:
            return None
        view, _, rest = pattern.removeprefix(f"{mount}/").partition("/")
        if start.startswith(f"{mount}/") and view in _VIEWS:
            pattern = f"{mount}/data/{rest}"
        return max(_covered(pattern, view) for view in self._views)


def _mount(name: str, mounts: Collection[str]) -> str:
    path = name.rpartition("/")[0]
    while path and path not in mounts:
        path = path.rpartition("/")[0]
    return path or name.partition("/")[0]


def _covered(pattern: str, paths: list[str]) -> int:
    whole = family(pattern)
    start = whole.beginning
    first, last = bisect_left(paths, start), bisect_right(paths, start + _LAST)
    return last - first if whole.open and not whole.wild else sum(whole.covers(path) for path in paths[first:last])
