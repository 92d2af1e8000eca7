"""An answer is the same in however many pieces it comes."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.backends.vault.connection import Host
from reconciler.backends.vault.wire import Dropped, Wire

BODY = st.binary(max_size=300)
CUTS = st.lists(st.integers(0, 600), max_size=8)


@contextmanager
def told(pieces: list[bytes]) -> Iterator[Wire]:
    """A connection to a server that sends these pieces, whatever it is asked, and closes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for piece in pieces:
                    connection.sendall(piece)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass

        thread = threading.Thread(target=serve)
        thread.start()
        with closing(Wire(Host(False, "127.0.0.1", listener.getsockname()[1]), None, "", None)) as wire:
            yield wire
        thread.join()


def cut(whole: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(at, len(whole)) for at in cuts), len(whole)]
    return [whole[start:end] for start, end in itertools.pairwise(edges)]


def sized(body: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nX-Name: Value\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


def chunked(body: bytes, size: int) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    chunks = b"".join(b"%x;extension=1\r\n%s\r\n" % (len(part), part) for part in parts)
    return b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\nTrailer: x\r\n\r\n"


@settings(max_examples=60, deadline=None)
@given(first=BODY, second=BODY, size=st.integers(1, 100), cuts=CUTS)
def test_two_answers_on_one_connection_are_told_apart(first: bytes, second: bytes, size: int, cuts: list[int]) -> None:
    # The second is sent ahead of its request: what was read too far must be kept.
    with told(cut(sized(first) + chunked(second, size) + sized(first), cuts)) as wire:
        got = wire.exchange(b"GET / HTTP/1.1\r\n\r\n", 5)
        assert (got.status, got.body, got.header("x-name")) == (200, first, "Value")
        got = wire.exchange(b"GET / HTTP/1.1\r\n\r\n", 5)
        assert (got.status, got.body, got.header("x-name")) == (404, second, "")
        assert wire.exchange(b"GET / HTTP/1.1\r\n\r\n", 5).body == first
        assert wire.open


@settings(max_examples=40, deadline=None)
@given(body=st.binary(min_size=1, max_size=200), lost=st.integers(1, 100), as_chunks=st.booleans())
def test_an_answer_that_ends_early_is_never_taken_for_a_whole_one(body: bytes, lost: int, as_chunks: bool) -> None:
    whole = chunked(body, 30) if as_chunks else sized(body)
    with told([whole[:-lost]]) as wire, pytest.raises(Dropped) as caught:
        wire.exchange(b"GET / HTTP/1.1\r\n\r\n", 5)
    assert caught.value.sent


def test_a_body_without_a_length_ends_with_the_connection() -> None:
    with told([b"HTTP/1.1 200 OK\r\n\r\n", b"all", b" of it"]) as wire:
        assert wire.exchange(b"GET / HTTP/1.1\r\n\r\n", 5).body == b"all of it"
        assert not wire.open


def test_no_content_has_no_body_and_the_connection_stays() -> None:
    with told([b"HTTP/1.1 204 No Content\r\n\r\n"]) as wire:
        assert wire.exchange(b"GET / HTTP/1.1\r\n\r\n", 5).body == b""
        assert wire.open


@pytest.mark.parametrize("head", [b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 200 OK\r\nConnection: close\r\n"])
def test_a_connection_that_the_server_will_close_is_not_kept(head: bytes) -> None:
    with told([head + b"Content-Length: 1\r\n\r\n1"]) as wire:
        assert wire.exchange(b"GET / HTTP/1.1\r\n\r\n", 5).body == b"1"
        assert not wire.open


def test_a_connection_that_was_closed_meanwhile_is_stale() -> None:
    with told([sized(b"1")]) as wire:
        wire.exchange(b"GET / HTTP/1.1\r\n\r\n", 5)
        threading.Event().wait(0.1)
        assert wire.stale()
