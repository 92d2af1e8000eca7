"""uvicorn's HTTP/1.1 protocol with what it lacks: client certificates in the scope, deadlines, caps.

By itself it keeps half a header open for ever, takes any number of headers of any size, and lets trailers into the headers of
a request that is already being answered. Of requests, llhttp refuses by itself: lengths that contradict each other, bare line
feeds, folded lines, blanks before colons.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from functools import partial
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..edge.blocked import Blocked, Observe, log_blocked
from ..edge.networks import plain_address
from .tls import tls_extension
from .wire import Deadline, JoinedWrites

HEAD_SECONDS = 5.0  # from the first byte of a request, or the connection, to the end of its headers
BODY_SECONDS = 11.0  # from there to the end of its body: a second more than the edge has, which answers in words
WRITE_SECONDS = 30.0  # how long an answer waits for whoever does not read it
LINGER_SECONDS = 1.0  # for a last answer to go out
MOST_HEADERS = 100
MOST_HEAD_BYTES = 16 * 1024  # request line and headers, and what of a body is not body: chunk sizes, trailers
MOST_PIPELINED = 16

_VERSIONS = ("1.0", "1.1")
_ERROR = b'HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n{"error": "%s"}'
_WORDS = {400: b"malformed", 431: b"headers too large"}


class _Excess(Exception):
    """Ends the parsing of a request that goes too far; the parser reports it as its own error."""


class _Stage(Enum):
    BETWEEN = "no request has begun"
    HEAD = "headers are being received"
    BODY = "the body is"


_BETWEEN, _HEAD, _BODY = _Stage
_LATE = {_HEAD: "headers did not come in time", _BODY: "a body did not come in time"}


class EdgeProtocol(HttpToolsProtocol):
    """One connection. Refused ones are closed without further reading. It knows no websockets.

    What is done for every request is kept short: it is a tenth of what answering a small one costs, and `wire` saves more than that.
    """

    observe: Observe = staticmethod(log_blocked)

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # a stream server makes no other
        super().connection_made(transport)
        self.transport = self._answers = JoinedWrites(transport)
        extension = tls_extension(transport.get_extra_info("ssl_object"))
        self._extensions: dict[str, Any] = {} if extension is None else {"tls": extension}
        self._refused = 0
        self._number = 0
        self._stage = _BETWEEN
        self._beside = 0  # bytes of this stage that are no body
        self._begun = False  # the head may have begun in an earlier read, or a long one
        self._deadline = Deadline(self.loop)
        self._deadline.set(HEAD_SECONDS, partial(self._late, _LATE[_HEAD]))
        self._stalled: asyncio.TimerHandle | None = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline.end()
        if self._stalled is not None:
            self._stalled.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._refused:
            return
        number, stage = self._number, self._stage
        self._beside += len(data)
        self._begun = stage is not _BETWEEN or len(data) > MOST_HEAD_BYTES
        super().data_received(data)
        if number != self._number or stage is not self._stage:
            self._beside = 0  # what of it belongs to the new stage is one read at most
            self._watch()
        elif self._beside > MOST_HEAD_BYTES and not self._refused:
            # A header or trailer without end: the parser keeps it, and tells nobody.
            self._refuse(431)

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= MOST_PIPELINED:
            self._exceed(400)
        super().on_message_begin()
        self.scope["extensions"] = self._extensions
        self._number += 1
        self._stage = _HEAD

    def on_headers_complete(self) -> None:
        # What began and ended within one short read needs no counting.
        if len(self.headers) > MOST_HEADERS or (self._begun and self._size() > MOST_HEAD_BYTES):
            self._exceed(431)
        if not self._sound():
            self._exceed(400)
        self._stage = _BODY
        super().on_headers_complete()
        # Trailers go into a list that nobody reads: nothing here declares one, and the headers have been acted upon.
        self.headers = []

    def on_body(self, body: bytes) -> None:
        self._beside = max(self._beside - 2 * len(body), 0)  # itself, and as much of framing as there is body
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._stage = _BETWEEN
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """As uvicorn's, without its own timer for idle connections."""
        self._answers.flush()
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._stage is _BETWEEN:
            self._watch()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self.loop.call_later(WRITE_SECONDS, self._late, "an answer was not read in time")

    def resume_writing(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        self._refuse(self._refused or 400)

    def _should_upgrade(self) -> bool:
        return False

    def _unsupported_upgrade_warning(self) -> None:
        """Say nothing: it is a request like any other, and its sender is told so by the answer."""

    def _size(self) -> int:
        """Bytes of the head, with the blank, the colon and the line end of each header."""
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _sound(self) -> bool:
        """Whether what was asked for is one thing to all readers: a version that we speak, one host, a path, one way to its end."""
        names = [name for name, _ in self.headers]
        version = self.parser.get_http_version()
        hosts = names.count(b"host")
        if version not in _VERSIONS or hosts > 1 or (not hosts and version == "1.1"):
            return False
        if b"transfer-encoding" in names and any(n == b"transfer-encoding" and v.lower() != b"chunked" for n, v in self.headers):
            return False
        return self.url.startswith(b"/") or self._asks_here(self.headers[names.index(b"host")][1] if hosts else b"")

    def _asks_here(self, host: bytes) -> bool:
        """Whether a whole URL names the same host as the header: to some, the URL's is what counts. CONNECT and `*` name none."""
        url = httptools.parse_url(self.url)
        if not url.schema or not url.host or not host:
            return False
        port = b":%d" % url.port if url.port is not None else b""
        return host.lower() in (url.host.lower() + port, b"[%s]%s" % (url.host.lower(), port))

    def _exceed(self, status: int) -> None:
        self._refused = status
        raise _Excess

    def _refuse(self, status: int) -> None:
        """Answer, unless another answer is on its way, and close. An application that is at work is told that nobody waits."""
        self._refused = status
        self._blocked(status, _WORDS[status].decode())
        if self.pipeline or (self.cycle is not None and self.cycle.response_started and not self.cycle.response_complete):
            self.transport.abort()
            return
        words = _WORDS[status]
        self.transport.write(_ERROR % (status, words, len(words) + 13, words))
        self.transport.close()
        self.loop.call_later(LINGER_SECONDS, self.transport.abort)

    def _late(self, why: str) -> None:
        self._blocked(408, f"{why}; closed without an answer")
        self.transport.abort()

    def _blocked(self, status: int, reason: str) -> None:
        try:
            address = plain_address(self.client[0]) if self.client else None
        except ValueError:
            address = None  # a neighbour's, with its interface
        self.observe(Blocked("protocol", status, reason, address))

    def _watch(self) -> None:
        """Set the deadline of what is waited for since now. It is absolute: more bytes of the same do not move it."""
        if self._stage is not _BETWEEN:
            self._deadline.set(HEAD_SECONDS if self._stage is _HEAD else BODY_SECONDS, partial(self._late, _LATE[self._stage]))
        elif self.cycle.response_complete:
            self._deadline.set(self.timeout_keep_alive, self._idle)
        else:
            self._deadline.lift()

    def _idle(self) -> None:
        self.transport.close()
        self.loop.call_later(LINGER_SECONDS, self.transport.abort)


def observed(observe: Observe) -> type[EdgeProtocol]:
    """The protocol that tells somebody what it refuses."""
    return type("ObservedProtocol", (EdgeProtocol,), {"observe": staticmethod(observe)})
