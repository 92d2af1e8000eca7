"""The same over real sockets: senders' own libraries, and senders that dawdle, break off or never end."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import standardwebhooks
import svix.webhooks

from reconciler.edge.bodies import Room
from reconciler.edge.endpoints import LARGEST, TimedSecret

from .senders import PUSH, SECRET, SENDERS, STANDARD_SECRET, github
from .served import connected, read_answer, served
from .stand import PATH, Stand, held, stand

OCTOKIT = Path(__file__).with_name("octokit")
ACCEPTED, DUPLICATE = b'{"status": "accepted"}', b'{"status": "duplicate"}'


@contextmanager
def listening(it: Stand) -> Iterator[str]:
    with served(it.app) as url:
        yield url + PATH


@pytest.mark.parametrize("library", [standardwebhooks.Webhook, svix.webhooks.Webhook])
@pytest.mark.parametrize("name", ["standard", "gitlab"])
def test_the_libraries_of_standard_webhooks_and_svix_are_believed(library: type[standardwebhooks.Webhook], name: str) -> None:
    it = stand(name)
    body, sent = it.sender.body.decode(), datetime.now(UTC)
    signature = library(STANDARD_SECRET.decode()).sign("msg_1", sent, body)
    headers = {"webhook-id": "msg_1", "webhook-timestamp": str(int(sent.timestamp())), "webhook-signature": signature}
    with listening(it) as url, httpx.Client() as client:
        assert [client.post(url, content=body, headers=headers).content for _ in range(2)] == [ACCEPTED, DUPLICATE]
        assert client.post(url, content=body + " ", headers={**headers, "webhook-id": "msg_2"}).status_code == 401


def test_what_a_sender_signs_under_svixs_own_header_names_is_believed() -> None:
    it = stand("standard, svix's headers")
    body, sent = it.sender.body.decode(), datetime.now(UTC)
    signature = svix.webhooks.Webhook(STANDARD_SECRET.decode()).sign("msg_1", sent, body)
    headers = {"svix-id": "msg_1", "svix-timestamp": str(int(sent.timestamp())), "svix-signature": signature}
    with listening(it) as url:
        assert httpx.post(url, content=body, headers=headers).status_code == 202


def octokit(url: str, secret: bytes, body: bytes, event: str = "push") -> str:
    """Deliver with the library that GitHub's own applications sign and verify with."""
    node = Path(sys.executable).with_name("node")
    if not node.exists() or not (OCTOKIT / "node_modules").is_dir():
        pytest.skip("`make test` installs Node.js and @octokit/webhooks-methods")
    command = [str(node), str(OCTOKIT / "deliver.js"), url, secret.decode(), event]
    return subprocess.run(command, input=body, capture_output=True, check=True, timeout=120).stdout.decode().strip()


def test_the_library_of_octokit_is_believed() -> None:
    it = stand("github")
    body = '{"ref":"refs/heads/größe 😀","before":"0","after":"1","commits":[]}'.encode()
    with listening(it) as url:
        assert octokit(url, SECRET, body) == '202 {"status": "accepted"}'
        assert octokit(url, SECRET, body) == '200 {"status": "duplicate"}'
        assert octokit(url, b"another secret, long enough", body).startswith("401 ")
    assert it.inbox.bodies == [body]


def request(body_headers: bytes, headers: dict[bytes, bytes]) -> bytes:
    lines = b"".join(b"%s: %s\r\n" % pair for pair in headers.items())
    return b"POST %s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n%s%s\r\n" % (PATH.encode(), lines, body_headers)


def test_a_body_that_trickles_in_is_cut_off_at_its_deadline() -> None:
    it = stand("github", replace(SENDERS["github"].endpoint, deadline=0.3))
    with listening(it) as url, connected(url.removesuffix(PATH)) as connection:
        connection.sendall(request(b"Content-Length: 1000000\r\n", it.signed()[1]))
        connection.settimeout(0.02)
        while not trickle(connection):
            pass
    assert [(notice.status, notice.reason) for notice in it.notices] == [(408, "the body was not there in time")]
    assert not it.inbox.receipts


