"""One of several servers on one database and one Redis, whose looks only write down what they looked at.

python -m tests.server.replica DATABASE REDIS
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from typing import Any

from reconciler.backends.postgres_database import PostgresDatabase
from reconciler.edge.endpoints import Endpoint, TimedSecret
from reconciler.edge.limits import Limit
from reconciler.edge.redis_limits import RedisCounters
from reconciler.server.api import Api
from reconciler.server.app import Declared, Means, composed
from reconciler.server.events import Claim, Events
from reconciler.server.listen import listening
from reconciler.server.live import Live
from reconciler.server.metrics import Metrics
from reconciler.server.notes import Notes
from reconciler.server.run import Course, run
from reconciler.server.watching import Watch
from reconciler.server.worker import Workers
from tests.server.deployment import KEY

LEASE = 3.0  # seconds: a replica that was killed is missed this long
SECONDS = 0.02  # of a look


def look(database: PostgresDatabase, name: str, claim: Claim) -> str:
    """Write down which events were looked at, as something that must not happen twice at once would."""
    time.sleep(SECONDS)
    with database.transaction() as write:
        for event in claim.events:
            write("INSERT INTO looked (key, subject, token, replica) VALUES (%s, %s, %s, %s)", event.key, claim.subject, claim.token, name)
    return f"looked by {name}"


async def secrets(_path: str) -> list[TimedSecret]:
    return [TimedSecret(KEY.encode())]


def main(url: str, redis: str) -> None:
    database, name = PostgresDatabase(url), str(os.getpid())
    database.prepare(["CREATE TABLE IF NOT EXISTS looked (key TEXT NOT NULL, subject TEXT, token TEXT, replica TEXT)"])
    events, notes = Events(database, name, lease=LEASE), Notes(database)
    events.prepare(alone=False)
    notes.prepare()
    workers = Workers(events, {"branch": partial(look, database, name), "pull": partial(look, database, name)}, count=2)
    nothing: Any = lambda *_: None  # noqa: E731  # nobody asks the API
    api = Api(
        "genesis", "prod", "main", events, notes, Watch(list), workers.wake, str, list, nothing, nothing, lambda _principal: False, nothing
    )
    counters = RedisCounters(redis)
    means = Means(api, Metrics("genesis", "prod", dict, events.open), secrets, lambda _network: (), counters)
    endpoint = Endpoint("github", "github", "webhooks/github")
    live = Live(composed(Declared({"/webhooks/github": endpoint}, [Limit("all", 1_000_000, 60.0)]), means))

    async def prepare() -> None: ...

    course = Course(prepare, workers.start, workers.stop, lambda: None, workers.join, listening=lambda at: print(at, flush=True))
    run(listening(live, "127.0.0.1", 0, None), course)


if __name__ == "__main__":
    main(*sys.argv[1:])
