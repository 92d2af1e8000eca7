"""Whom a limit counts: keys made of what a request carries, of few bytes, and never two of different sorts alike."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from ipaddress import IPv4Address, ip_address

from .asgi import Scope, header_values
from .scope import PEER, PRINCIPAL, WEBHOOK, Address, PeerAddress

KeyOf = Callable[[Scope, bytes], bytes]

LONGEST = 48  # bytes: what is longer is known by its digest, or a client would choose how much memory a key takes
UNKNOWN = b"?"  # who comes from no address: a Unix socket
REMEMBERED = 4096  # other ends of connections, by what the server calls them


def address_of(scope: Scope) -> Address | None:
    """Who sent the request: as NetworkMiddleware found out, else the other end of the connection."""
    peer = _peer(scope)
    return None if peer is None else peer.ip


def site_key(scope: Scope) -> bytes:
    """By what the sender of a request is counted."""
    peer = _peer(scope)
    return UNKNOWN if peer is None else peer.site


def _peer(scope: Scope) -> PeerAddress | None:
    peer: PeerAddress | None = scope.get(PEER)
    if peer is None and (client := scope.get("client")):
        return _direct(client[0])
    return peer


@lru_cache(REMEMBERED)
def _direct(host: str) -> PeerAddress | None:
    try:
        ip = ip_address(host.partition("%")[0])
    except ValueError:  # a name: some servers write one for sockets that have no address
        return None
    return PeerAddress(ip if isinstance(ip, IPv4Address) else ip.ipv4_mapped or ip)


def key_function(key: str) -> KeyOf | None:
    """How the key of a limit is made, from a request and its address's key; None: it is that. So it is for who lacks what is asked for."""
    if key == "principal":
        return _principal
    if key == "webhook":
        return _webhook
    if key.startswith("header:"):
        name = key.removeprefix("header:").lower().encode()
        return lambda scope, site: _header(name, scope, site)
    return None


def _principal(scope: Scope, site: bytes) -> bytes:
    principal = scope.get(PRINCIPAL)
    if principal is None or principal.anonymous:
        return site
    return _key(b"p", f"{principal.kind}\0{principal.name}".encode())


def _webhook(scope: Scope, site: bytes) -> bytes:
    receipt = scope.get(WEBHOOK)
    return site if receipt is None else _key(b"w", receipt.webhook.encode())


def _header(name: bytes, scope: Scope, site: bytes) -> bytes:
    values = header_values(scope, name)
    return _key(b"h", b"\0".join(values)) if values else site


def _key(sort: bytes, value: bytes) -> bytes:
    if len(value) <= LONGEST:
        return sort + b"=" + value
    return sort + b"#" + hashlib.blake2b(value, digest_size=24).digest()
