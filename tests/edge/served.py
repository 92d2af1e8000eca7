"""An application behind a real server, and raw connections to it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import uvicorn

from reconciler.dev.process import LOOPBACK
from reconciler.edge.asgi import App


@contextmanager
def served(app: App) -> Iterator[str]:
    """Serve `app` on a port of its own; yield where. The port is bound before anybody hears of it."""
    # Of TCP by name: only then does asyncio switch off what holds small answers back for 40 ms.
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.bind((LOOPBACK, 0))
    server = uvicorn.Server(uvicorn.Config(app, http="httptools", lifespan="on", log_level="critical", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=_run, args=(server, listening), daemon=True)
    thread.start()
    try:
        while not server.started:
            if not thread.is_alive():
                raise RuntimeError("the server did not start")
            time.sleep(0.01)
        yield f"http://{LOOPBACK}:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listening.close()


def _run(server: uvicorn.Server, listening: socket.socket) -> None:
    with suppress(SystemExit):  # how it says that the application did not start
        server.run(sockets=[listening])


@contextmanager
def connected(url: str) -> Iterator[socket.socket]:
    """A connection that nothing helps with HTTP."""
    host, _, port = url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        yield connection


def read_answer(connection: socket.socket) -> tuple[int, bytes]:
    """Return an answer's status, and all that was sent until the other side closed."""
    said = b""
    while piece := connection.recv(65536):
        said += piece
    return int(said.split(b" ", 2)[1]), said
