"""Events are kept, handed out to one worker at a time, and ended once: on SQLite and on PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.core.errors import ReconcilerError, Unavailable
from reconciler.dev.process import free_port
from reconciler.server.database import Database, SqliteDatabase
from reconciler.server.events import LEASE_SECONDS, Claim, Events, News
from reconciler.server.notes import Notes
from tests.server.databases import DATABASES, empty_database, new_postgres


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "postgresql":
        request.getfixturevalue("postgres")
    with empty_database(request.param, tmp_path) as made:
        yield made


@pytest.fixture
def events(database: Database) -> Events:
    made = Events(database, "one")
    made.prepare(alone=True)
    return made


def news(key: str, subject: str = "branch") -> News:
    return News(key, "github", "push", subject)


def taken(events: Events) -> Claim:
    claim = events.take()
    assert claim is not None
    return claim


def test_a_copy_of_a_delivery_is_known_whatever_became_of_the_first(events: Events) -> None:
    assert not events.knows("a")
    assert events.add(news("a"))
    assert not events.add(news("a", "pull/7"))
    events.finish(taken(events), "looked")
    assert not events.add(news("a"))
    assert events.knows("a")
    assert events.open() == 0


def test_one_look_answers_all_events_about_its_subject_that_had_come_before(events: Events) -> None:
    for key, subject in (("a", "branch"), ("b", "pull/7"), ("c", "branch")):
        events.add(news(key, subject))
    claim = taken(events)
    assert (claim.subject, [event.key for event in claim.events]) == ("branch", ["a", "c"])
    events.add(news("d"))
    assert events.finish(claim, "looked") == 2
    assert [(one.subject, [event.key for event in one.events]) for one in (taken(events), taken(events))] == [
        ("pull/7", ["b"]),
        ("branch", ["d"]),
    ]


def test_a_subject_that_is_looked_at_is_nobody_elses(events: Events, database: Database) -> None:
    events.add(news("a"))
    claim = taken(events)
    assert Events(database, "two").take() is None
    events.give_back(claim)
    assert taken(Events(database, "two")).subject == "branch"


def test_a_claim_ends_with_its_lease_and_then_ends_nothing(database: Database) -> None:
    slow, quick = Events(database, "slow", lease=0.05), Events(database, "quick")
    slow.prepare(alone=True)
    slow.add(news("a"))
    lost = taken(slow)
    time.sleep(0.1)
    claim = taken(quick)
    assert not slow.renew(lost)
    assert slow.finish(lost, "late") == 0
    slow.put_off(lost, 3600, "late")
    slow.give_back(lost)
    assert quick.renew(claim)
    assert quick.take() is None, "the late one freed what is not its own"
    assert quick.finish(claim, "looked") == 1
    assert [event.outcome for event in quick.latest(9)] == ["looked"]


def test_renewing_a_claim_moves_the_end_of_its_lease(events: Events, database: Database) -> None:
    def until() -> float:
        with database.transaction() as run:
            return float(run("SELECT until - EPOCH() FROM claims")[0][0])

    events.add(news("a"))
    claim = taken(events)
    with database.transaction() as run:
        run("UPDATE claims SET until = EPOCH() + 1")
    assert until() <= 1
    assert events.renew(claim)
    assert until() > LEASE_SECONDS / 2


def test_what_is_put_off_comes_back_later_with_its_attempts_counted(events: Events, database: Database) -> None:
    events.add(news("a"))
    events.put_off(taken(events), 3600, "the forge was down")
    assert events.take() is None
    with database.transaction() as run:
        run("UPDATE events SET due = due - 3600")
    claim = taken(events)
    assert claim.attempts == 1
    assert claim.events[0].outcome == "the forge was down"


def test_a_new_event_does_not_wait_for_one_that_was_put_off_and_answers_it_too(events: Events) -> None:
    events.add(news("a"))
    events.put_off(taken(events), 3600, "failed")
    events.add(news("b"))
    assert [event.key for event in taken(events).events] == ["a", "b"]


def test_a_server_that_is_alone_frees_what_its_dead_predecessor_had_claimed(events: Events, database: Database) -> None:
    events.add(news("a"))
    taken(events)
    after = Events(database, "after")
    after.prepare(alone=True)
    assert taken(after).events[0].key == "a"


def test_of_many_workers_each_subject_goes_to_one_at_a_time_and_each_event_ends_once(events: Events, database: Database) -> None:
    subjects = [f"pull/{number % 5}" for number in range(100)]
    for number, subject in enumerate(subjects):
        events.add(news(str(number), subject))
    busy: Counter[str] = Counter()
    clashes: list[str] = []
    ended: list[str] = []
    guard = threading.Lock()

    def work(name: str) -> None:
        mine = Events(database, name)
        while events.open():
            claim = mine.take()
            if claim is None:
                continue
            with guard:
                busy[claim.subject] += 1
                clashes.extend([claim.subject] if busy[claim.subject] > 1 else [])
            time.sleep(0.005)
            with guard:
                busy[claim.subject] -= 1
            assert mine.finish(claim, name) == len(claim.events)
            with guard:
                ended.extend(event.key for event in claim.events)
            for event in claim.events[:1]:
                if int(event.key) < 100:
                    events.add(news(f"1{event.key}00", event.subject))

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, map(str, range(6))))
    assert clashes == []
    assert len(ended) == len(set(ended))
    assert set(ended) >= set(map(str, range(100)))


def test_four_copies_at_once_are_one_event(events: Events) -> None:
    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(lambda _: events.add(news("a")), range(4))) == [False, False, False, True]


def test_two_servers_prepare_one_database_at_once(postgres: None, tmp_path: Path) -> None:
    with empty_database("postgresql", tmp_path) as database, ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: Events(database, name).prepare(alone=False), map(str, range(4))))


def test_events_are_listed_newest_first_in_pages(events: Events) -> None:
    for key in "abcde":
        events.add(news(key))
    first = events.latest(2)
    assert [event.key for event in first] == ["e", "d"]
    assert [event.key for event in events.latest(9, before=first[-1].id)] == ["c", "b", "a"]


def test_what_ended_long_ago_is_forgotten_and_nothing_that_is_open(events: Events, database: Database) -> None:
    events.add(news("done"))
    events.finish(taken(events), "looked")
    events.add(news("open"))
    assert events.forget() == 0
    with database.transaction() as run:
        run("UPDATE events SET received = 0, finished = CASE WHEN finished IS NULL THEN NULL ELSE 1.0 END")
    assert events.forget() == 1
    assert [event.key for event in events.latest(9)] == ["open"]


def test_all_replicas_are_in_one_interval(events: Events) -> None:
    for seconds in (3600, 3600.0):
        assert events.slot(seconds) in (int(time.time() // 3600), int((time.time() - 60) // 3600))


def test_a_note_is_read_as_it_was_written_last(database: Database) -> None:
    notes = Notes(database)
    notes.prepare()
    assert notes.read("tip") is None
    notes.write("tip", {"commit": "a"})
    notes.write("tip", {"commit": "b%s'", "n": [1, None]})
    notes.write("pull/7", 1)
    notes.write("pull/8", 2)
    assert notes.read("tip") == {"commit": "b%s'", "n": [1, None]}
    assert notes.below("pull/") == {"pull/7": 1, "pull/8": 2}
    notes.strike("pull/7")
    assert notes.read("pull/7") is None


KILLED = """
import os, sys
from pathlib import Path
from reconciler.server.database import SqliteDatabase
from reconciler.server.events import Events, News
events = Events(SqliteDatabase(Path(sys.argv[1])), "dying")
events.prepare(alone=True)
for number in range(10_000):
    events.add(News(str(number), "github", "push", f"pull/{number % 3}"))
    print(number, flush=True)
    if number % 4 == 3:
        claim = events.take()
        events.finish(claim, "looked")
        print("ended", *[event.key for event in claim.events], flush=True)
