"""What the middleware leaves in the ASGI scope, under keys of its own, so that any framework passes it on."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

PEER = "reconciler.peer"
"""A PeerAddress: who sent the request, behind trusted proxies."""
PRINCIPAL = "reconciler.principal"
"""A Principal: as whom. Absent until something proved it."""
ROUTE = "reconciler.route"
"""A RouteClass: the route's path, and whether it takes anybody."""
WEBHOOK = "reconciler.webhook"
"""A Receipt: the proven body of a webhook."""

SITE_BYTES = 8  # of an IPv6 address: whoever has one has all of its /64

Address = IPv4Address | IPv6Address
Proof = Literal["certificate", "vault", "jwt", "webhook", "anonymous"]


def site_of(ip: Address) -> bytes:
    """By what a sender at an address is counted: IPv4 as it is, IPv6 by its /64."""
    return b"i" + (ip.packed if isinstance(ip, IPv4Address) else ip.packed[:SITE_BYTES])


@dataclass(frozen=True, slots=True)
class PeerAddress:
    """Where a request comes from. `ip` is never a v4-mapped IPv6 address; `via` are the trusted proxies, nearest first."""

    ip: Address
    via: tuple[str, ...] = ()
    site: bytes = field(init=False, compare=False, repr=False)  # made with it, since one is kept for many requests

    def __post_init__(self) -> None:
        object.__setattr__(self, "site", site_of(self.ip))


@dataclass(frozen=True, slots=True)
class Principal:
    """Who was proven to ask, and by what. `name` is unique within `kind`, and harmless in logs."""

    kind: Proof
    name: str
    policies: tuple[str, ...] = ()
    token: str = field(default="", repr=False, compare=False)  # a Vault token, to ask Vault as this person; never shown

    @property
    def anonymous(self) -> bool:
        return self.kind == "anonymous"


ANONYMOUS = Principal("anonymous", "")
