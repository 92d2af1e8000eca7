"""What looks leave for later ones: small JSON under names, kept with the events."""

from __future__ import annotations

import json
from typing import Any

from .database import Database

_TABLES = ("CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL, written DOUBLE PRECISION NOT NULL)",)


class Notes:
    """Whoever has claimed a subject writes its notes, so no two write one at once. Raises Unavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def prepare(self) -> None:
        self._database.prepare(_TABLES)

    def write(self, name: str, value: Any) -> None:
        with self._database.transaction() as run:
            run(
                "INSERT INTO notes (name, value, written) VALUES (%s, %s, EPOCH())"
                " ON CONFLICT (name) DO UPDATE SET value = excluded.value, written = excluded.written",
                name,
                json.dumps(value),
            )

    def read(self, name: str) -> Any:
        """What was written; None where nothing was."""
        with self._database.transaction() as run:
            found = run("SELECT value FROM notes WHERE name = %s", name)
        return json.loads(found[0][0]) if found else None

    def below(self, folder: str) -> dict[str, Any]:
        """The notes whose names begin with a text, by name."""
        with self._database.transaction() as run:
            rows = run("SELECT name, value FROM notes WHERE substr(name, 1, %s) = %s", len(folder), folder)
        return {name: json.loads(value) for name, value in rows}

    def strike(self, name: str) -> None:
        with self._database.transaction() as run:
            run("DELETE FROM notes WHERE name = %s", name)

    def forget(self, folder: str, seconds: float) -> None:
        """Strike the notes of a folder that nobody wrote for so long."""
        with self._database.transaction() as run:
            run("DELETE FROM notes WHERE substr(name, 1, %s) = %s AND written < EPOCH() - %s", len(folder), folder, seconds)
