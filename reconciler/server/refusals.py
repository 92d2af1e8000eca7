"""Requests that went no further, kept for a week: what an operator looks through after an attack, though the server was restarted.

* **No request waits for the disk**: what is refused is noted in memory, and written by a thread, all of a moment at once.
* **Bounded**: the same refusal of the same address is one row a moment, however often; a flood from everywhere fills no more
  than `MOST_NOTED` rows a moment, and the table holds the latest `MOST_KEPT`.
* **Nothing personal but the address**: reasons name nobody. Rows are forgotten after `KEPT_SECONDS`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from ..core.errors import Unavailable
from ..edge.blocked import Blocked
from ..edge.signatures import Notice, log_notice
from .database import Database

log = logging.getLogger(__name__)

WRITE_SECONDS = 2.0
MOST_NOTED = 200
MOST_KEPT = 5_000
KEPT_SECONDS = 7 * 86400.0
LONGEST_REASON = 300

_TABLES = (
    "CREATE TABLE IF NOT EXISTS refusals (id SERIAL_KEY, at DOUBLE PRECISION NOT NULL, source TEXT NOT NULL, status INTEGER NOT NULL,"
    " reason TEXT NOT NULL, address TEXT NOT NULL, times INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS refusals_at ON refusals (at)",
)
# Their own reasons name who asked, and who locked down.
_NAMELESS: Mapping[tuple[str, int], str] = {("route", 403): "not one of those who may", ("lockdown", 503): "everything is locked down"}


class Stopped(NamedTuple):
    """Requests of one address that were refused alike. `at`: when the last of them was, in seconds since 1970."""

    at: float
    by: str
    status: int
    reason: str
    address: str
    times: int = 1


class Refusals:
    """Safe to use from many threads."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._writing = threading.Lock()
        self._noted: dict[tuple[str, int, str, str], tuple[float, int]] = {}
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="refusals", daemon=True)

    def prepare(self) -> None:
        self._database.prepare(_TABLES)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()

    def join(self) -> None:
        """Write what is still in memory."""
        self._thread.join()

    def blocked(self, one: Blocked) -> None:
        self._note(one.by, one.status, _NAMELESS.get((one.by, one.status), one.reason), str(one.address or ""))

    def noticed(self, notice: Notice) -> None:
        """A webhook that was not taken. What is ignored or a duplicate was not refused."""
        log_notice(notice)
        if notice.status >= 400:
            # What could not be read is named behind the colon: that is for the log, not for all who may see refusals.
            reason = notice.reason.partition(":")[0] if notice.status >= 500 else notice.reason
            self._note(f"signature of {notice.webhook}", notice.status, reason, str(notice.address or ""))

    def _note(self, by: str, status: int, reason: str, address: str) -> None:
        key = (by, status, reason[:LONGEST_REASON], address)
        with self._lock:
            if key in self._noted or len(self._noted) < MOST_NOTED:
                self._noted[key] = self._clock(), self._noted.get(key, (0.0, 0))[1] + 1

    def latest(self, limit: int) -> Sequence[Stopped]:
        """Newest first, of all servers that share the database. Raises Unavailable."""
        self.write()
        with self._database.transaction() as run:
            rows = run("SELECT at, source, status, reason, address, times FROM refusals ORDER BY at DESC, id DESC LIMIT %s", limit)
        return [Stopped(*row) for row in rows]

    def write(self) -> None:
        """Put what is in memory on the disk, and strike what is too much. Raises Unavailable: then it is lost."""
        with self._writing:
            with self._lock:
                noted, self._noted = self._noted, {}
            if not noted:
                return
            with self._database.transaction() as run:
                for (by, status, reason, address), (at, times) in noted.items():
                    sql = "INSERT INTO refusals (at, source, status, reason, address, times) VALUES (%s, %s, %s, %s, %s, %s)"
                    run(sql, at, by, status, reason, address, times)
                run("DELETE FROM refusals WHERE id <= (SELECT max(id) FROM refusals) - %s", MOST_KEPT)

    def forget(self) -> None:
        """Strike what is old. Raises Unavailable."""
        with self._database.transaction() as run:
            run("DELETE FROM refusals WHERE at < EPOCH() - %s", KEPT_SECONDS)

    def _run(self) -> None:
        while True:
            ended = self._stopping.wait(WRITE_SECONDS)
            try:
                self.write()
            except Unavailable as error:
                log.warning("refused requests are not kept: %s", error)
            if ended:
                return
