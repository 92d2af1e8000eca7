"""One connection to Redis or Valkey, shared by all who ask: what is asked while others wait goes along on the same line.

redis-py takes 110 us for a question and an answer, a third of which is the server's; this takes 35. It is for a question asked of every
request, and for no other. URLs are read by redis-py, so that addresses, passwords and TLS mean the same everywhere.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence
from typing import Any, NamedTuple, cast

from ..core.errors import Unavailable

Reply = bytes | int | None
LONGEST_ANSWER = 1 << 20  # a server that sends more than this is none


class Said(Unavailable):
    """The server answered with an error: its first word, never its text, which may quote what it was sent."""

    def __init__(self, code: str) -> None:
        super().__init__(f"Redis answers {code}")
        self.code = code


def packed(*words: bytes) -> bytes:
    """A command as it is sent."""
    return b"*%d\r\n%b" % (len(words), bulks(*words))


def bulks(*words: bytes) -> bytes:
    """Words of a command as they are sent."""
    return b"".join(map(bulk, words))


def bulk(word: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(word), word)


class _Place(NamedTuple):
    host: str
    port: int
    path: str  # of a Unix socket
    greeting: tuple[tuple[bytes, ...], ...]
    tls: ssl.SSLContext | None


class RedisLine:
    """Connects when it is first asked, and again after a failure. What fails, or takes longer than `timeout`, is Unavailable."""

    def __init__(self, url: str, timeout: float) -> None:
        self._place = _place(url)
        self._timeout = timeout
        self._line: _Line | None = None
        self._opening: asyncio.Task[_Line] | None = None

    async def ask(self, command: bytes) -> Reply:
        """Send one packed command and return its answer."""
        line = self._line
        if line is None or line.gone:
            line = await self._open()
        return await line.ask(command)

    def close(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
        if self._line is not None:
            self._line.end("it was closed")

    async def _open(self) -> _Line:
        """Connect once for all who ask meanwhile. One of them who goes away does not take it from the others."""
        if self._opening is None or self._opening.done():
            self._opening = asyncio.create_task(self._connect())
        self._line = await asyncio.shield(self._opening)
        return self._line

    async def _connect(self) -> _Line:
        loop, place = asyncio.get_running_loop(), self._place
        try:
            async with asyncio.timeout(self._timeout):
                if place.path:
                    _, line = await loop.create_unix_connection(lambda: _Line(self._timeout), place.path, ssl=place.tls)
                else:
                    _, line = await loop.create_connection(lambda: _Line(self._timeout), place.host, place.port, ssl=place.tls)
                await _greet(line, place.greeting)
        except (OSError, TimeoutError) as error:  # TLS errors are OSErrors
            raise Unavailable(f"Redis cannot be reached ({type(error).__name__})") from None
        return line


class _Line(asyncio.Protocol):
    """Answers come in the order of the questions, so the first who waits gets the first answer."""

    def __init__(self, timeout: float) -> None:
        self.gone = False
        self._timeout = timeout
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[tuple[asyncio.Future[Reply], float]] = deque()
        self._unsent: list[bytes] = []
        self._received = b""
        self._watch: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # what streams of bytes are given

    async def ask(self, command: bytes) -> Reply:
        if self.gone or self._transport is None:
            raise Unavailable("Redis closed the connection")
        answer: asyncio.Future[Reply] = self._loop.create_future()
        self._waiting.append((answer, self._loop.time() + self._timeout))
        if self._watch is None:
            self._watch = self._loop.call_later(self._timeout, self._late)
        if len(self._waiting) == 1:
            self._transport.write(command)
        else:  # along with what others ask in this turn of the loop
            if not self._unsent:
                self._loop.call_soon(self._send)
            self._unsent.append(command)
        return await answer

    def _send(self) -> None:
        if self._transport is not None and not self.gone:
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def data_received(self, received: bytes) -> None:
        self._received += received
        try:
            place = 0
            while (found := _reply(self._received, place)) is not None:
                reply, place = found
                self._give(reply)
            self._received = self._received[place:]
        except (ValueError, IndexError):
            self.end("it does not speak its protocol")
        if len(self._received) > LONGEST_ANSWER:
            self.end("it does not speak its protocol")

    def connection_lost(self, error: Exception | None) -> None:
        self.end("it closed the connection")

    def end(self, why: str) -> None:
        """Answer all who wait that there will be no answer: on a line that has lost one, nobody can tell whose the next one is."""
        self.gone = True
        if self._watch is not None:
            self._watch.cancel()
        if self._transport is not None:
            self._transport.abort()
        while self._waiting:
            answer, _ = self._waiting.popleft()
            if not answer.done():
                answer.set_exception(Unavailable(f"Redis gave no answer: {why}"))

    def _give(self, reply: Reply | Said) -> None:
        answer, _ = self._waiting.popleft()
        if answer.done():  # whoever asked has gone away
            return
        if isinstance(reply, Said):
            answer.set_exception(reply)
        else:
            answer.set_result(reply)

    def _late(self) -> None:
        """One timer for all: cheaper than one for each, and the first who waits has waited the longest."""
        self._watch = None
        if not self._waiting:
            return
        left = self._waiting[0][1] - self._loop.time()
        if left <= 0:
            self.end(f"none came within {self._timeout:g} s")
        else:
            self._watch = self._loop.call_later(left, self._late)


async def _greet(line: _Line, greeting: Sequence[tuple[bytes, ...]]) -> None:
    """Log in. A line on which that failed is closed: one a second would be left open while the password is wrong."""
    try:
        for words in greeting:
            await line.ask(packed(*words))
    except BaseException:  # raised on; cancelled ones leave as much
        line.end("the greeting was not taken")
        raise


def _reply(received: bytes, place: int) -> tuple[Reply | Said, int] | None:
    """The answer that begins at `place`, and where it ends; None if it is not whole yet. Raises ValueError for what is no answer."""
    end = received.find(b"\r\n", place)
    if end < 0:
        return None
    sort, text, after = received[place : place + 1], received[place + 1 : end], end + 2
    if sort == b"$":
        size = int(text)
        if size < 0:
            return None, after
        if size > LONGEST_ANSWER:
            raise ValueError("too long")
        return (received[after : after + size], after + size + 2) if len(received) >= after + size + 2 else None
    if sort == b"-":
        return Said(text.split(b" ", 1)[0].decode("ascii", "replace")[:32]), after
    if sort == b":":
        return int(text), after
    if sort == b"+":
        return text, after
    raise ValueError("an answer of a sort that was not asked for")


def _place(url: str) -> _Place:
    """Where a URL leads. Raises ValueError for one that is none, never quoting it: it may hold a password."""
    from redis.asyncio.connection import SSLConnection, parse_url

    try:
        given: dict[str, Any] = dict(parse_url(url))  # whatever options the URL holds
    except ValueError:
        raise ValueError("the URL of Redis must begin with redis://, rediss:// or unix://") from None
    tls = None
    if given.get("connection_class") is SSLConnection:
        tls = SSLConnection(**{name: value for name, value in given.items() if name.startswith("ssl_")}).ssl_context.get()
    greeting = []
    if password := given.get("password"):
        user = given.get("username")
        greeting.append(tuple(word.encode() for word in ("AUTH", user, password) if word))
    if database := given.get("db"):
        greeting.append((b"SELECT", b"%d" % int(database)))
    return _Place(given.get("host", "localhost"), given.get("port", 6379), given.get("path", ""), tuple(greeting), tls)
