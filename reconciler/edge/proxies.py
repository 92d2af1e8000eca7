"""Who a client is behind proxies: their word is taken as far as they are trusted, from the nearest to the first who is not.

uvicorn's own `--proxy-headers` takes any text for an address; servers in front of this must run with `--no-proxy-headers`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from .networks import Networks, plain_address
from .scope import Address, PeerAddress

MOST_HOPS = 16
MOST_NAMES, LONGEST_NAME = 1024, 64  # of headers, kept in memory: strangers can fill no more
LONGEST_HOP = 64  # bytes: an IPv6 address in brackets, and a port
FORWARDED_FOR = b"x-forwarded-for"
FORWARDED_PROTO = b"x-forwarded-proto"

# With a port only where it cannot be taken for a part of the address.
_WITH_PORT = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<four>[0-9.]+))(?::[0-9]{1,5})?")

# What proxies say of clients: who they are, what certificate they have, what they asked for.
_TOLD = frozenset(
    {
        b"forwarded",
        b"x-real-ip",
        b"x-client-ip",
        b"x-cluster-client-ip",
        b"x-original-url",
        b"x-original-forwarded-for",
        b"x-rewrite-url",
        b"x-http-method",
        b"x-http-method-override",
        b"x-method-override",
        b"x-user",
        b"remote-user",
        b"x-remote-user",
        b"x-remote-group",
        b"x-webauth-user",
        b"true-client-ip",
        b"fastly-client-ip",
        b"client-cert",
        b"client-cert-chain",
        b"proxy",  # becomes HTTP_PROXY in whatever is run as CGI does
    }
)
_TOLD_PREFIXES = (
    *(b"x-forwarded-", b"x-client-cert", b"x-client-verify", b"x-ssl-", b"ssl-client-", b"x-tls-", b"x-auth-request-"),
    *(b"x-authenticated-", b"x-remote-extra-", b"x-amzn-oidc-", b"x-amzn-mtls-", b"x-goog-authenticated-", b"x-goog-iap-"),
    *(b"x-ms-client-principal", b"x-arr-clientcert", b"cf-connecting-ip", b"cf-access-", b"tailscale-user-", b"x-spiffe-"),
)


class Garbage(ValueError):
    """What a proxy is said to have written is no address."""


def client_behind(direct: Address, forwarded: Sequence[bytes], trusted: Networks) -> PeerAddress:
    """Return who sent a request that came from a trusted proxy. `forwarded`: its X-Forwarded-For, line by line.

    The leftmost is the client where all are trusted. Raises Garbage for what is no list of at most MOST_HOPS addresses: what
    a client writes there itself is before the first untrusted hop, and must not be read at all by anything that trusts less.
    """
    if not forwarded:
        return PeerAddress(direct)
    text = b",".join(forwarded)
    if text.count(b",") >= MOST_HOPS:
        raise Garbage(f"more than {MOST_HOPS} hops")
    hops = [_hop(part.strip(b" \t")) for part in text.split(b",")]
    via = [str(direct)]
    for hop in reversed(hops[1:]):
        if hop not in trusted:
            return PeerAddress(hop, tuple(via))
        via.append(str(hop))
    return PeerAddress(hops[0], tuple(via))


def _hop(text: bytes) -> Address:
    if not text or len(text) > LONGEST_HOP or not text.isascii():
        raise Garbage("a hop is no address")
    found = _WITH_PORT.fullmatch(text.decode())
    plain = (found["six"] or found["four"]) if found else text.decode()
    try:
        return plain_address(plain)
    except ValueError:
        raise Garbage("a hop is no address") from None


def scheme_behind(direct: str, forwarded: Sequence[bytes]) -> str:
    """Return the scheme that the nearest proxy was asked in; `direct` where it does not say. Raises Garbage for another word."""
    if not forwarded:
        return direct
    said = forwarded[-1].rpartition(b",")[2].strip(b" \t").lower()
    if said not in (b"http", b"https"):
        raise Garbage("a scheme is neither http nor https")
    secure = said == b"https"
    return ("wss" if secure else "ws") if direct in ("ws", "wss") else ("https" if secure else "http")


class Harmless:
    """Tells headers of strangers that may stay. Names that were seen are known again at once: a request has a dozen, always the same."""

    def __init__(self) -> None:
        self._names: set[bytes] = set()

    def all(self, names: Iterable[bytes]) -> bool:
        """Whether none of the names is one that only a proxy may send."""
        if self._names.issuperset(names):
            return True
        new = [name for name in names if name not in self._names]
        if any(map(is_told, new)):
            return False
        if len(self._names) < MOST_NAMES:
            self._names.update(name for name in new if len(name) <= LONGEST_NAME)
        return True


def is_told(name: bytes) -> bool:
    """Whether a header says what only a proxy may say. `name` is in lower case; `_` counts as `-`, as it does in CGI and WSGI."""
    if b"_" in name:
        name = name.replace(b"_", b"-")
    return name in _TOLD or name.startswith(_TOLD_PREFIXES)
