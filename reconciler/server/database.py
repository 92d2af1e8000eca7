"""Where the server keeps events: a database behind three words, and SQLite as one.

SQL is written once, in what SQLite and PostgreSQL have in common, with `%s` for values, `EPOCH()` for the time (seconds
since 1970 by the one clock that all clients of the database see) and `SERIAL_KEY` for the type of a numbered key.
PostgreSQL is a backend (`reconciler.backends.postgres_database`), of the same shape.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol

from ..core.errors import ReconcilerError, Unavailable

BUSY_SECONDS = 10.0  # another connection of this process may be writing


class Transaction(Protocol):
    """Runs one statement and returns its rows."""

    def __call__(self, sql: str, *values: Any) -> Sequence[tuple[Any, ...]]: ...


class Database(Protocol):
    """Safe to use from many threads. Raises Unavailable."""

    def prepare(self, tables: Sequence[str]) -> None:
        """Make tables, each by a statement that does nothing where it is there."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Whole or not at all, and once it is left, on the disk."""

    def close(self) -> None: ...


class SqliteDatabase:
    """One file, for one server on one machine. What was committed survives a crash of the machine."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()  # SQLite has one writer; waiting here is fairer than in its busy loop
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch(0o600)
            self._connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA journal_mode=WAL")
            self._connection.execute("PRAGMA synchronous=FULL")  # WAL alone would lose the last commits with the power
            self._connection.create_function("EPOCH", 0, time.time)
        except (sqlite3.Error, OSError) as error:
            raise ReconcilerError(f"{path}: cannot be opened as a database: {error}") from None

    def prepare(self, tables: Sequence[str]) -> None:
        with self.transaction() as run:
            for table in tables:
                run(table.replace("SERIAL_KEY", "INTEGER PRIMARY KEY AUTOINCREMENT"))

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with self._lock, _translated(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._run
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _run(self, sql: str, *values: Any) -> Sequence[tuple[Any, ...]]:
        return self._connection.execute(sql.replace("%s", "?"), values).fetchall()


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:  # its texts name tables and files, no values
        raise Unavailable(f"{path}: {error}", path=str(path)) from None
