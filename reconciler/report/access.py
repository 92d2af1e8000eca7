"""Who gains or loses what, in words: one head a subject, one line for all paths on which the same happens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from reconciler.core.resource import server_values

from .structures import visible


class Effects(NamedTuple):
    """One subject, and what happens to it: `gains read on genesis/data/* (3 secrets)`."""

    subject: str
    clauses: tuple[str, ...]


def access_effects(entries: Iterable[Mapping[str, Any]]) -> tuple[Effects, ...]:
    """A plan's `access`, subject by subject, in its order."""
    subjects: dict[str, dict[str, list[str]]] = {}
    for entry in entries:
        parts = [f"{verb} {', '.join(entry[verb])}" for verb in ("gains", "loses") if entry[verb]]
        paths = subjects.setdefault(entry["subject"], {}).setdefault(" and ".join(parts), [])
        paths.append(f"{_path(entry['path'])}{_count(entry.get('secrets'))}")
    return tuple(
        Effects(visible(subject), tuple(visible(f"{what} on {', '.join(paths)}") for what, paths in found.items()))
        for subject, found in subjects.items()
    )


def _path(path: str) -> str:
    """A path in which an object that is yet to be made stands by its address."""
    for value in server_values(path):
        path = path.replace(str(value), str(value.address))
    return path


def _count(secrets: int | None) -> str:
    return f" ({secrets:,} secret{'s' if secrets != 1 else ''})" if secrets else ""
