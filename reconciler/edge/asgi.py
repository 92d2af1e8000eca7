"""The vocabulary of ASGI, and whole answers. No framework: what is here can be mounted in any."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = Iterable[tuple[bytes, bytes]]

POLICY_VIOLATION = 1008  # what a websocket that is refused after its opening is closed with
REASONS = {
    400: "malformed",
    401: "not authenticated",
    403: "forbidden",
    404: "not found",
    405: "method not allowed",
    408: "too slow",
    413: "too large",
    415: "unsupported type or encoding",
    421: "unknown host",
    429: "too many requests",
    503: "unavailable",
}


def header_values(scope: Scope, name: bytes) -> list[bytes]:
    """Every value that a header was sent with, in order. `name` is in lower case, as servers deliver them."""
    return [value for key, value in scope["headers"] if key == name]


async def refuse(scope: Scope, send: Send, status: int, headers: Headers = ()) -> None:
    """Answer with a status and its words alone: one body for one status, whatever was wrong.

    A websocket that is not accepted yet is closed, which servers answer with 403.
    """
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": ""})
        return
    await answer(send, status, b'{"error": "%s"}' % REASONS[status].encode(), headers)


async def answer(send: Send, status: int, body: bytes, headers: Headers = ()) -> None:
    """Send a whole answer in JSON."""
    sent = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": sent})
    await send({"type": "http.response.body", "body": body})
