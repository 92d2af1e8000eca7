"""Three servers on one PostgreSQL and one Redis, which are killed and restarted while webhooks come in.

By default 200 webhooks; RECONCILER_WEBHOOKS=5000 for the whole trial.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from reconciler.backends.postgres_database import PostgresDatabase
from tests.edge.redis_server import start_redis
from tests.server.databases import new_postgres
from tests.server.deployment import KEY, PATIENCE, ask_on, pull_event, signed, until

COUNT = int(os.environ.get("RECONCILER_WEBHOOKS", "200"))
DUPLICATES, FORGED = 0.2, 0.1
SENDERS = 6
KILLS = 4


class Replica:
    """A server process that is started anew when it was killed."""

    def __init__(self, database: str, redis: str) -> None:
        self._command = [sys.executable, "-m", "tests.server.replica", database, redis]
        self.lock = threading.Lock()
        self.port = 0
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the replica did not start"
        self.port = int(line.rpartition(":")[2])

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()

    def kill_and_start(self) -> None:
        self.kill()
        self.start()


def deliveries(count: int) -> list[tuple[bool, dict[str, str], bytes]]:
    """Genuine ones, copies of some, and forged ones, mixed."""
    chance = random.Random(7)
    genuine = [signed("pull_request", {**pull_event("synchronize", 1 + number % 12), "mark": number}) for number in range(count)]
    copies = [chance.choice(genuine) for _ in range(int(count * DUPLICATES))]
    forged = [
        signed("pull_request", {**pull_event("synchronize", 99), "mark": -number - 1}, "another-" + KEY)
        for number in range(int(count * FORGED))
    ]
    mixed = [(True, *one) for one in genuine + copies] + [(False, *one) for one in forged]
    chance.shuffle(mixed)
    return mixed


def deliver(replicas: list[Replica], delivery: tuple[bool, dict[str, str], bytes]) -> str:
    """Send until somebody answers for it, as a sender with patience does. Returns the word of the answer."""
    genuine, headers, body = delivery
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        port = random.choice(replicas).port
        try:
            with closing(HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
                status, answer = ask_on(connection, "POST", "/webhooks/github", headers, body)
        except (OSError, HTTPException):
            time.sleep(0.02)
            continue
        if status in (200, 202):
            return str(answer["status"])
        if status in (401, 403) and not genuine:
            return "refused"
        assert status in (429, 503), (status, answer)
        time.sleep(0.05)
    raise AssertionError("nobody took it")


@contextmanager
def trouble(replicas: list[Replica], restart_redis: Callable[[], None]) -> Iterator[None]:
    """Kill replicas one after the other, and Redis once, until the end of the block."""
    over = threading.Event()

    def cause() -> None:
        for number in range(KILLS):
            if over.wait(0.7):
                return
            replicas[number % len(replicas)].kill_and_start()
            if number == 1:
                restart_redis()

    thread = threading.Thread(target=cause)
    thread.start()
    try:
        yield
    finally:
        thread.join(PATIENCE)
        over.set()


def test_every_genuine_webhook_is_handled_once_and_no_forged_one_while_servers_and_redis_die(postgres: None, tmp_path: Path) -> None:
    database = new_postgres()
    with ExitStack() as stack:
        redis = stack.enter_context(ExitStack())
        server = redis.enter_context(start_redis(tmp_path))

        def restart_redis() -> None:
            redis.close()
            redis.enter_context(start_redis(tmp_path, port=server.port))

        replicas = [Replica(database, server.url) for _ in range(3)]
        for one in replicas:
            stack.callback(one.kill)
        events = stack.enter_context(closing(PostgresDatabase(database)))
        with trouble(replicas, restart_redis), ThreadPoolExecutor(SENDERS) as senders:
            words = Counter(senders.map(lambda one: deliver(replicas, one), deliveries(COUNT)))
        until(lambda: _count(events, "SELECT count(*) FROM events WHERE finished IS NULL") == 0, "all is looked at")
        assert words["refused"] == int(COUNT * FORGED)
        assert words["accepted"] <= COUNT <= words["accepted"] + words["duplicate"]
        assert _count(events, "SELECT count(*) FROM events") == COUNT
        assert _count(events, "SELECT count(*) FROM events WHERE subject = 'pull/99'") == 0
        assert _count(events, "SELECT count(DISTINCT key) FROM looked") == COUNT
        # The claim under which an event ended is one, and it was looked at under that one.
        ended = "SELECT count(*) FROM events JOIN looked ON looked.key = events.key AND looked.token = events.claim"
        assert _count(events, ended) == COUNT
        twice = "SELECT count(*) FROM (SELECT key FROM looked GROUP BY key, token HAVING count(*) > 1) AS again"
        assert _count(events, twice) == 0


def _count(database: PostgresDatabase, sql: str) -> int:
    with database.transaction() as run:
        return int(run(sql)[0][0])


@pytest.mark.parametrize("count", [4])
def test_copies_at_once_on_all_replicas_are_one(postgres: None, redis_url: str, count: int) -> None:
    replicas = [Replica(new_postgres(), redis_url)]
    replicas += [Replica(replicas[0]._command[-2], redis_url)]
    try:
        one = (True, *signed("push", {"ref": "refs/heads/main", "before": "0" * 40, "after": "a" * 40, "commits": []}))
        with ThreadPoolExecutor(count) as senders:
            words = Counter(senders.map(lambda _: deliver(replicas, one), range(count)))
        assert words == {"accepted": 1, "duplicate": count - 1}
    finally:
        for replica in replicas:
            replica.kill()
