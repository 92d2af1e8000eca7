"""What is kept of refused requests: on both databases, in the protocol, and over a restart of a real `reconcile serve`."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.errors import Unavailable
from reconciler.edge.blocked import Blocked
from reconciler.edge.signatures import Notice
from reconciler.server import protocol
from reconciler.server.database import Database
from reconciler.server.refusals import KEPT_SECONDS, MOST_KEPT, MOST_NOTED, Refusals, Stopped
from tests.server.databases import DATABASES, empty_database
from tests.server.deployment import Deployment, push_event, signed, until
from tests.server.serving import Recorder, Served, received, served
from tests.server.test_serving import idle, token

PEER = ip_address("203.0.113.7")


@pytest.fixture(params=DATABASES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    if request.param == "postgresql":
        request.getfixturevalue("postgres")
    with empty_database(request.param, tmp_path) as made:
        yield made


def kept(database: Database, at: list[float]) -> Refusals:
    made = Refusals(database, lambda: at[0])
    made.prepare()
    return made


def rows(database: Database) -> int:
    with database.transaction() as run:
        return int(run("SELECT count(*) FROM refusals")[0][0])


def test_the_same_refusal_again_is_one_row_and_the_latest_come_first(database: Database) -> None:
    now = [1.0]
    one = kept(database, now)
    for _ in range(3):
        one.blocked(Blocked("limit", 429, "too many", PEER))
    now[0] = 2.0
    one.noticed(Notice("github", 200, "seen before", PEER, "duplicate"))
    one.noticed(Notice("github", 401, "no signature", None))
    assert one.latest(9) == [
        Stopped(2.0, "signature of github", 401, "no signature", "", 1),
        Stopped(1.0, "limit", 429, "too many", str(PEER), 3),
    ]
    assert len(one.latest(1)) == 1


def test_what_could_not_be_read_is_not_named(database: Database) -> None:
    one = kept(database, [1.0])
    one.noticed(Notice("github", 503, "the secret cannot be read: webhooks/github: the store is sealed", PEER))
    assert [row.reason for row in one.latest(9)] == ["the secret cannot be read"]


def test_a_flood_from_everywhere_fills_no_more_than_is_set_aside(database: Database) -> None:
    one = kept(database, [1.0])
    for number in range(MOST_NOTED + 50):
        one.blocked(Blocked("limit", 429, "too many", ip_address(number)))
    one.write()
    assert rows(database) == MOST_NOTED
    with database.transaction() as run:
        for _ in range(MOST_KEPT):
            run("INSERT INTO refusals (at, source, status, reason, address, times) VALUES (1, 'x', 400, 'x', '', 1)")
    one.blocked(Blocked("limit", 429, "the last", PEER))
    one.write()
    assert rows(database) == MOST_KEPT
    with database.transaction() as run:
        assert run("SELECT reason FROM refusals ORDER BY id DESC LIMIT 1") in ([("the last",)], (("the last",),))


def test_what_is_old_is_forgotten(database: Database) -> None:
    with database.transaction() as run:
        now = float(run("SELECT EPOCH()")[0][0])
    at = [now - KEPT_SECONDS - 60]
    one = kept(database, at)
    one.blocked(Blocked("limit", 429, "old", PEER))
    one.write()
    at[0] = now - KEPT_SECONDS + 60
    one.blocked(Blocked("limit", 429, "younger", PEER))
    one.write()
    one.forget()
    assert [row.reason for row in one.latest(9)] == ["younger"]


def test_no_name_of_a_person_is_kept(tmp_path: Path) -> None:
    with empty_database("sqlite", tmp_path) as database:
        one = kept(database, [1.0])
        one.blocked(Blocked("route", 403, "vault userpass-olga/1234 is not one of those who may", PEER))
        one.blocked(Blocked("lockdown", 503, "a breach, says olga", PEER))
        assert "olga" not in str(one.latest(9))
        assert len(one.latest(9)) == 2


def test_what_cannot_be_written_is_lost_without_an_error_to_who_is_refused(tmp_path: Path) -> None:
    with empty_database("sqlite", tmp_path) as database:
        one = Refusals(database)  # its table is not there
        one.start()
        one.blocked(Blocked("limit", 429, "too many", PEER))
        one.stop()
        one.join()
        with pytest.raises(Unavailable):
            one.latest(1)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Served, list[Blocked]]]:
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.3)
    monkeypatch.setattr(protocol, "BODY_SECONDS", 0.3)
    told: list[Blocked] = []
    with served(Recorder(), observe=told.append) as server:
        yield server, told


@pytest.mark.parametrize(
    ("request_", "status", "reason"),
    [
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, "malformed"),
        (b"nonsense\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 20_000 + b"\r\n\r\n", 431, "headers too large"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: half", 408, "headers did not come in time"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf", 408, "a body did not come in time"),
    ],
    ids=["two hosts", "no request", "large headers", "half a header", "half a body"],
)
def test_what_the_protocol_refuses_is_told_once_with_the_address(
    watched: tuple[Served, list[Blocked]], request_: bytes, status: int, reason: str
) -> None:
    server, told = watched
    with server.connect() as connection:
        connection.sendall(request_)
        received(connection)
    until(lambda: told, "it is told")
    (one,) = told
    assert (one.by, one.status, str(one.address)) == ("protocol", status, "127.0.0.1")
    assert reason in one.reason


def test_a_request_that_is_answered_is_no_refusal(watched: tuple[Served, list[Blocked]]) -> None:
    assert watched[0].ask("/").status == 200
    assert watched[1] == []


def test_refused_requests_are_still_told_after_a_restart(deployed: Deployment) -> None:
    def told(server: Any) -> str:
        return str(server.ask("GET", "/ui/blocked", token(deployed))[1])

    with deployed.serving() as server:
        until(lambda: idle(server, deployed), "the first looks end")
        headers, text = signed("push", push_event("a" * 40), "another-" + "secret-of-somebody")
        assert server.ask("POST", "/webhooks/github", headers, text)[0] == 401
        assert Served(server.port).send(b"nonsense\r\n\r\n").startswith(b"HTTP/1.1 400")
        assert server.ask("GET", "/ui")[0] == 401
        metrics = server.ask("GET", "/metrics", token(deployed))[1]
        assert 'reconciler_blocked_total{by="protocol",status="400"} 1.0' in metrics
        server.process.terminate()
        assert server.ends() == 0
    with deployed.serving() as server:
        text_after = told(server)
        assert all(one in text_after for one in ("signature of github", "protocol", "nobody proved who asks"))
        server.process.kill()
        server.ends()
    with deployed.serving() as server:
        assert "signature of github" in told(server)
