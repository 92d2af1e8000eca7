"""How the senders of webhooks prove themselves: one value a scheme, chosen by the endpoint and never by a header.

What was presented is compared in its wire form, as bytes, with what we would have written there. So nothing that a stranger sends
is ever decoded: there is no padding, case, or alphabet to be lenient about, and nothing that could raise.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from enum import Enum
from typing import NamedTuple

from .endpoints import KEYED_HASHES, TOKEN, Endpoint
from .refusals import malformed, unproven

MOST_SIGNATURES = 8  # looked at in one header: senders that rotate send two
LONGEST_SIGNATURE = 256  # bytes: SHA-512 in hex is 128, and a prefix
_TIMESTAMP = re.compile(rb"0|[1-9][0-9]{0,11}")  # twelve digits last for 30,000 years
_IDENTITY = re.compile(rb"[\x21-\x2d\x2f-\x7e]{1,256}")  # visible and without a dot: a dot could be where id and timestamp part

Found = Mapping[bytes, bytes]


class Same(Enum):
    """By what copies of one delivery are recognised."""

    IDENTITY = "the sender's id, which it signs"
    MAC = "the MAC: nothing else is signed, or nothing else is unique"
    BODY = "the body: a repeated delivery is signed anew, at another time"


class Claim(NamedTuple):
    """What headers say: `head` goes into the MAC before the body; signatures are (algorithm, as sent)."""

    signatures: tuple[tuple[str, bytes], ...]
    head: bytes = b""
    timestamp: int | None = None
    identity: bytes = b""


class Scheme(NamedTuple):
    """How requests to one endpoint are proven. `headers` are all that `read` looks at, in lower case."""

    headers: frozenset[bytes]
    read: Callable[[Found], Claim]
    wire: Callable[[str, bytes], bytes]  # algorithm and digest, as the header has them
    key: Callable[[bytes], bytes]  # a secret as stored, as the MAC's key; raises ValueError
    same: Same
    delivery: bytes = b""
    event: bytes = b""
    form: bool = False  # takes form fields too


def scheme_of(endpoint: Endpoint) -> Scheme:
    return _SCHEMES[endpoint.scheme](endpoint)


def _required(found: Found, name: bytes) -> bytes:
    value = found.get(name, b"")
    if not value:
        raise unproven(f"no {name.decode()}")
    return value


def _timestamp(text: bytes) -> int:
    if not _TIMESTAMP.fullmatch(text):
        raise malformed("a timestamp is not in plain seconds")
    return int(text)


def _short(name: bytes, value: bytes) -> bytes:
    if len(value) > LONGEST_SIGNATURE:
        raise unproven(f"{name.decode()} is too long for a signature")
    return value


def _text(secret: bytes) -> bytes:
    return secret


def _standard_key(secret: bytes) -> bytes:
    text = secret.removeprefix(b"whsec_")
    try:
        # Senders' own libraries take a key without its padding.
        return base64.b64decode(text + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        raise ValueError("is not base64, as signing keys of this scheme are") from None


def _github(endpoint: Endpoint) -> Scheme:
    names = {"sha256": b"x-hub-signature-256", "sha1": b"x-hub-signature"}
    declared = {algorithm: names[algorithm] for algorithm in endpoint.algorithms}

    def read(found: Found) -> Claim:
        sent = tuple((algorithm, _short(name, found[name])) for algorithm, name in declared.items() if found.get(name))
        if not sent:
            raise unproven(f"no {' or '.join(name.decode() for name in declared.values())}")
        return Claim(sent)

    def wire(algorithm: str, digest: bytes) -> bytes:
        return f"{algorithm}={digest.hex()}".encode()

    headers = frozenset(declared.values())
    return Scheme(headers, read, wire, _text, Same.MAC, b"x-github-delivery", b"x-github-event")


def _standard(endpoint: Endpoint) -> Scheme:
    family = (endpoint.header or "webhook").encode()
    identity, timestamp, signature = (family + part for part in (b"-id", b"-timestamp", b"-signature"))

    def read(found: Found) -> Claim:
        said, at, signatures = (_required(found, name) for name in (identity, timestamp, signature))
        if not _IDENTITY.fullmatch(said):
            raise malformed("an id is not plain text without a dot")
        moment = _timestamp(at)
        listed = signatures[: MOST_SIGNATURES * LONGEST_SIGNATURE].split(b" ", MOST_SIGNATURES)[:MOST_SIGNATURES]
        return Claim(tuple(("sha256", one) for one in listed), said + b"." + at + b".", moment, said)

    def wire(_algorithm: str, digest: bytes) -> bytes:
        return b"v1," + base64.b64encode(digest)

    return Scheme(frozenset((identity, timestamp, signature)), read, wire, _standard_key, Same.IDENTITY, identity)


def _gitlab(endpoint: Endpoint) -> Scheme:
    event = b"x-gitlab-event"
    if endpoint.algorithms == (TOKEN,):
        return Scheme(frozenset((b"x-gitlab-token",)), _gitlab_token, _nothing, _text, Same.BODY, b"x-gitlab-event-uuid", event)
    return _standard(endpoint)._replace(event=event)


def _gitlab_token(found: Found) -> Claim:
    return Claim(((TOKEN, _short(b"x-gitlab-token", _required(found, b"x-gitlab-token"))),))


def _nothing(_algorithm: str, secret: bytes) -> bytes:
    return secret


def _stripe(_endpoint: Endpoint) -> Scheme:
    name = b"stripe-signature"

    def read(found: Found) -> Claim:
        value = _required(found, name)[: MOST_SIGNATURES * LONGEST_SIGNATURE]
        pairs = [part.partition(b"=") for part in value.split(b",", MOST_SIGNATURES + 1)[: MOST_SIGNATURES + 1]]
        moments = [given for key, _, given in pairs if key == b"t"]
        if not moments:
            raise unproven("no timestamp in stripe-signature")
        if len(moments) > 1:
            raise malformed("two timestamps in stripe-signature")
        signatures = tuple(("sha256", given) for key, _, given in pairs if key == b"v1")
        return Claim(signatures, moments[0] + b".", _timestamp(moments[0]))

    return Scheme(frozenset((name,)), read, _hex, _text, Same.BODY)


def _slack(_endpoint: Endpoint) -> Scheme:
    name, moment = b"x-slack-signature", b"x-slack-request-timestamp"

    def read(found: Found) -> Claim:
        signature, at = _short(name, _required(found, name)), _required(found, moment)
        return Claim((("sha256", signature),), b"v0:" + at + b":", _timestamp(at))

    def wire(_algorithm: str, digest: bytes) -> bytes:
        return b"v0=" + digest.hex().encode()

    return Scheme(frozenset((name, moment)), read, wire, _text, Same.BODY, form=True)


def _hex(_algorithm: str, digest: bytes) -> bytes:
    return digest.hex().encode()


def _base64(_algorithm: str, digest: bytes) -> bytes:
    return base64.b64encode(digest)


def _shopify(_endpoint: Endpoint) -> Scheme:
    name = b"x-shopify-hmac-sha256"

    def read(found: Found) -> Claim:
        return Claim((("sha256", _short(name, _required(found, name))),))

    # Topic and shop are in headers that nothing signs: an application must take them from the body.
    return Scheme(frozenset((name,)), read, _base64, _text, Same.MAC, b"x-shopify-webhook-id")


def _generic(endpoint: Endpoint) -> Scheme:
    """Sign `body`, or `timestamp.body` where a timestamp's header is declared."""
    name, moment = endpoint.header.lower().encode(), endpoint.timestamp_header.lower().encode()
    (algorithm,) = endpoint.algorithms
    prefix, written = endpoint.prefix.encode(), _base64 if endpoint.encoding == "base64" else _hex

    def read(found: Found) -> Claim:
        sent = ((algorithm, _short(name, _required(found, name))),)
        if not moment:
            return Claim(sent)
        at = _required(found, moment)
        return Claim(sent, at + b".", _timestamp(at))

    def wire(named: str, digest: bytes) -> bytes:
        return prefix + written(named, digest)

    return Scheme(frozenset(filter(None, (name, moment))), read, wire, _text, Same.MAC)


_SCHEMES: dict[str, Callable[[Endpoint], Scheme]] = {
    "github": _github,
    "gitlab": _gitlab,
    "standard": _standard,
    "stripe": _stripe,
    "slack": _slack,
    "shopify": _shopify,
    "generic": _generic,
}


def strength(algorithm: str) -> int:
    """Sort key: the strongest first."""
    return KEYED_HASHES.index(algorithm) if algorithm in KEYED_HASHES else len(KEYED_HASHES)
