"""What the client makes of networks and servers that fail. A fault injector stands before a real OpenBao."""

from __future__ import annotations

import gzip
import os
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import pytest

from reconciler.backends.vault.client import VaultClient, connect
from reconciler.backends.vault.connection import Connection
from reconciler.backends.vault.snapshot import raft_snapshot
from reconciler.backends.vault.transport import Transport
from reconciler.core.errors import BackendError, Conflict, Unavailable
from reconciler.dev.process import free_port
from reconciler.dev.servers import Server

from .vault_faults import Fault, Front, Say, answer, standing_before

SEALED = answer(503, '{"errors":["Vault is sealed"]}')
POLICY = {"policy": 'path "a" { capabilities = ["read"] }'}


class Sleep:
    """A sleep that takes no time and remembers."""

    def __init__(self) -> None:
        self.slept: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def sleep() -> Sleep:
    return Sleep()


class Before(Protocol):
    def __call__(self, *script: Fault, **options: float) -> AbstractContextManager[tuple[VaultClient, Front]]: ...


@pytest.fixture
def before(bao: Server, namespace: str, sleep: Sleep) -> Before:
    """Make a client that reaches this test's namespace through the given faults."""

    @contextmanager
    def start(*script: Fault, **options: float) -> Iterator[tuple[VaultClient, Front]]:
        with standing_before(bao.address, *script) as front:
            client = connect(Transport(Connection(front.address, namespace), sleep=sleep, **options), bao.token)
            try:
                yield client, front
            finally:
                client.close()

    return start


@pytest.mark.parametrize(
    "fault",
    [
        "drop unheard",
        "drop after",
        "cut",
        SEALED,
        answer(429, '{"errors":["request path rate limit quota exceeded"]}'),
        answer(472),
        answer(473),
        answer(500, '{"errors":["local node not active but active cluster node not found"]}'),
        answer(502, "<html>"),
        answer(503, "<html>"),
        answer(504),
    ],
    ids=str,
)
def test_a_read_outlasts_what_passes(before: Before, sleep: Sleep, fault: Fault) -> None:
    with before(fault, fault, fault) as (client, front):
        assert client.read("sys/policies/acl/default") is not None
        assert len(front.seen) == client.requests == 4
        assert len(sleep.slept) == 3


def test_retry_after_is_heeded(before: Before, sleep: Sleep) -> None:
    with before("pass", answer(429, "{}", "Retry-After: 7")) as (client, _):
        client.read("sys/policies/acl/a")
        client.read("sys/policies/acl/a")
        assert sleep.slept == [7.0]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (SEALED, r"it is sealed; tried \d+ times in \d+ s \(unseal it: bao operator unseal\)"),
        (answer(429), r"it limits the rate of requests \(status 429\); tried \d+ times"),
        ("drop unheard", r"the connection was dropped; tried \d+ times in \d+ s \(check that the server runs"),
        (answer(473), r"it is a standby that serves no requests \(status 473\).*set the address to the active server"),
    ],
    ids=["sealed", "rate limit", "dropped", "standby"],
)
def test_what_does_not_pass_is_reported_in_words_within_the_limit(before: Before, sleep: Sleep, fault: Fault, words: str) -> None:
    with before("pass", *[fault] * 100) as (client, _):
        client.read("sys/mounts")
        with pytest.raises(Unavailable, match=words):
            client.read("sys/mounts")
        assert 20 < sum(sleep.slept) <= 30


def test_a_server_that_never_answered_is_given_up_sooner(sleep: Sleep) -> None:
    address = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unavailable, match=f"{address}: the connection was refused; tried"):
        connect(Transport(Connection(address), sleep=sleep), "root").read("sys/mounts")
    assert 2 < sum(sleep.slept) <= 5


def test_a_500_is_tried_three_times_and_reported_with_its_reason(before: Before) -> None:
    with before(*[answer(500, '{"errors":["entry too large"]}')] * 3) as (client, front):
        with pytest.raises(BackendError, match="kv/x: GET was answered with status 500: entry too large") as caught:
            client.read("kv/x")
        assert not isinstance(caught.value, Unavailable)
        assert len(front.seen) == 3


