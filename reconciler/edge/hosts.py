"""`HostsMiddleware`: what clients may call the server. A page of a stranger's that resolves to our address calls it otherwise."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Iterable
from functools import lru_cache

from .asgi import App, Receive, Scope, Send, header_values, refuse
from .blocked import Blocked, Observe, log_blocked
from .layers import Layer, entrance
from .networks import plain_address
from .scope import PEER

LONGEST_HOST = 262  # bytes: a name of 253, a colon and a port, and brackets that no name has
_HOST = re.compile(rb"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?")
REMEMBERED = 256


class HostsMiddleware(Layer):
    """ASGI middleware. Refuses requests that name another host than these with 421, and those that name none or two with 400.

    The address at which a request arrived is always a name of the server, and `localhost` is one on loopback.
    """

    def __init__(self, app: App, hosts: Iterable[str], *, observe: Observe = log_blocked) -> None:
        self._app = entrance(app)
        self._hosts = frozenset(host.lower() for host in hosts)
        self._observe = observe
        self._named = lru_cache(REMEMBERED)(self._status)

    def enter(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] not in ("http", "websocket"):
            return self._app(scope, receive, send)
        values = header_values(scope, b"host")
        server = scope.get("server")
        status = self._named(values[0], server[0] if server else "") if len(values) == 1 and len(values[0]) <= LONGEST_HOST else 400
        if not status:
            return self._app(scope, receive, send)
        peer = scope.get(PEER)
        reason = "it names another host" if status == 421 else "it names no host, or several"
        self._observe(Blocked("host", status, reason, peer.ip if peer else None))
        return refuse(scope, send, status)

    def _status(self, value: bytes, arrived: str) -> int:
        """0 for a name of ours, else what to answer."""
        found = _HOST.fullmatch(value)
        if found is None:
            return 400
        host = found[1].decode().lower().strip("[]")
        if host in self._hosts or _same(host, arrived):
            return 0
        return 0 if host == "localhost" and _loopback(arrived) else 421


def _same(host: str, arrived: str) -> bool:
    try:
        return plain_address(host) == plain_address(arrived)
    except ValueError:
        return False


def _loopback(arrived: str) -> bool:
    try:
        return plain_address(arrived).is_loopback
    except ValueError:
        return False
