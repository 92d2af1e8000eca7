"""kill -9 of the real process at random points: readers never notice, and the next run goes on.

How many kills: ROTATION_KILLS. The processes share one interpreter's start-up by forking, or two hundred would take minutes.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable

import pytest

from tests.cli.site import Site, forked
from tests.rotation.kv import read
from tests.rotation.orders import document, login, new_database, value

KILLS = int(os.environ.get("ROTATION_KILLS", "200"))
LONGEST = 0.35  # seconds of life at first: a whole rotation takes about as long


def kill_some(site: Site, count: int, seed: int, looks: Callable[[], None]) -> None:
    """Start rotations and kill them after a random while, until `count` of them died of it and did not end before."""
    draw, killed, longest = random.Random(seed), 0, LONGEST
    while killed < count:
        process = forked(site, "rotate", "--secret-path", draw.choice(PATHS)) if draw.random() < 0.7 else forked(site, "rotate", "--all")
        time.sleep(draw.uniform(0, longest))
        os.kill(process, signal.SIGKILL)
        _, status = os.waitpid(process, 0)
        killed += os.WIFSIGNALED(status)
        longest *= 1.05 if os.WIFSIGNALED(status) else 0.95  # as long as half of them live through, on a machine of any speed
        looks()


PATHS = ("db/orders", "webhooks/github")
HOOK = """
kind: secret
name: webhooks/github
spec: {store: vault, type: webhook_secret, generate: {length: 48}, rotation: hooks}
---
kind: rotation_policy
name: hooks
spec: {interval_days: 30, overlap_hours: 0, consumer_cache: 0}
"""


@pytest.fixture
def busy(site: Site, database: str) -> Site:
    new_database(site, database)
    site.write("desired-state/orders.yaml", document())
    site.write("desired-state/hooks.yaml", HOOK)
    site.commit()
    assert site.run("rotate", "--all").code == 0
    return site


def test_readers_notice_nothing_of_kills_and_the_next_run_goes_on(busy: Site) -> None:
    seen: set[str] = set()
    hooks: set[str] = set()

    def looks() -> None:
        held, hook = value(busy), read(busy, "webhooks/github")
        seen.add(held["password"])
        assert login(held)
        assert hook
        hooks.add(hook["value"])

    kill_some(busy, KILLS, 20260501, looks)
    assert len(seen) > 3
    assert len(hooks) > 3
    for path in PATHS:
        ran = busy.run("rotate", "--secret-path", path)
        assert ran.code == 0, ran.out + ran.err
    phases = {one["phase"] for one in busy.run("rotate", "status", "-o", "json").json}
    assert phases == {"IDLE"}
    assert login(value(busy))
    assert busy.run("audit", "verify").code == 0
    journal = busy.run("audit", "export").out
    assert journal.count('"type":"outcome"') >= journal.count('"type":"intent"')
    assert not any(password in journal for password in seen | hooks)


def test_three_rotators_at_once_that_are_killed_break_nothing(busy: Site) -> None:
    draw = random.Random(7)
    for _ in range(max(2, KILLS // 40)):
        processes = [forked(busy, "rotate", "--secret-path", "db/orders") for _ in range(3)]
        time.sleep(draw.uniform(0.05, LONGEST))
        for process in processes[: draw.randint(1, 3)]:
            os.kill(process, signal.SIGKILL)
        for process in processes:
            os.waitpid(process, 0)
        assert login(value(busy))
    ran = busy.run("rotate", "--secret-path", "db/orders")
    assert ran.code == 0, ran.out + ran.err
    assert login(value(busy))


def test_a_stopped_rotator_that_wakes_up_much_later_breaks_nothing(busy: Site) -> None:
    draw = random.Random(11)
    for _ in range(max(2, KILLS // 40)):
        sleeper = forked(busy, "rotate", "--secret-path", "db/orders")
        time.sleep(draw.uniform(0.02, LONGEST))
        os.kill(sleeper, signal.SIGSTOP)
        for _ in range(2):
            assert busy.run("rotate", "--secret-path", "db/orders").code == 0
        os.kill(sleeper, signal.SIGCONT)
        os.waitpid(sleeper, 0)
        assert login(value(busy))
    assert busy.run("rotate", "--all").code == 0
    assert login(value(busy))
