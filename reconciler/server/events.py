"""Events: what the server was told or told itself, kept until it is done.

A webhook only says "look": an event names a subject (`branch`, `pull/7`, `drift`), and one look at a subject answers all
events about it that had come before. So a worker claims a subject, with all of its events.

* **Once**: `key` is unique. A copy of a delivery is a duplicate on every replica, whatever else was forgotten.
* **Never lost**: an event is on the disk before its sender hears 202, and stays open until a look has ended.
* **One at a time**: a subject is claimed for a lease, which is renewed. Of a worker that died the lease ends, of one that
  stops the claim is given back. Whoever lost its claim ends nothing: events carry the token of the latest claim.

Bodies of webhooks are not kept: what to do is asked of git and the forge.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import NamedTuple

from .database import Database, Transaction

LEASE_SECONDS = 30.0
KEPT_SECONDS = 7 * 86400.0  # longer than any sender sends again
MOST_OPEN = 100_000  # beyond this somebody floods us, or nobody works
ATTEMPTS_AT_ONCE = 5  # of taking a subject that other replicas go for too

_TABLES = (
    "CREATE TABLE IF NOT EXISTS events (id SERIAL_KEY, key TEXT NOT NULL UNIQUE, source TEXT NOT NULL, name TEXT NOT NULL,"
    " subject TEXT NOT NULL, note TEXT NOT NULL, received DOUBLE PRECISION NOT NULL, due DOUBLE PRECISION NOT NULL,"
    " attempts INTEGER NOT NULL DEFAULT 0, claim TEXT NOT NULL DEFAULT '', finished DOUBLE PRECISION, outcome TEXT NOT NULL DEFAULT '')",
    "CREATE INDEX IF NOT EXISTS events_open ON events (subject, due) WHERE finished IS NULL",
    "CREATE INDEX IF NOT EXISTS events_finished ON events (finished) WHERE finished IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS claims (subject TEXT PRIMARY KEY, token TEXT NOT NULL, owner TEXT NOT NULL,"
    " until DOUBLE PRECISION NOT NULL)",
)


class News(NamedTuple):
    """Something to look at. `key` is the same for every copy; `note` is a word for people, nothing that is acted on."""

    key: str
    source: str  # a webhook's name, or "timer", "server"
    name: str  # the sender's word for it
    subject: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """News as they are kept. Times are seconds since 1970."""

    id: int
    key: str
    source: str
    name: str
    subject: str
    note: str
    received: float
    attempts: int
    finished: float | None
    outcome: str


class Claim(NamedTuple):
    """A subject that is ours to look at, and the events about it."""

    subject: str
    token: str
    events: tuple[Event, ...]

    @property
    def attempts(self) -> int:
        return max((event.attempts for event in self.events), default=0)


class Events:
    """The events of one server or of several. `lease` is in seconds. Raises Unavailable where the database does."""

    def __init__(self, database: Database, owner: str, *, lease: float = LEASE_SECONDS) -> None:
        self._database = database
        self._owner = owner
        self.lease = lease

    def prepare(self, *, alone: bool) -> None:
        """Make what is missing. `alone`: no other server uses this database, so whoever held a claim is dead."""
        self._database.prepare(_TABLES)
        if alone:
            with self._database.transaction() as run:
                run("DELETE FROM claims")

    def add(self, news: News) -> bool:
        """Keep news. True once they are on the disk; False where they are known already."""
        with self._database.transaction() as run:
            added = run(
                "INSERT INTO events (key, source, name, subject, note, received, due)"
                " VALUES (%s, %s, %s, %s, %s, EPOCH(), EPOCH()) ON CONFLICT (key) DO NOTHING RETURNING id",
                *news,
            )
        return bool(added)

    def knows(self, key: str) -> bool:
        """Whether a copy of this was kept before."""
        with self._database.transaction() as run:
            return bool(run("SELECT 1 FROM events WHERE key = %s", key))

    def take(self, only: str = "") -> Claim | None:
        """Claim the subject that has waited longest, with all its open events, or `only` that one. None where nothing is due."""
        token = secrets.token_hex(8)
        for _ in range(ATTEMPTS_AT_ONCE):
            with self._database.transaction() as run:
                waiting = self._waiting(run, only)
                if not waiting:
                    return None
                taken = run(
                    "INSERT INTO claims AS held (subject, token, owner, until) VALUES (%s, %s, %s, EPOCH() + %s)"
                    " ON CONFLICT (subject) DO UPDATE SET token = excluded.token, owner = excluded.owner, until = excluded.until"
                    " WHERE held.until <= EPOCH() RETURNING subject",
                    waiting,
                    token,
                    self._owner,
                    self.lease,
                )
                if taken:
                    return Claim(waiting, token, self._mark(run, waiting, token))
        return None

    def _waiting(self, run: Transaction, only: str) -> str:
        found = run(
            "SELECT subject FROM events WHERE finished IS NULL AND due <= EPOCH() AND NOT EXISTS"
            " (SELECT 1 FROM claims WHERE claims.subject = events.subject AND until > EPOCH())"
            " AND (%s = '' OR subject = %s) ORDER BY due, id LIMIT 1",
            only,
            only,
        )
        return str(found[0][0]) if found else ""

    def _mark(self, run: Transaction, subject: str, token: str) -> tuple[Event, ...]:
        """Also those that wait for another attempt: one look answers them all."""
        rows = run(
            "UPDATE events SET claim = %s WHERE subject = %s AND finished IS NULL"
            " RETURNING id, key, source, name, subject, note, received, attempts, finished, outcome",
            token,
            subject,
        )
        return tuple(sorted((Event(*row) for row in rows), key=lambda event: event.id))

    def renew(self, claim: Claim) -> bool:
        """Hold a claim for another lease. False where somebody else has it now."""
        with self._database.transaction() as run:
            sql = "UPDATE claims SET until = EPOCH() + %s WHERE subject = %s AND token = %s RETURNING subject"
            return bool(run(sql, self.lease, claim.subject, claim.token))

    def finish(self, claim: Claim, outcome: str) -> int:
        """End what was claimed. Returns how many events that were: none where the claim was lost."""
        with self._database.transaction() as run:
            ended = run(
                "UPDATE events SET finished = EPOCH(), outcome = %s WHERE claim = %s AND finished IS NULL RETURNING id",
                outcome,
                claim.token,
            )
            self._free(run, claim)
        return len(ended)

    def put_off(self, claim: Claim, seconds: float, why: str) -> None:
        """Try again later."""
        with self._database.transaction() as run:
            run(
                "UPDATE events SET due = EPOCH() + %s, attempts = attempts + 1, outcome = %s, claim = ''"
                " WHERE claim = %s AND finished IS NULL",
                seconds,
                why,
                claim.token,
            )
            self._free(run, claim)

    def give_back(self, claim: Claim) -> None:
        """Let another worker have it at once."""
        with self._database.transaction() as run:
            self._free(run, claim)

    def _free(self, run: Transaction, claim: Claim) -> None:
        run("DELETE FROM claims WHERE subject = %s AND token = %s", claim.subject, claim.token)

    def open(self) -> int:
        """How many wait or are worked on."""
        with self._database.transaction() as run:
            return int(run("SELECT count(*) FROM events WHERE finished IS NULL")[0][0])

    def latest(self, limit: int, before: int | None = None) -> tuple[Event, ...]:
        """Newest first; with `before`, those older than that id."""
        with self._database.transaction() as run:
            rows = run(
                "SELECT id, key, source, name, subject, note, received, attempts, finished, outcome"
                " FROM events WHERE id < %s ORDER BY id DESC LIMIT %s",
                2**62 if before is None else before,
                limit,
            )
        return tuple(Event(*row) for row in rows)

    def forget(self) -> int:
        """Remove what ended long ago. Returns how many."""
        with self._database.transaction() as run:
            return len(run("DELETE FROM events WHERE finished < EPOCH() - %s RETURNING id", KEPT_SECONDS))

    def slot(self, seconds: float) -> int:
        """The number of the present interval: the same on all replicas, so that a timer of many rings once."""
        with self._database.transaction() as run:
            # PostgreSQL's is a decimal, which has nothing to do with floats.
            return int(float(run("SELECT EPOCH()")[0][0]) // seconds)
