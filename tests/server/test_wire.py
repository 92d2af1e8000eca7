"""Answers as bytes: the head goes out with the body, and by itself where there is none or it is late."""

from __future__ import annotations

import asyncio
import time

import pytest

from reconciler.edge.asgi import Message, Receive, Scope, Send
from reconciler.server.wire import LONGEST_JOINED, Deadline
from tests.server.serving import living, received, served

START: Message = {"type": "http.response.start", "status": 200, "headers": [(b"x-of", b"us")]}
LENGTH: Message = {"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]}


class Talker:
    """An application that answers with these messages, and then fails if they are no whole answer."""

    def __init__(self, *messages: Message) -> None:
        self.messages = messages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await living(receive, send)
            return
        if scope["method"] == "POST":
            await receive()
        for message in self.messages:
            await send(dict(message))


def body(text: bytes, *, more: bool = False) -> Message:
    return {"type": "http.response.body", "body": text, "more_body": more}


def asked(app: Talker, request: bytes) -> bytes:
    with served(app) as server:
        return server.send(request)


GET = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
LAST = b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def test_an_answer_without_a_body_is_sent_too() -> None:
    with served(Talker(LENGTH, body(b"ok"))) as server, server.connect() as connection:
        connection.sendall(GET.replace(b"GET", b"HEAD"))
        assert connection.recv(65536).endswith(b"\r\ncontent-length: 2\r\n\r\n")
    assert asked(Talker({**LENGTH, "status": 204, "headers": []}, body(b"")), LAST).startswith(b"HTTP/1.1 204 No Content\r\n")


def test_answers_in_a_row_come_one_after_the_other() -> None:
    told = asked(Talker(LENGTH, body(b"ok")), GET + GET.replace(b"GET", b"HEAD") + LAST)
    assert told.count(b"HTTP/1.1 200 OK\r\n") == 3
    assert told.count(b"\r\n\r\nok") == 2


@pytest.mark.parametrize("size", [LONGEST_JOINED, LONGEST_JOINED + 1])
def test_a_long_body_follows_its_head(size: int) -> None:
    length: Message = {**LENGTH, "headers": [(b"content-length", b"%d" % size)]}
    head, _, rest = asked(Talker(length, body(b"a" * size)), LAST).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert rest == b"a" * size


def test_a_body_in_pieces_is_whole_even_where_they_look_like_heads() -> None:
    told = asked(Talker(START, body(b"", more=True), body(b"HTTP/1.1 1", more=True), body(b"HTTP/1.1 2")), LAST)
    assert told.endswith(b"\r\n\r\na\r\nHTTP/1.1 1\r\na\r\nHTTP/1.1 2\r\n0\r\n\r\n")


def test_an_answer_that_breaks_off_after_its_head_ends_the_connection() -> None:
    told = asked(Talker(START), GET)
    assert told.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nx-of: us\r\n" in told


def test_who_waits_for_leave_to_send_a_body_gets_it() -> None:
    post = b"POST / HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\nConnection: close\r\n\r\n"
    with served(Talker(LENGTH, body(b"ok"))) as server, server.connect() as connection:
        connection.sendall(post)
        assert connection.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert received(connection).endswith(b"\r\n\r\nok")


def test_a_deadline_counts_from_when_it_was_set_last() -> None:
    rung: list[tuple[str, float]] = []

    async def run() -> None:
        loop = asyncio.get_running_loop()
        deadline = Deadline(loop)

        def ring(what: str) -> None:
            rung.append((what, time.monotonic() - began))

        deadline.set(0.2, lambda: ring("replaced by a later one"))
        began = time.monotonic()
        deadline.set(0.4, lambda: ring("later"))
        await asyncio.sleep(0.8)
        deadline.set(3600, lambda: ring("replaced by an earlier one"))
        deadline.set(0.1, lambda: ring("earlier"))
        await asyncio.sleep(0.4)
        deadline.set(0.1, lambda: ring("lifted"))
        deadline.lift()
        deadline.set(0.1, lambda: ring("ended"))
        deadline.end()
        await asyncio.sleep(0.4)

    asyncio.run(run())
    assert [what for what, _ in rung] == ["later", "earlier"]
    assert rung[0][1] >= 0.39
