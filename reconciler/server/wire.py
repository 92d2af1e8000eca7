"""What a connection costs with every request, made cheap: its timer, and its writes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

LONGEST_JOINED = 64 * 1024  # bytes: copying more takes longer than writing twice


class Deadline:
    """One timer for all that a connection waits for in turn. It is set anew when it rings, and seldom before.

    A timer made and cancelled with every request would cost more than parsing the request does.
    """

    __slots__ = ("_at", "_loop", "_missed", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._at = 0.0  # 0: nothing is waited for
        self._missed: Callable[[], object] = lambda: None
        self._timer: asyncio.TimerHandle | None = None

    def set(self, seconds: float, missed: Callable[[], object]) -> None:
        """Wait so long for something else than before, and call `missed` if it has not come by then."""
        self._at, self._missed = self._loop.time() + seconds, missed
        if self._timer is None or self._timer.when() > self._at:
            self._start()

    def lift(self) -> None:
        self._at = 0.0

    def end(self) -> None:
        """Ring no more."""
        self._at = 0.0
        if self._timer is not None:
            self._timer.cancel()

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._at, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._at > self._loop.time():
            self._start()
        elif self._at:
            self._at = 0.0
            self._missed()


class JoinedWrites(asyncio.Transport):
    """A transport that keeps the head of an answer until its body comes, as ASGI allows, and writes both at once.

    A write is a good part of what answering a small request costs, and uvicorn makes two. `flush` when an answer ends: some have no body.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._head = b""
        self._begins = True  # the next write is the head of an answer

    def write(self, data: Any) -> None:
        if self._begins and not data.startswith(b"HTTP/1.1 1"):  # `100 Continue` comes before the answer, and is waited for
            self._begins, self._head = False, data
            return
        if self._head:
            head, self._head = self._head, b""
            if len(data) <= LONGEST_JOINED:
                data = head + data
            else:
                self._transport.write(head)
        self._transport.write(data)

    def flush(self) -> None:
        """Write what is left of an answer. What follows begins another."""
        self._begins = True
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()
