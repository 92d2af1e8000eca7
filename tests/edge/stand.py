"""A service behind the signature middleware, called as a server would call it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from reconciler.edge.asgi import App, Message, Receive, Scope, Send
from reconciler.edge.bodies import Room
from reconciler.edge.endpoints import Endpoint, Receipt, TimedSecret
from reconciler.edge.replay import LocalReplayMemory, ReplayMemory
from reconciler.edge.signatures import Notice, SignatureMiddleware

from .senders import SENDERS, Headers, Sender, now

PATH = "/webhooks/it"


@dataclass
class Inbox:
    """An application that stores every event it is handed, unless it is told to fail."""

    receipts: list[Receipt] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    status: int = 202
    error: Exception | None = None
    slow: float = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await start_and_stop(receive, send)
            return
        body = b""
        more = True
        while more:
            message = await receive()
            body, more = body + message["body"], message["more_body"]
        await asyncio.sleep(self.slow)
        if self.error is not None:
            raise self.error
        if self.status < 300:
            self.receipts.append(scope["reconciler.webhook"])
            self.bodies.append(body)
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b'{"status": "accepted"}'})


async def start_and_stop(receive: Receive, send: Send) -> None:
    """What a server asks of an application besides its requests."""
    for expected in ("startup", "shutdown"):
        assert (await receive())["type"] == f"lifespan.{expected}"
        await send({"type": f"lifespan.{expected}.complete"})


@dataclass
class Answer:
    status: int
    body: bytes
    headers: dict[bytes, bytes]


def held(*secrets: TimedSecret) -> Callable[[str], Awaitable[Sequence[TimedSecret]]]:
    """A store that holds these secrets, wherever it is asked."""

    async def secrets_at(_path: str) -> Sequence[TimedSecret]:
        return secrets

    return secrets_at


@dataclass
class Stand:
    """The middleware before an inbox, for one sender."""

    sender: Sender
    secrets: Callable[[str], Awaitable[Sequence[TimedSecret]]] | None = None
    memory: ReplayMemory = field(default_factory=LocalReplayMemory)
    clock: Callable[[], float] = time.time
    room: Room | None = None
    inbox: Inbox = field(default_factory=Inbox)
    notices: list[Notice] = field(default_factory=list)
    scope: Scope = field(default_factory=dict)

    def __post_init__(self) -> None:
        secrets = self.secrets or held(TimedSecret(self.sender.secret))
        self.app = SignatureMiddleware(
            self.inbox, {PATH: self.sender.endpoint}, self.memory, secrets, observe=self.notices.append, clock=self.clock, room=self.room
        )

    def signed(self, body: bytes | None = None, moment: int | None = None) -> tuple[bytes, Headers]:
        body = self.sender.body if body is None else body
        return body, self.sender.sign(body, self.sender.secret, now() if moment is None else moment)

    async def send(self, body: bytes, headers: Headers | Iterable[tuple[bytes, bytes]], *, pieces: int = 1, **scope: Any) -> Answer:
        """Send a request with its body in `pieces`."""
        listed = list(headers.items()) if isinstance(headers, dict) else list(headers)
        self.scope = request_scope(listed, **scope)
        return await call(self.app, self.scope, split(body, pieces))

    def post(self, body: bytes, headers: Headers | Iterable[tuple[bytes, bytes]], **more: Any) -> Answer:
        return asyncio.run(self.send(body, headers, **more))


def stand(name: str, endpoint: Endpoint | None = None, **more: Any) -> Stand:
    """A stand for the sender of that name, its endpoint declared otherwise if one is given."""
    sender = SENDERS[name]
    return Stand(sender._replace(endpoint=endpoint) if endpoint else sender, **more)


def request_scope(headers: list[tuple[bytes, bytes]], **more: Any) -> Scope:
    return {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "path": PATH,
        "headers": headers if any(name == b"content-type" for name, _ in headers) else [(b"content-type", b"application/json"), *headers],
        "client": ("192.0.2.1", 50000),
        **more,
    }


def split(body: bytes, pieces: int) -> list[bytes]:
    size = -(-len(body) // pieces) or 1
    return [body[start : start + size] for start in range(0, len(body), size)] or [b""]


async def call(app: App, scope: Scope, pieces: Sequence[bytes]) -> Answer:
    """Call an application with one request, as a server does, and return its answer."""
    left = [{"type": "http.request", "body": piece, "more_body": number < len(pieces)} for number, piece in enumerate(pieces, 1)]
    sent: list[Message] = []

    async def receive() -> Message:
        return left.pop(0) if left else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    start = next(message for message in sent if message["type"] == "http.response.start")
    body = b"".join(message["body"] for message in sent if message["type"] == "http.response.body")
    return Answer(start["status"], body, dict(start["headers"]))