"""


def test_a_server_that_is_killed_loses_no_event_that_it_said_it_has(tmp_path: Path) -> None:
    file = tmp_path / "events.sqlite"
    with subprocess.Popen([sys.executable, "-c", KILLED, str(file)], stdout=subprocess.PIPE, text=True) as dying:
        assert dying.stdout is not None
        said = [dying.stdout.readline().split() for _ in range(60)]
        dying.kill()
        said += [line.split() for line in dying.stdout.read().splitlines()]
    with closing(SqliteDatabase(file)) as database:
        events = Events(database, "after")
        events.prepare(alone=True)
        kept = {event.key: event for event in events.latest(20_000)}
    added = [words[0] for words in said if words and words[0] != "ended"]
    ended = [key for words in said if words and words[0] == "ended" for key in words[1:]]
    assert len(added) >= 40
    assert set(added) <= set(kept)
    assert all(kept[key].finished is not None for key in ended)


@pytest.mark.parametrize("sort", DATABASES)
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=40))
def test_any_text_is_kept_as_it_is(sort: str, text: str, tmp_path_factory: pytest.TempPathFactory, one_of_each: dict[str, Events]) -> None:
    events = one_of_each[sort]
    key = f"{text}{time.monotonic_ns()}"
    events.add(News(key, text, text, text, text))
    assert events.latest(1)[0].note == text
    assert events.knows(key)


@pytest.fixture(scope="module")
def one_of_each(postgres: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Events]]:
    folder = tmp_path_factory.mktemp("events")
    with empty_database("sqlite", folder) as first, empty_database("postgresql", folder) as second:
        made = {"sqlite": Events(first, "one"), "postgresql": Events(second, "one")}
        for events in made.values():
            events.prepare(alone=True)
        yield made


def test_a_database_that_is_gone_is_unavailable_in_words_without_its_password(postgres: None) -> None:
    from reconciler.backends.postgres_database import PostgresDatabase

    nowhere = PostgresDatabase(f"postgresql://app:hidden-word@127.0.0.1:{free_port()}/x")
    with pytest.raises(Unavailable) as failed:
        Events(nowhere, "one").add(news("a"))
    assert "hidden-word" not in str(failed.value)
    with pytest.raises(ReconcilerError) as failed_:
        Events(PostgresDatabase("postgresql://app:hidden-word@[bad"), "one").add(news("a"))
    assert "hidden-word" not in str(failed_.value)


def test_a_connection_that_the_database_ended_is_replaced(postgres: None, tmp_path: Path) -> None:
    import psycopg

    from reconciler.backends.postgres_database import PostgresDatabase

    url = new_postgres()
    database = PostgresDatabase(url)
    events = Events(database, "one")
    events.prepare(alone=False)
    with psycopg.connect(url, autocommit=True) as connection, closing(database):
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        with pytest.raises(Unavailable):
            events.add(news("a"))
        assert events.add(news("a"))


def test_a_file_that_is_no_database_is_said(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("no database, but long enough to be looked at as one " * 100)
    with pytest.raises(ReconcilerError, match="database"):
        SqliteDatabase(tmp_path / "x")
