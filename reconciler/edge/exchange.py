"""One request and its answer on their way through the limits: what is added to the answer, what came of it, how long it took."""

from __future__ import annotations

from collections.abc import Callable

from .adaptive import Gradient2
from .asgi import Headers, Message, Receive, Send


class Exchange:
    """Stands between an application and its server. `status` is 0 until the answer begins."""

    __slots__ = ("_headers", "_receive", "_send", "status")

    def __init__(self, receive: Receive, send: Send, headers: Headers) -> None:
        self._receive, self._send, self._headers = receive, send, headers
        self.status = 0

    async def receive(self) -> Message:
        return await self._receive()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self._headers:
                message = {**message, "headers": [*message.get("headers", ()), *self._headers]}
        await self._send(message)

    def end(self) -> None:
        """The application is done, or has failed."""


class Work(Exchange):
    """An exchange that is counted as work in its class, from its beginning until the answer begins, but not while its body is waited for.

    So senders and readers who take their time, on purpose or not, neither fill the class nor make it look slow.
    """

    __slots__ = ("_began", "_class", "_clock", "_ticket", "_whole")

    def __init__(self, receive: Receive, send: Send, headers: Headers, work: Gradient2, clock: Callable[[], float]) -> None:
        super().__init__(receive, send, headers)
        self._class, self._ticket, self._clock = work, work.enter(), clock
        self._began = clock()
        self._whole = False

    async def receive(self) -> Message:
        if self._whole or self.status:  # waits for the sender to go away, beside the work
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
        if self._ticket and message["type"] in ("http.response.start", "websocket.accept", "websocket.close"):
            self._leave(self._clock() - self._began)
        await super().send(message)

    def end(self) -> None:
        if self._ticket:
            self._leave(None)

    def _leave(self, seconds: float | None) -> None:
        self._class.leave(self._ticket, seconds)
        self._ticket = 0
