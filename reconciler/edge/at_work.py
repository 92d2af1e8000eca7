"""A request that counts as work in its class, from its beginning until its answer begins, but not while its body is waited for.

So senders and readers who take their time, on purpose or not, neither fill the class nor make it look slow.
"""

from __future__ import annotations

from collections.abc import Callable

from .adaptive import Gradient2
from .asgi import App, Message, Receive, Scope, Send

ANSWERS = frozenset(("http.response.start", "websocket.accept", "websocket.close"))  # what begins an answer


async def at_work(app: App, work: Gradient2, clock: Callable[[], float], scope: Scope, receive: Receive, send: Send) -> None:
    """Have a request answered. `clock` in seconds."""
    exchange = _Exchange(work, clock, receive, send)
    try:
        await app(scope, exchange.receive, exchange.send)
    finally:
        exchange.leave(None)


class _Exchange:
    """Stands between an application and its server."""

    def __init__(self, work: Gradient2, clock: Callable[[], float], receive: Receive, send: Send) -> None:
        self._class, self._clock, self._receive, self._send = work, clock, receive, send
        self._ticket = work.enter()
        self._began = clock()
        self._whole = False

    async def receive(self) -> Message:
        if self._whole or not self._ticket:  # waits for the sender to go away, beside the work
            return await self._receive()
        started = self._clock()
        self._class.working -= 1
        try:
            message = await self._receive()
        finally:
            self._class.working += 1
            self._began += self._clock() - started
        self._whole = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] in ANSWERS:
            self.leave(self._clock() - self._began)
        await self._send(message)

    def leave(self, seconds: float | None) -> None:
        if self._ticket:
            self._class.leave(self._ticket, seconds)
            self._ticket = 0
