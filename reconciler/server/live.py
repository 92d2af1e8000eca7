"""The application that is replaced while it runs: a request ends in the one it began in, and no connection is dropped."""

from __future__ import annotations

from ..edge.asgi import App, Receive, Scope, Send, answer

_STARTING = b'{"error": "unavailable"}'


class Live:
    """ASGI application in front of another, which `swap` replaces for the requests that come after."""

    def __init__(self, app: App | None = None) -> None:
        self._app = app

    def swap(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif self._app is None:
            await answer(send, 503, _STARTING, ((b"retry-after", b"5"),))
        else:
            await self._app(scope, receive, send)


async def _live(receive: Receive, send: Send) -> None:
    """Starting and stopping are those of the server, not of one of the applications that come and go."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