def trickle(connection: socket.socket) -> bool:
    """Send one byte; each comes well within any timeout between two of them. Return whether the connection was closed."""
    try:
        connection.sendall(b" ")
        return connection.recv(65536) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True  # closed while a byte was on its way


def test_a_late_body_is_answered_before_the_connection_is_closed() -> None:
    it = stand("github", replace(SENDERS["github"].endpoint, deadline=0.1))
    with listening(it) as url, connected(url.removesuffix(PATH)) as connection:
        connection.sendall(request(b"Content-Length: 1000000\r\n", it.signed()[1]))
        status, said = read_answer(connection)
    assert (status, b"connection: close" in said) == (408, True)


@pytest.mark.parametrize("announced", [25 * 1024 * 1024 + 1, 26 * 1024 * 1024, 10**15])
def test_more_than_25_megabytes_are_refused_before_they_are_sent(announced: int) -> None:
    it = stand("github")
    with listening(it) as url, connected(url.removesuffix(PATH)) as connection:
        connection.sendall(request(b"Content-Length: %d\r\n" % announced, it.signed()[1]))
        status, said = read_answer(connection)
    assert status == 413
    assert said.endswith(b'{"error": "too large"}')


def test_chunks_are_refused_once_they_pass_the_cap() -> None:
    it = stand("github", replace(SENDERS["github"].endpoint, largest=200_000))
    with listening(it) as url, connected(url.removesuffix(PATH)) as connection:
        connection.sendall(request(b"Transfer-Encoding: chunked\r\n", it.signed()[1]))
        for _ in range(20):
            connection.sendall(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
        connection.sendall(b"1\r\nx\r\n")
        status, _ = read_answer(connection)
    assert status == 413
    assert not it.inbox.receipts


def test_a_body_of_the_largest_size_is_taken() -> None:
    it = stand("github")
    body = PUSH[:-1] + b" " * (LARGEST - len(PUSH)) + PUSH[-1:]
    assert len(body) == LARGEST
    with listening(it) as url, httpx.Client(timeout=120) as client:
        headers = {name.decode(): value.decode() for name, value in github(body, SECRET, 0).items()}
        assert client.post(url, content=body, headers=headers).status_code == 202
    assert it.inbox.receipts[0].body == body


def test_a_sender_that_breaks_off_leaves_nothing_behind() -> None:
    room = Room(1000)
    it = stand("github", room=room)
    body, headers = it.signed()
    with listening(it) as url:
        for _ in range(30):
            with connected(url.removesuffix(PATH)) as connection:
                connection.sendall(request(b"Content-Length: %d\r\n" % len(body), headers) + body[:-1])
        sent = {name.decode(): value.decode() for name, value in headers.items()}
        assert wait_for(lambda: httpx.post(url, content=body, headers=sent).status_code, 202)
    assert len(it.inbox.receipts) == 1


def wait_for(ask: Callable[[], int], wanted: int) -> bool:
    """Ask until the wanted answer comes: a server hears late that a sender is gone."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        if ask() == wanted:
            return True
        time.sleep(0.05)
    return False


def test_bodies_on_their_way_share_a_bounded_memory() -> None:
    it = stand("generic", room=Room(1000))
    assert it.post(*it.signed(b"[" + b" " * 2000 + b"]"), pieces=5).status == 503
    assert it.notices[0].reason == "bodies on their way take up all the memory set aside for them"
    for number in range(5):  # none of which the memory could hold, were it not given back
        assert it.post(*it.signed(b"[" + b" " * 900 + b"%d]" % number), pieces=5).status == 202


def test_several_deliveries_go_over_one_connection() -> None:
    it = stand("github")
    with listening(it) as url, httpx.Client() as client:
        for number, status in enumerate([202, 202, 401, 202]):
            body = b'{"deployment":%d}' % number
            headers = {name.decode(): value.decode() for name, value in github(body, SECRET, 0, b"deployment").items()}
            assert client.post(url, content=body + b" " * (status == 401), headers=headers).status_code == status


def test_a_server_does_not_start_without_secrets() -> None:
    it = stand("github", secrets=held(TimedSecret(b"short")))
    with pytest.raises(RuntimeError, match="did not start"), served(it.app):
        pass
