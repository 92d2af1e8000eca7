"""Requests as bytes: what is ambiguous, too large or too slow ends at the protocol, and the application never sees it."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from reconciler.edge.asgi import Receive, Scope, Send
from reconciler.server import protocol
from tests.server.serving import PATIENCE, Recorder, Served, answer_of, living, received, served

HEAD = b"GET /x HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /x HTTP/1.1\r\nHost: localhost\r\n"

AMBIGUOUS = {
    "two hosts": b"GET /x HTTP/1.1\r\nHost: localhost\r\nHost: example.com\r\n\r\n",
    "the same host twice": b"GET /x HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
    "no host": b"GET /x HTTP/1.1\r\n\r\n",
    "length and chunks": POST + b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
    "two lengths": POST + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "a signed length": POST + b"Content-Length: +3\r\n\r\nabc",
    "chunks of another kind": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "a vertical tab before chunked": POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    "chunks within gzip": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "bare line feeds": b"GET /x HTTP/1.1\nHost: localhost\n\n",
    "one bare line feed": HEAD + b"X-A: b\n\r\n",
    "a bare carriage return": HEAD + b"X-A: b\rX-C: d\r\n\r\n",
    "a folded line": HEAD + b"X-A: b\r\n c\r\n\r\n",
    "a blank before the colon": b"GET /x HTTP/1.1\r\nHost : localhost\r\n\r\n",
    "NUL in a header": HEAD + b"X-A: b\x00c\r\n\r\n",
    "bytes beyond ASCII in the path": b"GET /\xc3\xa9 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a blank in the path": b"GET /x y HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "HTTP/0.9": b"GET /x\r\n\r\n",
    "HTTP/0.9 by its name": b"GET /x HTTP/0.9\r\nHost: localhost\r\n\r\n",
    "HTTP/2.0 as text": b"GET /x HTTP/2.0\r\nHost: localhost\r\n\r\n",
    "the preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a method that is none": b"FOO /x HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "CONNECT": b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "an asterisk": b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a URL of another host": b"GET http://example.com/x HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a URL and no host": b"GET http://example.com/x HTTP/1.0\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}
BROKEN_BODIES = {
    "a negative chunk": b"-1\r\nx\r\n0\r\n\r\n",
    "a chunk of more digits than fit": b"1" * 40 + b"\r\n",
    "bare line feeds": b"1\nx\n0\n\n",
    "no line end after a chunk": b"1\r\nxx\r\n0\r\n\r\n",
}
TOO_LARGE = {
    "a header of 64 KB": HEAD + b"X-A: " + b"a" * 65536 + b"\r\n\r\n",
    "a header's name of 64 KB": HEAD + b"X-" + b"a" * 65536 + b": b\r\n\r\n",
    "5,000 headers": HEAD + b"X-A: b\r\n" * 5000 + b"\r\n",
    "a path of 64 KB": b"GET /" + b"x" * 65536 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    "a header without end": HEAD + b"X-A: " + b"a" * 1_000_000,
    "a path without end": b"GET /" + b"x" * 1_000_000,
}


@pytest.fixture
def app() -> Recorder:
    return Recorder()


@pytest.fixture
def server(app: Recorder) -> Iterator[Served]:
    with served(app) as one:
        yield one


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines that a test can wait for."""
    assert protocol.HEAD_SECONDS < 10
    assert protocol.BODY_SECONDS < 12
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 0.5)
    monkeypatch.setattr(protocol, "BODY_SECONDS", 0.5)
    monkeypatch.setattr(protocol, "WRITE_SECONDS", 0.5)


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """No deadline ends a request before its size does."""
    monkeypatch.setattr(protocol, "HEAD_SECONDS", 10_000)
    monkeypatch.setattr(protocol, "BODY_SECONDS", 10_000)


def test_what_can_be_read_in_two_ways_is_malformed(server: Served, app: Recorder) -> None:
    answers = {name: answer_of(server.send(request)).status for name, request in AMBIGUOUS.items()}
    assert answers == dict.fromkeys(AMBIGUOUS, 400)
    assert app.scopes == []


@pytest.mark.parametrize("chunks", BROKEN_BODIES.values(), ids=BROKEN_BODIES)
def test_a_body_that_is_broken_is_never_whole(server: Served, app: Recorder, chunks: bytes) -> None:
    assert answer_of(server.send(POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)).status == 400
    assert app.disconnected.wait(30)


@pytest.mark.usefixtures("unhurried")
def test_headers_have_a_size(server: Served, app: Recorder) -> None:
    answers = {name: answer_of(server.send(request)).status for name, request in TOO_LARGE.items()}
    # What is still being sent when the server closes can take the answer with it.
    assert set(answers.values()) <= {431, 0}
    assert answers["a header of 64 KB"] in (431, 0)
    assert app.scopes == []


@pytest.mark.parametrize("lines", [b"X-A: " + b"a" * 60_000 + b"\r\n", (b"X-A: " + b"a" * 300 + b"\r\n") * 60], ids=["one long", "many"])
def test_a_head_that_comes_in_parts_is_measured_whole(server: Served, app: Recorder, lines: bytes) -> None:
    with server.connect() as connection:
        connection.sendall(HEAD + lines)
        time.sleep(0.2)  # so that the server reads the first part by itself
        with suppress(OSError):
            connection.sendall(b"X-B: c\r\n\r\n")
        assert answer_of(received(connection)).status in (431, 0)
    assert app.scopes == []


