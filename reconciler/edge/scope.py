"""What the middleware leaves in the ASGI scope, under keys of its own, so that any framework passes it on."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address
from typing import Literal, NamedTuple

PEER = "reconciler.peer"
"""A PeerAddress: who sent the request, behind trusted proxies."""
PRINCIPAL = "reconciler.principal"
"""A Principal: as whom. Absent until something proved it."""
ROUTE = "reconciler.route"
"""A RouteClass: the route's path, and whether it takes anybody."""
WEBHOOK = "reconciler.webhook"
"""A Receipt: the proven body of a webhook."""

Address = IPv4Address | IPv6Address
Proof = Literal["certificate", "vault", "jwt", "webhook", "anonymous"]


class PeerAddress(NamedTuple):
    """Where a request comes from. `ip` is never a v4-mapped IPv6 address; `via` are the trusted proxies, nearest first."""

    ip: Address
    via: tuple[str, ...] = ()


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
