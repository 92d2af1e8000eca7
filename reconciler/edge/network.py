"""`NetworkMiddleware`: from where a request may come, and who sent it behind proxies."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import NamedTuple

from ..core.errors import Usage
from .asgi import App, Receive, Scope, Send, header_values, refuse
from .blocked import Blocked, Observe, log_blocked
from .countries import Country
from .layers import Layer, entrance
from .network_spec import NetworkSpec
from .networks import Networks, networks_of, plain_address
from .proxies import FORWARDED_FOR, FORWARDED_PROTO, Garbage, Harmless, client_behind, is_told, scheme_behind
from .scope import PEER, Address, PeerAddress

REMEMBERED = 4096  # addresses whose verdict is kept: a flood of others costs each of them one more look, and no memory
LONGEST_REMEMBERED = 256  # bytes of X-Forwarded-For

Forwarded = tuple[bytes, ...]
"""Lines of X-Forwarded-For."""


class NetworkRules(NamedTuple):
    """What is declared, ready to be asked. `country` is needed where countries are named."""

    proxies: Networks = networks_of(())
    allow: Networks = networks_of(())
    deny: Networks = networks_of(())
    allow_countries: frozenset[str] = frozenset()
    deny_countries: frozenset[str] = frozenset()
    unknown_country: bool = False
    private: bool = True
    country: Country | None = None

    def wrong_with(self, ip: Address) -> str:
        """Why an address may send nothing; empty where it may."""
        if ip in self.deny:
            return "its network is denied"
        if self.allow and ip not in self.allow:
            return "its network is not among those allowed"
        if self.country is None and self.private:
            return ""  # without asking to whom it belongs, which takes as long as all the rest
        if not ip.is_global:
            return "" if self.private else "it belongs to no country, and private addresses are denied"
        return self._wrong_country(ip) if self.country is not None else ""

    def _wrong_country(self, ip: Address) -> str:
        code = self.country(ip) if self.country is not None else ""
        if not code:
            return "" if self.unknown_country else "its country is not known"
        if code in self.deny_countries:
            return f"its country ({code}) is denied"
        if self.allow_countries and code not in self.allow_countries:
            return f"its country ({code}) is not among those allowed"
        return ""


def network_rules(spec: NetworkSpec, country: Country | None = None) -> NetworkRules:
    """Prepare what is declared. Raises Usage where it names countries and there is no database to know them by."""
    named = spec.allow_countries or spec.deny_countries
    if named and country is None:
        raise Usage("a network_rule names countries, and there is no database of them: nobody could be told from anybody")
    return NetworkRules(
        proxies=networks_of(spec.trusted_proxies),
        allow=networks_of(spec.allow),
        deny=networks_of(spec.deny),
        allow_countries=frozenset(spec.allow_countries),
        deny_countries=frozenset(spec.deny_countries),
        unknown_country=spec.unknown_country == "allow",
        private=spec.private == "allow",
        country=country if named else None,
    )


class _Direct(NamedTuple):
    """The other end of a connection."""

    peer: PeerAddress
    trusted: bool
    near: bool  # plaintext from here crosses no network, or one that is trusted
    wrong: str  # why it may send nothing, if it speaks for itself


class _Sender(NamedTuple):
    """Who speaks behind a proxy."""

    peer: PeerAddress
    client: tuple[str, int]  # for the scope
    wrong: str


class NetworkMiddleware(Layer):
    """ASGI middleware. Refuses with 403 whom the rules deny, and with 400 what proxies cannot have written.

    Leaves a PeerAddress at `scope["reconciler.peer"]`, and its address at `scope["client"]`. What only proxies may say of
    clients is taken out of the headers unless it is a trusted one that speaks. `plaintext`: whether requests without TLS are
    taken from others than loopback and trusted proxies.
    """

    def __init__(self, app: App, rules: NetworkRules, *, plaintext: bool = False, observe: Observe = log_blocked) -> None:
        self._app = entrance(app)
        self._rules = rules
        self._plaintext = plaintext
        self._observe = observe
        self._harmless = Harmless()
        self._direct: Callable[[str], _Direct] = lru_cache(REMEMBERED)(self._look)
        self._remembered: Callable[[str, Forwarded], _Sender] = lru_cache(REMEMBERED)(self._sender)

    def enter(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] not in ("http", "websocket"):
            return self._app(scope, receive, send)
        try:
            host = client[0] if (client := scope.get("client")) else ""
            peer, trusted, near, wrong = self._direct(host)
            if trusted:
                peer, wrong = self._behind(host, scope)
            elif not self._harmless.all(dict(scope["headers"])):
                # What strangers say of themselves goes.
                scope["headers"] = [(name, value) for name, value in scope["headers"] if not is_told(name)]
        except Garbage as error:
            return self._block(scope, send, 400, str(error), None)
        if not (near or self._plaintext) and scope["scheme"] in ("http", "ws"):
            return self._block(scope, send, 403, "it came without TLS, and from no trusted proxy", peer.ip)
        if wrong:
            return self._block(scope, send, 403, wrong, peer.ip)
        scope[PEER] = peer
        return self._app(scope, receive, send)

    def _look(self, host: str) -> _Direct:
        # A server that listens on both protocols writes IPv4 as IPv6, and a neighbour's address with its interface.
        try:
            ip = plain_address(host.partition("%")[0])
        except ValueError:
            raise Garbage("the server does not tell from which address it came") from None
        trusted = ip in self._rules.proxies
        return _Direct(PeerAddress(ip), trusted, trusted or ip.is_loopback, self._rules.wrong_with(ip))

    def _behind(self, proxy: str, scope: Scope) -> tuple[PeerAddress, str]:
        """Who sent it, as a trusted proxy tells, and what is wrong with him. Raises Garbage for what no proxy writes."""
        forwarded = tuple(header_values(scope, FORWARDED_FOR))
        sender = self._remembered if sum(map(len, forwarded)) <= LONGEST_REMEMBERED else self._sender
        peer, scope["client"], wrong = sender(proxy, forwarded)
        scope["scheme"] = scheme_behind(scope["scheme"], header_values(scope, FORWARDED_PROTO))
        return peer, wrong

    def _sender(self, proxy: str, forwarded: Forwarded) -> _Sender:
        peer = client_behind(self._direct(proxy).peer.ip, forwarded, self._rules.proxies)
        return _Sender(peer, (str(peer.ip), 0), self._rules.wrong_with(peer.ip))

    async def _block(self, scope: Scope, send: Send, status: int, reason: str, ip: Address | None) -> None:
        self._observe(Blocked("network", status, reason, ip))
        await refuse(scope, send, status)
