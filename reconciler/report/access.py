"""Who gains or loses what, in words: one head for those to whom the same happens, one line for all paths where it does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, NamedTuple

from reconciler.core.resource import server_values
from reconciler.core.values import visible

SUBJECTS = 3  # names of those to whom the same happens; the rest is counted
MOST = 100  # heads of a plan: the first apply of a large repository gives thousands access, and the JSON names them all


class Effects(NamedTuple):
    """Who, and what happens to them: `gains read on genesis/data/* (3 secrets)`."""

    subject: str
    clauses: tuple[str, ...]


def access_effects(entries: Iterable[Mapping[str, Any]]) -> tuple[Effects, ...]:
    """A plan's `access` in its order: one head for all subjects to whom the same happens."""
    subjects: dict[str, dict[str, list[str]]] = {}
    for entry in entries:
        parts = [f"{verb} {', '.join(entry[verb])}" for verb in ("gains", "loses") if entry[verb]]
        paths = subjects.setdefault(entry["subject"], {}).setdefault(" and ".join(parts), [])
        paths.append(f"{_path(entry['path'])}{_count(entry.get('secrets'))}")
    alike: dict[tuple[str, ...], list[str]] = {}
    for subject, found in subjects.items():
        alike.setdefault(tuple(f"{what} on {', '.join(paths)}" for what, paths in found.items()), []).append(subject)
    told = [Effects(visible(_together(who)), tuple(map(visible, clauses))) for clauses, who in islice(alike.items(), MOST)]
    left = sum(map(len, islice(alike.values(), MOST, None)))
    return (*told, Effects(f"and {left:,} more (the JSON names all)", ())) if left else tuple(told)


def _together(subjects: Sequence[str]) -> str:
    more = len(subjects) - SUBJECTS
    return ", ".join(subjects) if more <= 0 else f"{', '.join(subjects[:SUBJECTS])} and {more:,} more"


def _path(path: str) -> str:
    """A path in which an object that is yet to be made stands by its address."""
    for value in server_values(path):
        path = path.replace(str(value), str(value.address))
    return path


def _count(secrets: int | None) -> str:
    return f" ({secrets:,} secret{'s' if secrets != 1 else ''})" if secrets else ""
