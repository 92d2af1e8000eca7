"""A server on loopback that stands before a real OpenBao and does to its answers what networks and proxies do.

Each request takes the next fault of the script; when that is at its end, requests go through unharmed.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Literal, NamedTuple
from urllib.parse import urlsplit


class Say(NamedTuple):
    """Answer these bytes, in these pieces, instead of asking the server; then close, as an HTTP/1.0 server does."""

    pieces: tuple[bytes, ...]
    close: bool = True


Fault = Say | Literal["pass", "drop unheard", "drop after", "cut", "hang"]
"""`drop unheard`: close without asking; `drop after`: ask, then close; `cut`: close in the middle of the answer."""


def answer(status: int, body: str = "", *headers: str) -> Say:
    lines = "".join(f"{header}\r\n" for header in headers)
    return Say((f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(body.encode())}\r\n{lines}\r\n{body}".encode(),), close=False)


class Front:
    """What stands before the server. `seen` are the request heads that arrived, in order."""

    def __init__(self, behind: str, script: Sequence[Fault]) -> None:
        self._behind = urlsplit(behind)
        self._script = iter(script)
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._open: list[socket.socket] = []
        self.seen: list[str] = []
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            while head_and_body := _message(connection):
                self.seen.append(head_and_body.partition(b"\r\n\r\n")[0].decode())
                if not self._act(connection, head_and_body):
                    return

    def _act(self, connection: socket.socket, request: bytes) -> bool:
        fault = next(self._script, "pass")
        if isinstance(fault, Say):
            for piece in fault.pieces:
                connection.sendall(piece)
            return not fault.close
        if fault == "hang":
            threading.Event().wait(5)
        if fault in ("drop unheard", "hang"):
            return False
        given = self._ask(request)
        if fault == "drop after":
            return False
        connection.sendall(given[: len(given) // 2] if fault == "cut" else given)
        return fault == "pass"

    def _ask(self, request: bytes) -> bytes:
        with socket.create_connection((self._behind.hostname, self._behind.port)) as behind:
            behind.sendall(request.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
            parts = []
            while part := behind.recv(65536):
                parts.append(part)
        return b"".join(parts).replace(b"\r\nConnection: close", b"", 1)

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        for connection in self._open:
            connection.close()


def _message(connection: socket.socket) -> bytes:
    got = b""
    while b"\r\n\r\n" not in got:
        if not (part := connection.recv(65536)):
            return b""
        got += part
    head, _, body = got.partition(b"\r\n\r\n")
    lengths = [int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    while len(body) < sum(lengths):
        body += connection.recv(65536)
    return head + b"\r\n\r\n" + body


@contextmanager
def standing_before(behind: str, *script: Fault) -> Iterator[Front]:
    front = Front(behind, script)
    try:
        yield front
    finally:
        front.close()
