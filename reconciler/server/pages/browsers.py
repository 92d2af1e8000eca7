"""Answers of the edge for people: whoever asks with a browser reads a page where programs read JSON."""

from __future__ import annotations

from collections.abc import Awaitable

from ...edge.asgi import App, Message, Receive, Scope, Send, header_values
from .doors import login_page, refused_page
from .sessions import is_page

_PROGRAMS = ("/api/", "/health/", "/metrics", "/openapi.json")
_OWN = (b"content-type", b"content-length", b"www-authenticate")  # a challenge would have browsers ask for a password


class ForBrowsers:
    """ASGI middleware. Says the same, with the same status, in HTML: what is refused, limited, or cannot be told at present."""

    def __init__(self, app: App) -> None:
        self._app = app

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        # Handed on and not awaited here: programs pay for one call more, and no coroutine.
        return self._with_pages(scope, receive, send) if _browses(scope) else self._app(scope, receive, send)

    async def _with_pages(self, scope: Scope, receive: Receive, send: Send) -> None:
        replaced = False

        async def with_pages(message: Message) -> None:
            nonlocal replaced
            if message["type"] == "http.response.start" and message["status"] >= 400 and _is_json(message):
                replaced = True
                answer = login_page(401, "") if message["status"] == 401 else refused_page(message["status"])
                answer.raw_headers.extend((name, value) for name, value in message["headers"] if name not in _OWN)
                await answer(scope, receive, send)
            elif not replaced:
                await send(message)

        await self._app(scope, receive, with_pages)


def _browses(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["path"].startswith(_PROGRAMS):
        return False
    reads = scope["method"] in ("GET", "HEAD") or is_page(scope["path"])
    return reads and any(b"text/html" in value for value in header_values(scope, b"accept"))


def _is_json(message: Message) -> bool:
    return (b"content-type", b"application/json") in [tuple(header) for header in message["headers"]]
