"""What a webhook's endpoint is told to expect, and what it hands on: an Endpoint, its secrets, a Receipt."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Literal, NamedTuple

LARGEST = 25 * 1024 * 1024  # bytes: what GitHub sends at most
DEADLINE_SECONDS = 10.0  # GitHub gives up after ten
TOLERANCE_SECONDS = 300
LONGEST_TOLERANCE = 3600  # a clock that is an hour off is a fault to repair; replays are remembered far longer
SHORTEST_SECRET = 16  # bytes: NIST SP 800-107 asks for 14; shorter ones are guessed offline from one delivery
KEYED_HASHES = ("sha512", "sha256", "sha1")  # strongest first
TOKEN = "token"  # the weak profile of GitLab: the secret itself is sent, nothing is signed

SchemeName = Literal["github", "gitlab", "standard", "stripe", "slack", "shopify", "generic"]

ALGORITHMS: dict[str, tuple[str, ...]] = {
    "github": ("sha256", "sha1"),
    "gitlab": ("sha256", TOKEN),
    "standard": ("sha256",),
    "stripe": ("sha256",),
    "slack": ("sha256",),
    "shopify": ("sha256",),
    "generic": KEYED_HASHES,
}
"""What each scheme can be declared with."""

_HEADER_NAME = re.compile(r"[A-Za-z0-9-]{1,64}")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One webhook as declared. `secret` is a path in the stores; sizes are bytes, times seconds.

    `header`, `prefix`, `encoding` and `timestamp_header` belong to `generic`; for `standard`, `header` may name the family of the
    three headers: `webhook` (the default), or `svix`. Raises ValueError when it could not be checked as declared.
    """

    name: str
    scheme: SchemeName
    secret: str
    algorithms: tuple[str, ...] = ("sha256",)
    header: str = ""
    prefix: str = ""
    encoding: Literal["hex", "base64"] = "hex"
    timestamp_header: str = ""
    tolerance: int = TOLERANCE_SECONDS
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    user_agent: str = ""
    repositories: frozenset[str] = frozenset()
    largest: int = LARGEST
    deadline: float = DEADLINE_SECONDS

    def __post_init__(self) -> None:
        if wrong := _wrong(self):
            raise ValueError("; ".join(wrong))


def _wrong(endpoint: Endpoint) -> list[str]:
    if endpoint.scheme not in ALGORITHMS:
        return [f"scheme {endpoint.scheme!r} is none of {', '.join(ALGORITHMS)}"]
    allowed = ALGORITHMS[endpoint.scheme]
    wrong = [
        f"scheme {endpoint.scheme} has no algorithm {name!r} (it has {', '.join(allowed)})"
        for name in endpoint.algorithms
        if name not in allowed
    ]
    if not endpoint.algorithms:
        wrong.append(f"no algorithm: nothing would be checked (declare {allowed[0]})")
    if TOKEN in endpoint.algorithms and len(endpoint.algorithms) > 1:
        wrong.append("token stands alone: beside a signature it would be the way round it")
    if not endpoint.secret:
        wrong.append("no secret: nothing would be checked")
    if not 1 <= endpoint.tolerance <= LONGEST_TOLERANCE:
        wrong.append(f"tolerance must be 1 to {LONGEST_TOLERANCE} seconds")
    return wrong + _wrong_headers(endpoint) + _wrong_pattern(endpoint.user_agent)


def _wrong_headers(endpoint: Endpoint) -> list[str]:
    if endpoint.scheme == "standard":
        return (
            []
            if endpoint.header in ("", "webhook", "svix")
            else ["header of a standard webhook is webhook or svix, the first part of its three"]
        )
    given = {
        "header": endpoint.header,
        "prefix": endpoint.prefix,
        "timestamp_header": endpoint.timestamp_header,
        "encoding": "" if endpoint.encoding == "hex" else endpoint.encoding,
    }
    if endpoint.scheme != "generic":
        return [f"{name} belongs to scheme generic" for name, value in given.items() if value]
    wrong = [
        f"{name} is no name of a header"
        for name in ("header", "timestamp_header")
        if given[name] and not _HEADER_NAME.fullmatch(given[name])
    ]
    if not endpoint.header:
        wrong.append("scheme generic needs the header that carries the signature")
    if endpoint.header.lower() == endpoint.timestamp_header.lower() != "":
        wrong.append("signature and timestamp cannot be one header")
    if not endpoint.prefix.isascii():
        wrong.append("prefix is not ASCII, which headers are")
    if len(endpoint.algorithms) > 1:
        wrong.append("one header carries one algorithm")
    return wrong


def _wrong_pattern(pattern: str) -> list[str]:
    try:
        re.compile(pattern)
    except re.error as error:
        return [f"user_agent is no regular expression: {error}"]
    return []


class TimedSecret(NamedTuple):
    """A secret as its store has it, and when it ends, in seconds since 1970; None: not known to end."""

    value: bytes
    not_after: float | None = None

    def __repr__(self) -> str:
        return f"TimedSecret(<hidden>, not_after={self.not_after})"


@dataclass(frozen=True, slots=True)
class Receipt:
    """A webhook whose sender is proven: found in the scope under `reconciler.webhook`.

    `event` is what the body bears out; empty where a scheme has none. `delivery` is the sender's own number: GitHub does not sign it,
    so it is for logs alone. `replay_key` is the same for every copy of one delivery, and what a durable queue should be unique by.
    """

    webhook: str
    delivery: str
    event: str
    body: bytes = field(repr=False)
    parsed: object = field(repr=False)
    replay_key: str
