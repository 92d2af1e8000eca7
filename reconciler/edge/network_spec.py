"""What is declared of networks: who may send requests at all, and how a client behind proxies is known."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from ..core.resource import Spec
from ..core.values import FoldedSet, Seconds, StringSet
from .country_codes import COUNTRY_CODES
from .networks import Cidrs, plain_address, plain_network

WIDEST_PROXIES = {4: 8, 6: 7}  # prefix by version: 10.0.0.0/8 and fc00::/7 are the largest networks that one operator has
LONGEST_BAN = 30 * 86400

Verdict = Literal["allow", "deny"]

_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")
_PIN = re.compile(r"sha256:[0-9a-f]{64}|[a-z][a-z0-9+.-]*:[\x21-\x7e]+")


def _codes(given: tuple[str, ...]) -> tuple[str, ...]:
    for code in given:
        if code not in COUNTRY_CODES:
            raise ValueError(f"{code!r} is no country of ISO 3166, such as DE")
    return given


def _hosts(given: tuple[str, ...]) -> tuple[str, ...]:
    for host in given:
        if not _HOST.fullmatch(host) and not _is_address(host):
            raise ValueError(f"{host!r} is no host such as reconciler.example.com (without port)")
    return given


def _is_address(text: str) -> bool:
    try:
        plain_address(text)
    except ValueError:
        return False
    return True


Countries = Annotated[StringSet, AfterValidator(_codes)]
Hosts = Annotated[FoldedSet, AfterValidator(_hosts)]


class Ban(BaseModel):
    """How long an address is refused that was refused too often: twice as long each time, up to a limit."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    after: Annotated[int, Field(ge=1, description="refusals in a row")] = 10
    base: Seconds = 60
    max: Seconds = 86400


class NetworkSpec(Spec):
    """Who may send requests at all. Of several documents all denials hold, and each list is the sum of theirs."""

    sparse: ClassVar[bool] = True

    trusted_proxies: Annotated[Cidrs, Field(description="whose X-Forwarded-For is believed")] = ()
    allow: Annotated[Cidrs, Field(description="who alone may; default: everybody")] = ()
    deny: Cidrs = ()
    allow_countries: Annotated[Countries, Field(description="from where alone; default: from anywhere")] = ()
    deny_countries: Countries = ()
    unknown_country: Annotated[Verdict, Field(description="for addresses that the database lacks, where countries are named")] = "deny"
    private: Annotated[Verdict, Field(description="for addresses that belong to no country: loopback and private networks")] = "allow"
    hosts: Annotated[Hosts, Field(description="what clients may call the server, beside the address that it is bound to")] = ()
    ban: Ban | None = None
    exempt: Annotated[Cidrs, Field(description="who is never banned")] = ()
    revoked: Annotated[
        StringSet, Field(description="client certificates that count no more: sha256:HEX of the public key, or the URI of the SAN")
    ] = ()


def network_problems(_name: str, spec: NetworkSpec) -> Iterator[str]:
    """What is wrong with one declared rule."""
    for text in spec.trusted_proxies:
        network = plain_network(text)
        if network.prefixlen < WIDEST_PROXIES[network.version]:
            yield f"trusted_proxies: {text} is no network of proxies: whoever is in it may say that it is anybody"
    if both := sorted(set(spec.allow_countries) & set(spec.deny_countries)):
        yield f"{', '.join(both)} cannot be both allowed and denied"
    if both := sorted(set(spec.allow) & set(spec.deny)):
        yield f"{', '.join(both)} cannot be both allowed and denied"
    for pin in spec.revoked:
        if not _PIN.fullmatch(pin):
            yield f"revoked: {pin!r} is neither sha256:HEX nor the URI of a certificate"
    if spec.ban is not None and not 1 <= spec.ban.base <= spec.ban.max <= LONGEST_BAN:
        yield "ban: base must be 1s at least, and max between it and 30d"


def together(specs: Iterable[NetworkSpec]) -> NetworkSpec:
    """Several rules as one: lists are joined, and where one denies, it is denied."""
    rules = tuple(specs)
    return NetworkSpec(
        trusted_proxies=_joined(rule.trusted_proxies for rule in rules),
        allow=_joined(rule.allow for rule in rules),
        deny=_joined(rule.deny for rule in rules),
        allow_countries=_joined(rule.allow_countries for rule in rules),
        deny_countries=_joined(rule.deny_countries for rule in rules),
        unknown_country=_stricter(rule.unknown_country for rule in rules if rule.allow_countries or rule.deny_countries),
        private=_stricter(rule.private for rule in rules),
        hosts=_joined(rule.hosts for rule in rules),
        ban=_strictest([rule.ban for rule in rules if rule.ban is not None]),
        exempt=_joined(rule.exempt for rule in rules),
        revoked=_joined(rule.revoked for rule in rules),
    )


def _strictest(bans: list[Ban]) -> Ban | None:
    if not bans:
        return None
    return Ban(after=min(ban.after for ban in bans), base=max(ban.base for ban in bans), max=max(ban.max for ban in bans))


def _joined(lists: Iterable[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(entry for part in lists for entry in part)


def _stricter(verdicts: Iterable[Verdict]) -> Verdict:
    return "deny" if "deny" in verdicts else "allow"
