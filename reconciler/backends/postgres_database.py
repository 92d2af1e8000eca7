"""PostgreSQL as the database that several servers share. psycopg is imported on first use."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from ..core.errors import Invalid, Problem, Unavailable

if TYPE_CHECKING:
    import psycopg

CONNECT_SECONDS = 5
STATEMENT_MILLISECONDS = 10_000
KEPT = 8  # connections: as many as threads that use it at once


class Transaction(Protocol):
    def __call__(self, sql: str, *values: Any) -> Sequence[tuple[Any, ...]]: ...


class PostgresDatabase:
    """One database by its connection string. Connections are opened as they are needed, and given up when they fail."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._free: list[psycopg.Connection] = []
        self._lock = threading.Lock()
        self._closed = False

    def prepare(self, tables: Sequence[str]) -> None:
        with self.transaction() as run:
            # One at a time: two that create what does not exist yet fail one of them, IF NOT EXISTS or not.
            run("SELECT pg_advisory_xact_lock(7237512020)")
            for table in tables:
                run(table.replace("SERIAL_KEY", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"))

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        with _translated():
            connection = self._take()
            try:
                with connection.transaction():
                    yield lambda sql, *values: _run(connection, sql, values)
            finally:
                self._give_back(connection)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            free, self._free = self._free, []
        for connection in free:
            connection.close()

    def _take(self) -> psycopg.Connection:
        import psycopg

        with self._lock:
            if self._free:
                return self._free.pop()
        options = f"-c statement_timeout={STATEMENT_MILLISECONDS} -c lock_timeout={STATEMENT_MILLISECONDS}"
        return psycopg.connect(self._url, connect_timeout=CONNECT_SECONDS, options=options, autocommit=True)

    def _give_back(self, connection: psycopg.Connection) -> None:
        with self._lock:
            if not self._closed and not connection.closed and not connection.broken and len(self._free) < KEPT:
                self._free.append(connection)
                return
        connection.close()


def _run(connection: psycopg.Connection, sql: str, values: Sequence[Any]) -> Sequence[tuple[Any, ...]]:
    cursor = connection.execute(sql.replace("EPOCH()", "extract(epoch FROM clock_timestamp())").encode(), values)
    return cursor.fetchall() if cursor.description else ()


@contextmanager
def _translated() -> Iterator[None]:
    """Let nothing of psycopg out: its errors hold statements and connection strings."""
    import psycopg

    try:
        yield
    except psycopg.ProgrammingError as error:
        if error.sqlstate is None:
            raise Invalid([Problem("--database", "", "is no connection string", "postgresql://USER@HOST/NAME")]) from None
        raise Unavailable(f"the database refuses ({error.sqlstate})", path="database") from None
    except psycopg.Error as error:
        raise Unavailable(f"the database failed ({error.sqlstate or type(error).__name__})", path="database") from None
