"""A real uvicorn with the edge's protocol, in a thread of this process, and clients that write bytes."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple

import uvicorn

from reconciler.edge.asgi import App, Receive, Scope, Send
from reconciler.edge.blocked import Observe, log_blocked
from reconciler.server.listen import listening

PATIENCE = 60  # seconds: far more than anything here takes, on any machine


class Answer(NamedTuple):
    """What came back: 0 and nothing where the connection was closed without an answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Served(NamedTuple):
    """Where the server listens, and from where it is talked to."""

    port: int
    host: str = "127.0.0.1"
    source: str = ""

    def connect(self, context: ssl.SSLContext | None = None) -> socket.socket:
        source = (self.source, 0) if self.source else None
        plain = socket.create_connection((self.host, self.port), timeout=PATIENCE, source_address=source)
        if context is None:
            return plain
        try:
            return context.wrap_socket(plain, server_hostname="localhost")
        except OSError:
            plain.close()
            raise

    def send(self, request: bytes, context: ssl.SSLContext | None = None) -> bytes:
        """Send bytes, and return all that comes back until the server closes."""
        with self.connect(context) as connection:
            with suppress(OSError):  # it was closed before all was sent; what it said may still be there
                connection.sendall(request)
            return received(connection)

    def ask(self, target: str, *headers: str, method: str = "GET", context: ssl.SSLContext | None = None) -> Answer:
        """Send a request with `Host` and `Connection: close`, and read the answer."""
        lines = [f"{method} {target} HTTP/1.1", f"Host: localhost:{self.port}", *headers, "Connection: close", "", ""]
        return answer_of(self.send("\r\n".join(lines).encode("latin-1"), context))


def received(connection: socket.socket) -> bytes:
    """All bytes until the connection ends, in whatever way."""
    whole = b""
    try:
        while part := connection.recv(65536):
            whole += part
    except TimeoutError:
        raise AssertionError(f"still open, after {whole[:200]!r}") from None
    except OSError:
        pass
    return whole


def answer_of(raw: bytes) -> Answer:
    head, _, body = raw.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Answer(int(first.split(" ")[1]) if first else 0, headers, body)


@contextmanager
def served(app: App, context: ssl.SSLContext | None = None, host: str = "127.0.0.1", observe: Observe = log_blocked) -> Iterator[Served]:
    server = uvicorn.Server(listening(app, host, 0, context, grace=1, observe=observe))
    # A loop that is not closed would leave its sockets to the garbage collector: the server closes its own.
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        until = time.monotonic() + PATIENCE
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            assert time.monotonic() < until, "the server does not come up"
            time.sleep(0.01)
        yield Served(server.servers[0].sockets[0].getsockname()[1], host)
    finally:
        server.should_exit = True
        thread.join(PATIENCE)
        assert not thread.is_alive()


class Recorder:
    """An application that remembers the scopes that reached it, and answers 200 with the size of the body."""

    def __init__(self) -> None:
        self.scopes: list[Scope] = []
        self.disconnected = threading.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await living(receive, send)
            return
        self.scopes.append(scope)
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                self.disconnected.set()
                return
            size += len(message["body"])
            more = message["more_body"]
        body = str(size).encode()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})


async def living(receive: Receive, send: Send) -> None:
    """Say yes to what a server asks at its start and end."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
