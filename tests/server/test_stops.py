"""SIGTERM, twice, at any moment: what a sender was told is taken is looked at by this server or by the next."""

from __future__ import annotations

import http.client
import signal
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from tests.server.deployment import PATIENCE, Deployment, Running, ask_on, pull_event, signed, until
from tests.server.test_serving import idle, send


@contextmanager
def flooded(server: Running) -> Iterator[list[int]]:
    """Send webhooks all the time, each about another pull request; yields the numbers of those that were taken."""
    taken: list[int] = []
    ended = threading.Event()

    def flood() -> None:
        number = 0
        with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
            while not ended.is_set():
                number += 1
                headers, text = signed("pull_request", pull_event("opened", number))
                try:
                    status, _ = ask_on(connection, "POST", "/webhooks/github", headers, text)
                except (OSError, http.client.HTTPException):
                    return
                if status == 202:
                    taken.append(number)
                time.sleep(0.02)  # a flood that the next server can work off in a moment

    thread = threading.Thread(target=flood)
    thread.start()
    try:
        yield taken
    finally:
        ended.set()
        thread.join()


def kept(deployed: Deployment) -> dict[str, str]:
    """What the database has of each pull request that was announced: the outcome, or nothing yet."""
    with closing(sqlite3.connect(deployed.clone / ".reconcile" / "serve.sqlite")) as database:
        return dict(database.execute("SELECT subject, coalesce(outcome, '') FROM events WHERE subject LIKE 'pull/%'").fetchall())


WIDE = "kind: rate_limit\nname: wide\nspec: {routes: [/*], limit: 1000000}\n"


@pytest.mark.parametrize(
    ("pause", "again"), [(0.0, 0.05), (0.4, 0.0)], ids=["twice in a row, at the start", "twice at once, in the middle"]
)
def test_a_stop_in_a_flood_of_webhooks_loses_none_that_was_taken(deployed: Deployment, pause: float, again: float) -> None:
    deployed.site.write("desired-state/wide.yaml", WIDE)
    deployed.push()
    deployed.site.apply()
    deployed.site.git("-C", str(deployed.clone), "pull", "--quiet", "--ff-only")
    with deployed.serving() as server, flooded(server) as taken:
        until(lambda: taken, "some are taken")
        time.sleep(pause)  # the moment of the signal is what the parameters vary
        server.process.send_signal(signal.SIGTERM)
        time.sleep(again)
        server.process.send_signal(signal.SIGTERM)
        assert server.ends() == 0, "".join(server.said)
    assert "Traceback" not in "".join(server.said)
    assert {f"pull/{number}" for number in taken} <= set(kept(deployed))
    with deployed.serving() as after:
        until(lambda: idle(after, deployed), "the next server looks at what is left")
    found = kept(deployed)
    assert all(found[f"pull/{number}"] for number in taken)


def test_a_stop_while_the_server_comes_up_loses_nothing_that_was_taken_before(deployed: Deployment) -> None:
    with deployed.serving() as server:
        assert send(server, "pull_request", pull_event("opened", 7))[0] == 202
        server.process.kill()
        server.ends()
    for pause in (0.3, 0.9):
        with deployed.start() as process:
            time.sleep(pause)  # somewhere in its start
            process.terminate()
            process.terminate()
            process.communicate(timeout=PATIENCE)
            # Before its handlers are there, the signal ends it as it ends anything; nothing was begun then.
            assert process.returncode in (0, -signal.SIGTERM)
    assert "pull/7" in kept(deployed)
    with deployed.serving() as server:
        until(lambda: kept(deployed)["pull/7"], "it is looked at")
