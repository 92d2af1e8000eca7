"""Days that pass in seconds: for this process, for a Vault behind a door that tells its times as of those days, and for its audit log.

The clock of a server cannot be set: a program in Go reads it past every library that could be put in between. So the
server lives all days in one, and what it says of moments is moved to the day on which it happened, in answers and in the
copy of its audit device. Nothing else is changed on the way.
"""

from __future__ import annotations

import http.client
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

import time_machine

from reconciler.dev.process import LOOPBACK

MOMENT = re.compile(rb"\b(20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z")
PASSED_ON = ("x-vault-token", "x-vault-namespace", "x-vault-request", "x-vault-wrap-ttl", "x-correlation-id", "content-type")


class Days:
    """Which day it is. It never goes back, and the last day is the real one."""

    def __init__(self, past: int) -> None:
        self._begun: list[tuple[datetime, timedelta]] = []  # real moments, and how far the days lay behind from then on
        self._travel: time_machine.travel | None = None
        self.dawn(past)

    def dawn(self, past: int) -> None:
        """Let it be so many days before today, at this hour."""
        self.wake()
        self._begun.append((datetime.now(UTC), timedelta(days=past)))
        if past:
            self._travel = time_machine.travel(datetime.now(UTC) - timedelta(days=past), tick=True)
            self._travel.start()

    def wake(self) -> None:
        """Back to the real clock."""
        if self._travel:
            self._travel.stop()
            self._travel = None

    def told(self, text: bytes) -> bytes:
        """A server's words, with each moment on the day that it was. What lies ahead counts from the latest."""
        return MOMENT.sub(self._moved, text)

    def _moved(self, found: re.Match[bytes]) -> bytes:
        real = datetime.fromisoformat(found[0].decode())
        behind = next((lag for begun, lag in reversed(self._begun) if begun <= real), timedelta())
        return (real - behind).strftime("%Y-%m-%dT%H:%M:%S").encode() + (found[2] or b"") + b"Z"


@contextmanager
def door_of(address: str, days: Days) -> Iterator[str]:
    """Stand before a server; yields the address."""
    place = urlsplit(address).netloc

    class Door(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            given = {name: value for name, value in self.headers.items() if name.lower() in PASSED_ON}
            inner = http.client.HTTPConnection(place, timeout=60)
            inner.request(self.command, self.path, body or None, given)
            answer = inner.getresponse()
            said = days.told(answer.read())
            inner.close()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            if answer.status != 204:
                self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_LIST = do_SCAN = pass_on

        def log_message(self, format: str, *_rest: object) -> None:
            """Say nothing: what was asked stands in the server's own log."""

    server = ThreadingHTTPServer((LOOPBACK, 0), Door)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
