"""The two databases that the server can keep its events in, empty."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reconciler.backends.postgres_database import PostgresDatabase
from reconciler.server.database import Database, SqliteDatabase
from tests.kinds.postgres import PASSWORD, PORT

DATABASES = ("sqlite", "postgresql")


def new_postgres() -> str:
    """Make an empty database on the worker's PostgreSQL; return its URL."""
    import psycopg

    server = f"postgresql://vault:{PASSWORD}@127.0.0.1:{PORT}"
    name = f"events_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return f"{server}/{name}"


@contextmanager
def empty_database(sort: str, folder: Path) -> Iterator[Database]:
    made: Database = SqliteDatabase(folder / "events.sqlite") if sort == "sqlite" else PostgresDatabase(new_postgres())
    try:
        yield made
    finally:
        made.close()