def test_a_write_whose_answer_is_lost_is_sent_again(before: Before) -> None:
    passed: list[float] = []
    with before("drop after", "cut") as (client, front):
        client.gated(passed.append).write("sys/policies/acl/p", POLICY)
        assert len(front.seen) == 3
        assert len(passed) == 3  # the lease is looked at before each
        assert client.read("sys/policies/acl/p") is not None


@pytest.mark.parametrize("fault", ["drop after", "cut", answer(502), answer(504)], ids=str)
def test_a_check_and_set_whose_answer_is_lost_is_a_conflict_and_not_sent_again(before: Before, fault: Fault) -> None:
    with before(fault) as (client, front):
        with pytest.raises(Conflict, match="may or may not have been done"):
            client.write("sys/policies/acl/p", {**POLICY, "cas": -1})
        assert len(front.seen) == 1


def test_a_check_and_set_that_cannot_have_arrived_is_sent_again(before: Before) -> None:
    with before(SEALED) as (client, front):
        client.write("sys/policies/acl/p", {**POLICY, "cas": -1})
        assert len(front.seen) == 2


def test_a_create_that_was_done_though_its_answer_was_lost_is_a_conflict(before: Before) -> None:
    with before("drop after") as (client, _), pytest.raises(Conflict):
        client.write("sys/mounts/kv", {"type": "kv"})  # the second is told that the path is in use


def test_an_idle_connection_that_the_server_closed_costs_no_wait(before: Before, sleep: Sleep) -> None:
    with before("pass", Say((b"",))) as (client, _):
        client.read("sys/mounts")
        assert client.read("sys/policies/acl/default") is not None
        assert sleep.slept == []


@pytest.mark.parametrize(
    "fault",
    [
        answer(200, "<html>Please log in</html>"),
        answer(200, "[1]"),
        answer(200, "\udc80".encode("utf-8", "surrogatepass").decode("latin-1")),
    ],
    ids=["a page", "a list", "not text"],
)
def test_a_body_that_is_not_json_is_reported_without_showing_it(before: Before, fault: Fault) -> None:
    with before(fault) as (client, _):
        with pytest.raises(BackendError, match="a body that is not JSON") as caught:
            client.read("sys/mounts")
        assert "log in<" not in str(caught.value)


@pytest.mark.parametrize(
    "bytes_",
    [
        b"SSH-2.0-OpenSSH\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000,
    ],
    ids=["not HTTP", "length", "chunk size", "negative chunk", "chunk too long", "endless head"],
)
def test_what_is_not_http_is_an_error_in_words(before: Before, sleep: Sleep, bytes_: bytes) -> None:
    with before(Say((bytes_,))) as (client, _):
        with pytest.raises(BackendError, match="it does not answer as Vault does"):
            client.read("sys/mounts")
        assert sleep.slept == []


def test_a_request_has_one_time_limit_however_slowly_the_answer_trickles(before: Before) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n"
    with before("hang", read_seconds=0.2, retry_seconds=0) as (client, _):
        began = time.monotonic()
        with pytest.raises(Unavailable, match="it did not answer in time; tried once"):
            client.read("sys/mounts")
        assert time.monotonic() - began < 2
    trickle = Trickle(head)
    with before(trickle.say(), read_seconds=0.3, retry_seconds=0) as (client, _):
        began = time.monotonic()
        with pytest.raises(Unavailable, match="it did not answer in time"):
            client.read("sys/mounts")
        assert time.monotonic() - began < 2


class Trickle(tuple[bytes, ...]):
    """Pieces that come one by one, a twentieth of a second apart, without end."""

    def __new__(cls, head: bytes) -> Trickle:
        return super().__new__(cls, (head,))

    def __iter__(self) -> Iterator[bytes]:
        yield self[0]
        while True:
            threading.Event().wait(0.05)
            yield b" "

    def say(self) -> Say:
        return Say(self)


def redirect(status: int, to: str) -> Say:
    return answer(status, "", f"Location: {to}")