def test_a_head_after_a_long_body_is_taken(server: Served, app: Recorder) -> None:
    body = POST + b"Content-Length: 100000\r\n\r\n" + b"a" * 100_000
    with server.connect() as connection:
        connection.sendall(body + HEAD)
        time.sleep(0.2)
        connection.sendall(b"Connection: close\r\n\r\n")
        assert received(connection).count(b"200 OK") == 2
    assert len(app.scopes) == 2


def test_a_hundred_headers_are_taken_and_one_more_is_not(server: Served, app: Recorder) -> None:
    lines = b"X-A: b\r\n" * 98 + b"Connection: close\r\n"
    assert answer_of(server.send(HEAD + lines + b"\r\n")).status == 200
    assert answer_of(server.send(HEAD + lines + b"X-A: b\r\n\r\n")).status == 431
    assert len(app.scopes) == 1


def test_a_whole_url_of_this_host_is_taken(server: Served, app: Recorder) -> None:
    assert server.ask(f"http://localhost:{server.port}/runs").status == 200
    assert app.scopes[0]["path"] == "/runs"


def test_trailers_do_not_become_headers(server: Served, app: Recorder) -> None:
    chunked = POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n"
    answer = answer_of(server.send(chunked))
    assert (answer.status, answer.body) == (200, b"3")
    assert b"x-forwarded-for" not in dict(app.scopes[0]["headers"])


@pytest.mark.usefixtures("unhurried")
def test_trailers_without_end_are_not_kept(server: Served, app: Recorder) -> None:
    endless = POST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-A: " + b"a" * 3_000_000
    assert answer_of(server.send(endless)).status in (431, 0)
    assert app.disconnected.wait(30)


def test_chunks_of_any_size_are_taken(server: Served) -> None:
    body = b"".join(b"%x\r\n%s\r\n" % (size, b"a" * size) for size in (1, 2, 65536, 300_000, 1))
    answer = answer_of(server.send(POST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + body + b"0\r\n\r\n"))
    assert (answer.status, answer.body) == (200, b"365540")


def test_requests_in_a_row_are_answered_in_order_and_a_flood_of_them_is_not(server: Served, app: Recorder) -> None:
    three = b"".join(b"GET /%d HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % (n, b"Connection: close\r\n" if n == 3 else b"") for n in (1, 2, 3))
    assert server.send(three).count(b"200 OK") == 3
    assert [scope["path"] for scope in app.scopes] == ["/1", "/2", "/3"]
    server.send(b"GET /flood HTTP/1.1\r\nHost: localhost\r\n\r\n" * 3000)
    assert len(app.scopes) < 3 + 2 * protocol.MOST_PIPELINED


def test_an_upgrade_that_nobody_knows_is_a_request_like_any_other(server: Served, app: Recorder) -> None:
    for name in ("websocket", "h2c"):
        answer = server.ask("/x", f"Upgrade: {name}", "Connection: Upgrade")
        assert answer.status in (200, 400)
    assert all(scope["type"] == "http" for scope in app.scopes)


@pytest.mark.usefixtures("hasty")
@pytest.mark.parametrize(
    "begun", [b"", b"G", HEAD, HEAD + b"X-A: ", b"\r\n"], ids=["nothing", "a letter", "half a head", "half a header", "a blank line"]
)
def test_a_head_that_does_not_end_is_closed_however_it_drips(server: Served, app: Recorder, begun: bytes) -> None:
    with server.connect() as connection:
        connection.sendall(begun)
        drip(connection, b"\r\n" if begun == b"\r\n" else b"a" if begun else b"")
    assert app.scopes == []


@pytest.mark.usefixtures("hasty")
def test_a_body_that_drips_is_closed_and_the_application_told(server: Served, app: Recorder) -> None:
    with server.connect() as connection:
        connection.sendall(POST + b"Content-Length: 100000\r\n\r\n")
        drip(connection, b"a")
    assert app.disconnected.wait(30)


@pytest.mark.usefixtures("hasty")
def test_blank_lines_after_an_answer_keep_no_connection_open(server: Served) -> None:
    with server.connect() as connection:
        connection.sendall(HEAD + b"\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        drip(connection, b"\r\n")


@pytest.mark.usefixtures("hasty")
def test_who_does_not_read_an_answer_is_not_waited_for() -> None:
    ended = []

    async def huge(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await living(receive, send)
            return
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(500):
            await send({"type": "http.response.body", "body": b"a" * 100_000, "more_body": True})
        ended.append(True)

    with served(huge) as server, server.connect() as connection:
        connection.sendall(HEAD + b"\r\n")
        waiting = time.monotonic() + 60
        while not ended and time.monotonic() < waiting:
            time.sleep(0.05)
        assert ended, "the application still waits"
        assert len(received(connection)) < 50_000_000


@pytest.mark.usefixtures("hasty")
def test_a_connection_that_is_used_lives_longer_than_any_deadline(server: Served) -> None:
    with server.connect() as connection:
        for _ in range(5):
            connection.sendall(POST + b"Content-Length: 3\r\n\r\nabc")
            answer = b""
            while not answer.endswith(b"\r\n\r\n3"):
                answer += connection.recv(65536)
            assert answer.startswith(b"HTTP/1.1 200")
            time.sleep(0.2)


def drip(connection: socket.socket, part: bytes) -> None:
    """Send a part again and again until the server closes, which it must; with nothing to send, only wait for that."""
    if not part:
        assert received(connection) == b""
        return
    until = time.monotonic() + PATIENCE
    with suppress(OSError):
        while time.monotonic() < until:
            time.sleep(0.05)
            connection.sendall(part)
        raise AssertionError("the server keeps it open")
