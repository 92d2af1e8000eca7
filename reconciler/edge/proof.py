"""Whether a request to an endpoint was sent by who holds the endpoint's secret."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from .asgi import Scope
from .endpoints import SHORTEST_SECRET, TOKEN, Endpoint, TimedSecret
from .refusals import Refusal, malformed, unproven
from .schemes import Claim, Found, Same, scheme_of, strength
from .scope import PEER, Address, Principal

MOST_SECRETS = 4  # each costs a MAC over the body; two are valid while one rotates
_MEASURED = re.compile(rb"[0-9]{1,20}")
_JSON = re.compile(rb"application/(?:json|[a-z0-9.-]+\+json)(?:; *charset=\"?utf-8\"?)?", re.IGNORECASE)
_FORM = re.compile(rb"application/x-www-form-urlencoded(?:; *charset=\"?utf-8\"?)?", re.IGNORECASE)
_PLAIN = re.compile(rb"[\x20-\x7e]{0,256}")


class Key(NamedTuple):
    """One secret under one algorithm. `start` is keyed and empty; None: the secret is compared as it is."""

    algorithm: str
    secret: bytes
    not_after: float | None
    start: hmac.HMAC | None


class Mac(NamedTuple):
    """A MAC in the making."""

    key: Key
    inner: hmac.HMAC | None

    def digest(self) -> bytes:
        return self.key.secret if self.inner is None else self.inner.digest()


class Gate:
    """One endpoint, made ready for its requests."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.scheme = scheme_of(endpoint)
        self._wanted = self.scheme.headers | {b"content-type", b"content-encoding", b"content-length", b"user-agent"}
        self._names = tuple(filter(None, (self.scheme.delivery, self.scheme.event)))
        self._wanted |= set(self._names)
        self.principal = Principal("webhook", endpoint.name)
        self._agent = re.compile(endpoint.user_agent) if endpoint.user_agent else None
        self._algorithms = sorted(endpoint.algorithms, key=strength)
        self._known: tuple[TimedSecret, ...] = ()
        self._keys: list[Key] = []

    def found(self, scope: Scope) -> dict[bytes, bytes]:
        """Return the headers that matter. Raises Refusal when one of them was sent twice."""
        wanted = self._wanted
        found: dict[bytes, bytes] = {}
        for name, value in scope["headers"]:
            if name in wanted:
                if name in found:
                    # Two readers could each take another one.
                    raise malformed(f"{name.decode()} was sent twice")
                found[name] = value
        return found

    def admit(self, scope: Scope, found: Found) -> None:
        """Look at who sends. Raises Refusal."""
        if self.endpoint.networks and not self._near(scope):
            raise unproven("the address is in none of the webhook's networks")
        if self._agent is not None and not self._agent.search(found.get(b"user-agent", b"")[:256].decode("latin-1")):
            raise unproven("the user agent is not the webhook's")

    def fit(self, found: Found) -> None:
        """Look at what is announced. Raises Refusal."""
        for name in self._names:
            if name in found and not _PLAIN.fullmatch(found[name]):
                raise malformed(f"{name.decode()} is not plain text")
        if b"content-encoding" in found and found[b"content-encoding"].lower() != b"identity":
            raise Refusal(415, "the body is packed")
        kind = found.get(b"content-type", b"application/json")  # what says nothing is read as JSON, and strictly
        if not (_JSON.fullmatch(kind) or self.is_form(found)):
            raise Refusal(415, "the body is not application/json")
        announced = found.get(b"content-length", b"0")
        if not _MEASURED.fullmatch(announced):
            raise malformed("content-length is no number")
        if int(announced) > self.endpoint.largest:
            raise Refusal(413, "the body is announced to be longer than is taken")

    def is_form(self, found: Found) -> bool:
        return self.scheme.form and _FORM.fullmatch(found.get(b"content-type", b"")) is not None

    def _near(self, scope: Scope) -> bool:
        address = peer_address(scope)
        return address is not None and any(address in network for network in self.endpoint.networks)

    def macs(self, secrets: Sequence[TimedSecret], claim: Claim, now: float) -> list[Mac]:
        """Return the MACs of all keys that are valid now, with the claim's head in them."""
        given = tuple(secrets)
        if given != self._known:
            self._known, self._keys = given, list(self._keyed(given))
        macs = []
        for key in self._keys:
            if key.not_after is None or now < key.not_after:
                inner = None if key.start is None else key.start.copy()
                if inner is not None and claim.head:
                    inner.update(claim.head)
                macs.append(Mac(key, inner))
        return macs

    def _keyed(self, secrets: Iterable[TimedSecret]) -> Iterable[Key]:
        usable = [secret for secret in secrets if not wrong_secret(self, secret.value)]
        for secret in usable[:MOST_SECRETS]:
            key = self.scheme.key(secret.value)
            for algorithm in self._algorithms:
                start = None if algorithm == TOKEN else hmac.new(key, digestmod=algorithm)
                yield Key(algorithm, key, secret.not_after, start)

    def proven(self, claim: Claim, macs: Sequence[Mac]) -> bytes | None:
        """Return the strongest MAC under the secret that was presented; None where nothing matched.

        All are compared with all: how long it takes tells nothing of which came near.
        """
        secret, digests = None, []
        for mac in macs:
            key, digest = mac.key, mac.digest()
            digests.append((key.secret, digest))
            expected = self.scheme.wire(key.algorithm, digest)
            for algorithm, presented in claim.signatures:
                if algorithm == key.algorithm and hmac.compare_digest(presented, expected):
                    secret = key.secret
        if secret is None:
            return None
        return next(digest for of, digest in digests if of == secret)

    def replay_key(self, claim: Claim, digest: bytes, body: bytes) -> str:
        """Return what every copy of a delivery has, whatever a stranger changed of what is not signed.

        `digest` is by the strongest algorithm, whichever was presented: a copy with the other of two signatures is the same delivery.
        """
        same = self.scheme.same
        if same is Same.IDENTITY:
            return f"{self.endpoint.name}:{claim.identity.decode()}"
        return f"{self.endpoint.name}:{(hashlib.sha256(body).digest() if same is Same.BODY else digest).hex()}"


def wrong_secret(gate: Gate, secret: bytes) -> str:
    """Return what is wrong with a secret; "" if nothing is. Never says any of it."""
    try:
        key = gate.scheme.key(secret)
    except ValueError as error:
        return str(error)
    if len(key) < SHORTEST_SECRET:
        return f"is of {len(key)} bytes, and guessed from one delivery (make one of {SHORTEST_SECRET} or more)"
    return ""


def peer_address(scope: Scope) -> Address | None:
    """Return who sent a request: behind proxies where that was resolved, else the other end of the connection."""
    if (peer := scope.get(PEER)) is not None:
        return peer.ip  # type: ignore[no-any-return]  # a PeerAddress, by its key
    try:
        return ip_address(scope["client"][0])
    except (TypeError, KeyError, ValueError):
        return None  # a unix socket, or a test