def test_a_standbys_redirect_is_followed_and_remembered(before: Before, bao: Server, sleep: Sleep) -> None:
    place = "/v1/sys/policies/acl/p"
    with before(redirect(307, bao.address + place)) as (client, front):
        client.write("sys/policies/acl/p", POLICY)
        assert client.read("sys/policies/acl/p") is not None
        assert len(front.seen) == 1
        assert sleep.slept == []


@pytest.mark.parametrize(
    ("status", "to", "words"),
    [
        (307, "https://127.0.0.1:1/v1/sys/mounts", "redirects to https://127.0.0.1:1"),
        (307, "{bao}/v1/sys/auth", "redirects to"),
        (307, "/ui/", "redirects to another path"),
        (302, "{bao}/v1/sys/mounts", "redirects to"),
        (301, "https://login.example.com/?next=x", "redirects to https://login.example.com:443"),
        (307, "http://[", "redirects to a place that is not a URL"),
        (307, "", "redirects to another path"),
    ],
)
def test_any_other_redirect_is_reported_and_the_token_stays_here(before: Before, bao: Server, status: int, to: str, words: str) -> None:
    with before(redirect(status, to.format(bao=bao.address))) as (client, _):
        with pytest.raises(BackendError, match=f"{words}.*set the address to the active server") as caught:
            client.read("sys/mounts")
        assert caught.value.status == status


def test_standbys_that_redirect_to_each_other_are_reported(bao: Server, namespace: str, sleep: Sleep) -> None:
    with standing_before(bao.address) as front:
        round_trip = [redirect(307, f"{front.address}/v1/sys/mounts")] * 3
        front._script = iter(round_trip)  # its own address is known only now
        client = connect(Transport(Connection(front.address, namespace), sleep=sleep, retry_seconds=0), bao.token)
        with pytest.raises(Unavailable, match=r"standbys redirect to each other.*has an active server"):
            client.read("sys/mounts")
        client.close()


def test_a_redirect_to_a_server_that_cannot_be_reached_names_it(before: Before) -> None:
    gone = f"http://127.0.0.1:{free_port()}"
    words = f"it is a standby and redirects to {gone}, where the connection was refused"
    with before(*[redirect(307, f"{gone}/v1/sys/mounts")] * 100) as (client, _), pytest.raises(Unavailable, match=words):
        client.read("sys/mounts")


def test_a_bulk_read_that_fails_raises_the_error_and_stops(before: Before) -> None:
    drops: list[Fault] = ["drop unheard"] * 5_000
    with before("pass", *drops, retry_seconds=0) as (client, front):
        client.read("sys/mounts")
        with pytest.raises(Unavailable):
            list(client.read_many([f"sys/policies/acl/p{number}" for number in range(2_000)]))
        assert len(front.seen) < 500


def test_far_servers_are_read_with_more_threads(before: Before) -> None:
    with before() as (client, _):
        client.transport.pool.round_trip = 0.1
        names = [f"sys/policies/acl/p{number}" for number in range(300)]
        assert dict(client.read_many(names)) == dict.fromkeys(names)
        assert len([thread for thread in threading.enumerate() if thread.name.startswith("vault")]) > 16


def test_close_ends_a_wait(bao: Server, namespace: str) -> None:
    with standing_before(bao.address, "pass", *[answer(429, "{}", "Retry-After: 25")] * 9) as front:
        client = connect(Transport(Connection(front.address, namespace)), bao.token)
        client.read("sys/mounts")
        threading.Timer(0.2, client.close).start()
        began = time.monotonic()
        with pytest.raises(Unavailable):
            client.read("sys/mounts")
        assert time.monotonic() - began < 3


@pytest.mark.parametrize("left", [0, 1, 600, None], ids=["nothing", "a byte", "half", "all"])
def test_a_raft_snapshot_whose_server_failed_on_the_way_is_none(before: Before, left: int | None) -> None:
    snapshot = gzip.compress(os.urandom(1000))[:left]
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"%x\r\n%b\r\n" % (len(snapshot), snapshot) if snapshot else b""
    with before("pass", Say((head, chunk + b"0\r\n\r\n"))) as (client, _):
        if left is None:
            assert b"".join(raft_snapshot(client)) == snapshot
        else:
            with pytest.raises(Unavailable, match="was cut off"):
                b"".join(raft_snapshot(client))
