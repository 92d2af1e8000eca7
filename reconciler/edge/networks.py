"""Addresses and networks: one spelling each, and whether one is in a set of the others."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Network, collapse_addresses, ip_address, ip_network
from typing import Annotated, TypeVar

from pydantic import AfterValidator

from ..core.values import StringSet
from .scope import Address

Network = IPv4Network | IPv6Network
N = TypeVar("N", IPv4Network, IPv6Network)
_MAPPED_BITS = 96  # ::ffff:0:0/96 holds the whole of IPv4


def plain_address(text: str) -> Address:
    """Read an address; `::ffff:10.0.0.1` is 10.0.0.1. Raises ValueError, for a zone (`fe80::1%eth0`) too."""
    ip = ip_address(text)
    if isinstance(ip, IPv4Address):
        return ip
    if ip.scope_id is not None:
        raise ValueError("an address with a zone means nothing to others")
    return ip.ipv4_mapped or ip


def plain_network(text: str) -> Network:
    """Read a network or one address. Raises ValueError where bits are set to the right of its prefix: one of the two is a mistake."""
    network = ip_network(text)
    if isinstance(network, IPv4Network):
        return network
    if network.network_address.scope_id is not None:
        raise ValueError("a network with a zone means nothing to others")
    mapped = network.network_address.ipv4_mapped
    if mapped is None or network.prefixlen < _MAPPED_BITS:
        return network
    return IPv4Network((mapped, network.prefixlen - _MAPPED_BITS))


class Networks:
    """A set of networks. `in` takes one search among a few sorted numbers, however many there are."""

    def __init__(self, networks: Iterable[Network]) -> None:
        given = tuple(networks)
        self._four = _ranges(network for network in given if isinstance(network, IPv4Network))
        self._six = _ranges(network for network in given if isinstance(network, IPv6Network))

    def __contains__(self, ip: Address) -> bool:
        starts, ends = self._four if isinstance(ip, IPv4Address) else self._six
        number = int(ip)
        place = bisect_right(starts, number)
        return place > 0 and number <= ends[place - 1]

    def __bool__(self) -> bool:
        return bool(self._four[0] or self._six[0])


def _ranges(networks: Iterable[N]) -> tuple[list[int], list[int]]:
    """First and last addresses, ascending and apart from each other."""
    merged = list(collapse_addresses(networks))
    return [int(one.network_address) for one in merged], [int(one.broadcast_address) for one in merged]


def networks_of(texts: Iterable[str]) -> Networks:
    return Networks(map(plain_network, texts))


def _cidrs(given: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({_cidr(text) for text in given}))


def _cidr(text: str) -> str:
    try:
        return str(plain_network(text))
    except ValueError as error:
        raise ValueError(f"{text!r} is no network such as 10.0.0.0/8 ({error})") from None


Cidrs = Annotated[StringSet, AfterValidator(_cidrs)]
"""Networks as `10.0.0.0/8`, sorted and unique; one address is one of /32 or /128."""
