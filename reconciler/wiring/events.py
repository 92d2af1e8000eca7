"""Opens the database of the server's events."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from reconciler.core.errors import ReconcilerError, Usage
from reconciler.dev.state import ensure_state_folder
from reconciler.server.database import Database, SqliteDatabase
from reconciler.server.events import Events
from reconciler.server.notes import Notes
from reconciler.server.refusals import Refusals
from reconciler.settings import Settings

POSTGRES = ("postgresql://", "postgres://")
SQLITE = "sqlite:///"


class Kept(NamedTuple):
    """What a server keeps in its database."""

    events: Events
    notes: Notes
    refusals: Refusals


@contextmanager
def opened_events(settings: Settings, url: str, owner: str) -> Iterator[Kept]:
    """What is kept at a URL; without one, in a file of the repository's state folder. Raises Usage."""
    if url.startswith(POSTGRES):
        from reconciler.backends.postgres_database import PostgresDatabase

        with _prepared(PostgresDatabase(url), owner, alone=False) as found:
            yield found
        return
    if url and not url.startswith(SQLITE):
        raise Usage(f"a database is {SQLITE}FILE or {POSTGRES[0]}USER@HOST/NAME")
    path = Path(url.removeprefix(SQLITE)) if url else ensure_state_folder(settings.repo) / "serve.sqlite"
    with _alone(path.with_suffix(".lock")), _prepared(SqliteDatabase(path), owner, alone=True) as found:
        yield found


@contextmanager
def _prepared(database: Database, owner: str, *, alone: bool) -> Iterator[Kept]:
    try:
        kept = Kept(Events(database, owner), Notes(database), Refusals(database))
        kept.notes.prepare()
        kept.refusals.prepare()
        kept.events.prepare(alone=alone)
        yield kept
    finally:
        database.close()


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a lock that ends with the process, however it ends."""
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ReconcilerError(f"{path}: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        raise Usage(
            f"another `reconcile serve` uses {path.with_suffix('.sqlite')} (several servers share --database {POSTGRES[0]}...)"
        ) from None
    try:
        yield
    finally:
        os.close(file)
