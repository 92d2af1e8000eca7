"""A pool of kept-alive connections to one instance, which follows a standby's redirect to the active server.

A redirect is followed only when it is what a Vault standby sends: 307, to the same path, by the same scheme. Then the
token goes along: the server that the operator configured vouches for the other one, and over https the other one's
certificate is verified as well. Everything else (a login page, http to https, another path) is reported, since a token
sent to the wrong place is lost.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from ...core.errors import BackendError
from .connection import Connection, Host, tls_context
from .wire import Answer, Dropped, Unreadable, Untrusted, Wire

if TYPE_CHECKING:
    import ssl

Gate = Callable[[float], None]
"""Called with a mutating request's timeout right before it is sent; raises LeaseLost when the lease is too short."""

MAX_REDIRECTS = 3
_IDLE_SECONDS = 1.0  # after this a connection is looked at before it is used: servers and proxies close idle ones


class Request(NamedTuple):
    """One request. `path` is as people write it, for texts; `target` is quoted and has the query."""

    method: str
    path: str
    target: str
    token: str = ""
    namespace: str = ""
    body: bytes = b""
    mutating: bool = False  # changes the server: gated
    once: bool = False  # must not be done twice


class Circle(Exception):
    """Standbys redirect to each other."""


def always_open(_seconds: float) -> None:
    """The gate of a client that holds no lease."""


class Pool:
    """Connections, each used by one thread at a time. Safe to use from many threads."""

    def __init__(self, connection: Connection, read_seconds: float, write_seconds: float) -> None:
        self.connection = connection
        self.home = connection.host
        self.host = self.home  # the active server, once a standby has named it
        self.requests = 0
        self.round_trip = 0.0  # the shortest yet, in seconds; 0 before the first answer
        self._seconds = {False: read_seconds, True: write_seconds}
        self._idle: deque[Wire] = deque()  # its append and pop are atomic
        self._shut = False
        self._lock = threading.Lock()
        self._context: ssl.SSLContext | None = None
        self._heads: dict[tuple[str, str, Host], str] = {}

    def exchange(self, request: Request, gate: Gate = always_open) -> Answer:
        """Send once, to the active server. Raises Dropped, Circle, BackendError, or what `gate` raises."""
        for _ in range(MAX_REDIRECTS):
            answer = self._carry(request, gate)
            if not 300 <= answer.status < 400:
                return answer
            self.host = self._active(request, answer)
        self.host = self.home
        raise Circle

    def _carry(self, request: Request, gate: Gate) -> Answer:
        host = self.host
        try:
            wire = self._idle_wire(host)
            if wire and not request.mutating:
                try:
                    return self._use(wire, request, gate)
                except Dropped:
                    wire = None  # the server closed it just as we used it: nothing is wrong yet
            return self._use(wire or self._connect(host), request, gate)
        except Dropped as dropped:
            if host == self.home:
                raise
            self.host = self.home  # the active server may be another one by now
            raise Dropped(f"it is a standby and redirects to {host}, where {dropped}", sent=dropped.sent) from None
        except Untrusted as error:
            remedy = "set VAULT_CACERT to the PEM file of the authority that signed it, or VAULT_TLS_SERVER_NAME to the name in it"
            raise BackendError(f"{host}: {error} ({remedy})", path=request.path) from None
        except Unreadable as error:
            remedy = "check the address: https:// or http://, and the port"
            raise BackendError(f"{host}: it does not answer as Vault does: {error} ({remedy})", path=request.path) from None

    def _use(self, wire: Wire, request: Request, gate: Gate) -> Answer:
        seconds = self._seconds[request.mutating]
        try:
            sent = self._bytes(wire.host, request)
            if request.mutating:
                gate(seconds)  # after connecting, so that nothing slow lies between the lease and the request
            with self._lock:
                self.requests += 1
            began = time.monotonic()
            answer = wire.exchange(sent, seconds)
        except BaseException:  # whatever it was, half an answer may be left in it
            wire.close()
            raise
        took = wire.used - began
        if took < self.round_trip or not self.round_trip:
            self.round_trip = took
        if wire.open:
            self._idle.append(wire)
            if self._shut:  # by another thread, while this request was under way
                self.close()
        else:
            wire.close()
        return answer

    def _idle_wire(self, host: Host) -> Wire | None:
        while True:
            try:
                wire = self._idle.pop()  # the one used last: the others may close in peace
            except IndexError:
                return None
            if wire.host == host and (time.monotonic() - wire.used < _IDLE_SECONDS or not wire.stale()):
                return wire
            wire.close()

    def _connect(self, host: Host) -> Wire:
        tls = self.connection.tls
        if host.secure and self._context is None:
            with self._lock:
                self._context = self._context or tls_context(tls)
        return Wire(host, self._context if host.secure else None, tls.server_name, self.connection.proxy)

    def _bytes(self, host: Host, request: Request) -> bytes:
        key = (request.token, request.namespace, host)
        head = self._heads.get(key) or self._heads.setdefault(key, self._head(*key))
        # A proxy is told the whole URL where it does not tunnel.
        where = str(host) if self.connection.proxy and not host.secure else ""
        line = f"{request.method} {where}/v1/{request.target} HTTP/1.1\r\n{head}"
        if request.method == "GET":
            return f"{line}\r\n".encode()
        # Vault takes a PATCH only as what it is; of any other body it assumes JSON.
        kind = "Content-Type: application/merge-patch+json\r\n" if request.method == "PATCH" else ""
        return f"{line}{kind}Content-Length: {len(request.body)}\r\n\r\n".encode() + request.body

    def _head(self, token: str, namespace: str, host: Host) -> str:
        # X-Vault-Request: agents and proxies of Vault can be told to refuse requests without it.
        fields = {"Host": host.header, "User-Agent": "reconciler", "X-Vault-Request": "true", "X-Vault-Token": token,
                  "X-Vault-Namespace": namespace, "X-Correlation-Id": self.connection.run}  # fmt: skip
        if self.connection.proxy and not host.secure:
            fields["Proxy-Authorization"] = self.connection.proxy.authorization
        for name, value in fields.items():
            if not value.isascii() or not (value.isprintable() or not value):
                raise BackendError(f"{name} holds a character that cannot be sent (a token or namespace was copied with a line break?)")
        return "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value)

    def _active(self, request: Request, answer: Answer) -> Host:
        location = answer.header("location")
        try:
            parts = urlsplit(location)
            to = Host(parts.scheme == "https", parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        except ValueError:
            raise self._not_followed(request, answer.status, "a place that is not a URL") from None
        same_path = parts.path == "/v1/" + request.target.partition("?")[0]
        if answer.status == 307 and to.name and same_path and parts.scheme == ("https" if self.home.secure else "http"):
            return to
        raise self._not_followed(request, answer.status, str(to) if to.name else "another path")

    def _not_followed(self, request: Request, status: int, to: str) -> BackendError:
        text = f"{self.host}: it redirects to {to}, which is not how a standby names the active server, so the token was not sent there"
        return BackendError(f"{text} (set the address to the active server)", path=request.path, status=status)

    def close(self) -> None:
        self._shut = True
        while self._idle:
            with suppress(IndexError):  # another thread may close the last one
                self._idle.pop().close()
