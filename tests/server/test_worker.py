"""Looks are begun, ended, put off and given back, whatever becomes of them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from reconciler.core.errors import ReconcilerError, Unavailable
from reconciler.core.health import Health, State
from reconciler.server.database import SqliteDatabase
from reconciler.server.events import Claim, Events, News
from reconciler.server.notes import Notes
from reconciler.server.timers import Timers
from reconciler.server.watching import STALE_AFTER, Watch
from reconciler.server.worker import MOST_ATTEMPTS, Later, Looked, Stopped, Workers

PATIENCE = 30.0


@pytest.fixture
def events(tmp_path: Path) -> Iterator[Events]:
    with closing(SqliteDatabase(tmp_path / "events.sqlite")) as database:
        made = Events(database, "one")
        made.prepare(alone=True)
        yield made


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


@contextmanager
def working(events: Events, look: Callable[[Claim], str], *, count: int = 2) -> Iterator[list[Looked]]:
    told: list[Looked] = []
    workers = Workers(events, {"branch": look, "pull": look}, count=count, told=told.append)
    workers.start()
    try:
        yield told
    finally:
        workers.stop()
        workers.join()


def outcomes(events: Events) -> list[str]:
    return [event.outcome for event in events.latest(9)]


def test_a_look_ends_its_events_with_its_outcome(events: Events) -> None:
    events.add(News("a", "github", "push", "branch"))
    with working(events, lambda claim: f"{len(claim.events)} events") as told:
        until(lambda: events.open() == 0)
    assert outcomes(events) == ["1 events"]
    assert [(one.subject, one.failed) for one in told] == [("branch", False)]


@pytest.mark.parametrize(
    ("error", "said", "failed"),
    [
        (Unavailable("the forge is down"), "the forge is down", True),
        (KeyError("hidden-value"), "KeyError", True),
        (Later(3600, "too early"), "too early", False),
    ],
    ids=["error", "bug", "later"],
)
def test_what_fails_is_put_off_and_said_without_its_values(events: Events, error: Exception, said: str, failed: bool) -> None:
    def look(_claim: Claim) -> str:
        raise error

    events.add(News("a", "github", "push", "branch"))
    with working(events, look) as told:
        until(lambda: bool(told))
    assert said in outcomes(events)[0]
    assert "hidden-value" not in outcomes(events)[0]
    assert told[0].failed is failed
    assert events.open() == 1
    assert events.take() is None, "it waits"


def test_what_fails_for_hours_is_given_up(events: Events) -> None:
    def look(_claim: Claim) -> str:
        raise ReconcilerError("never")

    events.add(News("a", "github", "push", "branch"))
    for _ in range(MOST_ATTEMPTS - 1):
        claim = events.take()
        assert claim is not None
        events.put_off(claim, 0, "failed")
    with working(events, look):
        until(lambda: events.open() == 0)
    assert outcomes(events) == ["given up: never"]


def test_a_look_that_the_stop_cut_off_is_open_for_the_next_server_at_once(events: Events) -> None:
    begun, go = threading.Event(), threading.Event()

    def look(_claim: Claim) -> str:
        begun.set()
        go.wait(PATIENCE)
        raise Stopped("the server stops")

    events.add(News("a", "github", "push", "branch"))
    with working(events, look):
        assert begun.wait(PATIENCE)
        go.set()
    assert events.take() is not None


def test_a_stop_waits_for_looks_that_are_under_way_and_begins_no_more(events: Events) -> None:
    begun, go = threading.Event(), threading.Event()

    def look(claim: Claim) -> str:
        begun.set()
        go.wait(PATIENCE)
        return "done"

    for number in range(3):
        events.add(News(str(number), "github", "push", f"pull/{number}"))
    workers = Workers(events, {"pull": look}, count=1)
    workers.start()
    assert begun.wait(PATIENCE)
    workers.stop()
    ending = threading.Thread(target=workers.join)
    ending.start()
    assert not workers.alive() or ending.is_alive()
    go.set()
    ending.join(PATIENCE)
    assert not ending.is_alive()
    assert events.open() == 2


def test_one_subject_is_looked_at_by_one_and_others_beside_it(events: Events) -> None:
    busy: list[str] = []
    together: list[tuple[str, ...]] = []
    guard = threading.Lock()

    def look(claim: Claim) -> str:
        with guard:
            busy.append(claim.subject)
            together.append(tuple(busy))
        time.sleep(0.05)
        events.add(News(f"{claim.subject}-again-{len(together)}", "server", "look", claim.subject)) if len(together) < 8 else None
        with guard:
            busy.remove(claim.subject)
        return "looked"

    for number in range(2):
        events.add(News(str(number), "github", "push", f"pull/{number}"))
    with working(events, look, count=3):
        until(lambda: events.open() == 0)
    assert all(len(set(one)) == len(one) for one in together)
    assert any(len(one) == 2 for one in together)


def test_pull_requests_however_many_leave_a_place_for_the_branch(events: Events) -> None:
    go = threading.Event()

    def look(claim: Claim) -> str:
        if claim.subject != "branch":
            go.wait(PATIENCE)
        return "looked"

    for number in range(4):
        events.add(News(str(number), "github", "push", f"pull/{number}"))
    with working(events, look, count=3) as told:
        until(lambda: events.take("branch") is None and len(told) == 0)
        events.add(News("b", "github", "push", "branch"))
        until(lambda: [one.subject for one in told] == ["branch"])
        go.set()
        until(lambda: events.open() == 0)


def test_a_claim_is_renewed_while_its_look_goes_on(tmp_path: Path) -> None:
    go = threading.Event()

    def look(_claim: Claim) -> str:
        go.wait(PATIENCE)
        return "slow"

    with closing(SqliteDatabase(tmp_path / "events.sqlite")) as database:
        events = Events(database, "one", lease=1.5)
        events.prepare(alone=True)
        events.add(News("a", "github", "push", "branch"))

        def end() -> float:
            with database.transaction() as run:
                found = run("SELECT until FROM claims")
            return float(found[0][0]) if found else 0.0

        with working(events, look):
            until(lambda: end() > 0)
            first = end()
            until(lambda: end() > first)
            go.set()
            until(lambda: events.open() == 0)


def test_an_unknown_subject_is_ended(events: Events) -> None:
    events.add(News("a", "github", "push", "moon/1"))
    with working(events, lambda _claim: "looked"):
        until(lambda: events.open() == 0)
    assert outcomes(events) == ["nothing to do about moon/1"]


def test_a_database_that_fails_while_a_look_ends_stops_nobody(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with closing(SqliteDatabase(tmp_path / "events.sqlite")) as database:
        events = Events(database, "one", lease=0.3)
        events.prepare(alone=True)
        whole, broken = events.finish, [True]

        def finish(claim: Claim, outcome: str) -> int:
            if broken:
                broken.pop()
                raise Unavailable("the database is gone")
            return whole(claim, outcome)

        events.finish = finish  # type: ignore[method-assign]  # of this instance alone
        events.add(News("a", "github", "push", "branch"))
        with caplog.at_level(logging.WARNING), working(events, lambda _claim: "looked"):
            until(lambda: events.open() == 0)
    assert "the database is gone" in caplog.text


def test_timers_of_many_servers_ring_once_an_interval(events: Events) -> None:
    woken: list[int] = []
    timers = [
        Timers(events, prepared(events), lambda: woken.append(1), branch_seconds=3600, drift_seconds=7200, evidence_seconds=0)
        for _ in range(3)
    ]
    for one in timers:
        one.start()
    until(lambda: len(events.latest(9)) >= 2)
    for one in timers:
        one.stop()
    found = events.latest(9)
    assert len({event.key for event in found}) == len(found)
    assert {event.subject for event in found} == {"branch", "drift"}
    assert len(found) <= 4, "two, or four where an hour ended meanwhile"
    assert woken


def prepared(events: Events) -> Notes:
    notes = Notes(events._database)  # the database of the events
    notes.prepare()
    return notes


def test_a_watch_tells_what_it_was_told_last_and_is_not_ready_before() -> None:
    now = [100.0]
    answers: list[list[Health]] = [[Health("vault primary", State.OK)], [Health("vault primary", State.SEALED, error="is sealed")]]
    watch = Watch(lambda: answers.pop(0) if len(answers) > 1 else answers[0], seconds=0.01, ticks=lambda: now[0])
    assert not watch.ready
    assert watch.checks()[0].name == "probes"
    watch.start()
    until(lambda: [one.state for one in watch.checks()] == [State.SEALED])
    assert not watch.ready
    watch.stop()


def test_probes_that_do_not_come_back_are_a_failure() -> None:
    now = [100.0]
    hanging = threading.Event()
    first = [True]

    def probe() -> list[Health]:
        if first:
            first.pop()
            return [Health("ledger", State.OK)]
        hanging.wait(PATIENCE)
        return []

    watch = Watch(probe, seconds=0.01, ticks=lambda: now[0])
    watch.start()
    until(lambda: watch.ready)
    now[0] += STALE_AFTER + 1
    assert not watch.ready
    assert [one.name for one in watch.checks()] == ["ledger", "probes"]
    watch.stop()
    hanging.set()


def test_an_environment_that_cannot_be_read_is_down_and_said() -> None:
    def probe() -> list[Health]:
        raise ReconcilerError("prod.yaml:1: unknown field")

    watch = Watch(probe, seconds=0.01)
    watch.start()
    until(lambda: [one.name for one in watch.checks()] == ["environment"])
    assert "unknown field" in watch.checks()[0].error
    watch.stop()
