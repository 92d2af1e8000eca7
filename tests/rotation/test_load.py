"""Rotation of a database password while consumers log in all the time with values they read up to two seconds ago."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter

import pytest

from reconciler.settings import Settings
from reconciler.wiring.stores import secret_client
from tests.cli.site import Site, forked
from tests.rotation.kv import read, write
from tests.rotation.orders import document, login, new_database, value

SECONDS = float(os.environ.get("ROTATION_LOAD_SECONDS", "12"))
CONSUMERS = 6
CACHE = 2.0
OVERLAP_HOURS = 0.001  # 3.6 s: longer than a consumer keeps what it read


class Consumers:
    """Threads that log in without a pause, each with its own two-second cache."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._over = threading.Event()
        self.logins: Counter[bool] = Counter()
        self.passwords: set[str] = set()
        self._threads = [threading.Thread(target=self._consume) for _ in range(CONSUMERS)]

    def __enter__(self) -> Consumers:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _consume(self) -> None:
        held, read_at = value(self._site), time.monotonic()
        while not self._over.is_set():
            if time.monotonic() - read_at >= CACHE:
                read_at = time.monotonic()  # an answer is as old as its question
                held = value(self._site)
            self.logins[login(held)] += 1
            self.passwords.add(held["password"])


@pytest.fixture
def busy(site: Site, database: str) -> Site:
    new_database(site, database)
    site.write("desired-state/orders.yaml", document(policy=f"interval_days: 30, overlap_hours: {OVERLAP_HOURS}, consumer_cache: 2s"))
    site.commit()
    return site


def test_no_login_fails_while_the_password_is_rotated_again_and_again(busy: Site) -> None:
    with Consumers(busy) as consumers:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            ran = busy.run("rotate", "--secret-path", "db/orders", "--watch")
            assert ran.code == 0, ran.out + ran.err
    print(f"{consumers.logins[True]} logins, {len(consumers.passwords)} passwords, {consumers.logins[False]} failed")
    assert consumers.logins[False] == 0
    assert len(consumers.passwords) >= 3
    assert consumers.logins[True] > 100


def test_no_login_fails_while_rotations_are_killed_every_second(busy: Site) -> None:
    killed = 0
    with Consumers(busy) as consumers:
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            process = forked(busy, "rotate", "--secret-path", "db/orders", "--watch")
            time.sleep(1)
            os.kill(process, signal.SIGKILL)
            killed += os.WIFSIGNALED(os.waitpid(process, 0)[1])
    print(f"{consumers.logins[True]} logins, {len(consumers.passwords)} passwords, {killed} kills, {consumers.logins[False]} failed")
    assert consumers.logins[False] == 0
    assert len(consumers.passwords) >= 2
    assert killed >= SECONDS // 2


HOOK = """
kind: secret
name: webhooks/github
spec:
  store: vault
  type: webhook_secret
  rotation: hooks
  consumers: [{consumers}]
  validate: {{command: [./check]}}
---
kind: rotation_policy
name: hooks
spec:
  interval_days: 90
  staged_rollout:
    enabled: true
    stages:
      - {{name: validation, duration_minutes: 0}}
      - {{name: canary, duration_minutes: 15, traffic_percentage: 20}}
      - {{name: production, traffic_percentage: 100}}
"""
NAMES = [f"receiver-{number}" for number in range(50)]


def test_a_rollout_whose_canary_reports_failures_is_taken_back_and_nobody_saw_a_broken_secret(site: Site) -> None:
    site.write("desired-state/hooks.yaml", HOOK.format(consumers=", ".join(NAMES)))
    site.write("check", "#!/bin/sh\nexit 0\n")
    (site.repo / "check").chmod(0o755)
    site.commit()
    write(site, "webhooks/github", {"value": "the-old-one"})
    ran = site.run("rotate", "--secret-path", "webhooks/github")
    assert ran.code == 0, ran.err
    assert "CANARY" in ran.out
    assert read(site, "webhooks/github") == {"value": "the-old-one"}, "who reads the store directly gets the current value"
    got = asked(site)
    fresh = {name for name, one in got.items() if one != "the-old-one"}
    assert 0 < len(fresh) < len(NAMES)
    assert len(set(got.values())) == 2
    status = site.run("rotate", "status").out
    assert f"covered {len(fresh)} of 50 consumers" in status
    assert "share of traffic: not measured" in status
    with secret_client(settings_of(site)) as stores:
        for name in NAMES:
            stores.report("webhooks/github", consumer=name, good=name != sorted(fresh)[0])
    ran = site.run("rotate", "--secret-path", "webhooks/github")
    assert ran.code == 5, "rolled back"
    assert sorted(fresh)[0] in ran.out
    assert set(asked(site).values()) == {"the-old-one"}
    assert read(site, "webhooks/github") == {"value": "the-old-one"}


def settings_of(site: Site) -> Settings:
    return Settings(site.repo, "", False, "text", site.environ)


def asked(site: Site) -> dict[str, str]:
    """What each consumer gets."""
    with secret_client(settings_of(site)) as stores:
        return {name: stores.get("webhooks/github", consumer=name)["value"] for name in NAMES}
