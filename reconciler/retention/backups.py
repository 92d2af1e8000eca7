"""Backup files: which of an environment's own go."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..audit.note import Verifier
from ..backup.manifest import Manifest
from ..backup.reading import opened
from ..core.errors import ReconcilerError
from ..core.keeping import LegalHold
from .due import Due, Stays, Thing, divided

NEWEST = "it is the newest backup"


def look(folder: Path, project: str, environment: str, before: str, holds: Sequence[LegalHold], trusted: Sequence[Verifier]) -> Due:
    """What was made before a moment. Files are only what their signed manifests say; others are nobody's to delete here."""
    files = sorted(folder.glob("*.backup"), reverse=True)
    ripe = [file for file in files if _moment(file) < before]
    if not ripe:
        return Due()
    mine: list[Thing] = []
    unread: list[str] = []
    for file, manifest in _read(ripe, trusted):
        if isinstance(manifest, str):
            unread.append(f"{file.name}: {manifest}")
        elif (manifest.project, manifest.environment) == (project, environment) and _utc(manifest.made) < before:
            mine.append(Thing("backups", str(folder), file.name, "", _utc(manifest.made), _utc(manifest.made)))
    newest = max(mine, key=lambda thing: thing.ended, default=None)
    others = (manifest for _, manifest in _read([file for file in files if file not in ripe], trusted))
    if newest and not any(isinstance(one, Manifest) and _is_newer(one, newest, project, environment) for one in others):
        mine.remove(newest)
        return divided(mine, holds) | Due(staying=(Stays(newest, NEWEST),), unread=tuple(unread))
    return divided(mine, holds) | Due(unread=tuple(unread))


def _is_newer(one: Manifest, newest: Thing, project: str, environment: str) -> bool:
    # By what was signed: a file of any name may be as old as can be.
    return (one.project, one.environment) == (project, environment) and _utc(one.made) > newest.ended


def _read(files: Sequence[Path], trusted: Sequence[Verifier]) -> Iterator[tuple[Path, Manifest | str]]:
    for file in files:
        try:
            with opened(file, trusted) as backup:
                yield file, backup.manifest
        except ReconcilerError as error:
            yield file, str(error)


def _moment(file: Path) -> str:
    """When a file says by its name that it was made; for ever where it does not: only names spare reading them all."""
    try:
        return datetime.datetime.strptime(file.name[:16], "%Y%m%dT%H%M%SZ").strftime("%Y-%m-%dT%H:%M:%SZ")
    except ValueError:
        return "9999"


def _utc(made: str) -> str:
    return datetime.datetime.fromisoformat(made).astimezone(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
