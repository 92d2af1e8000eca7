"""The `token_*` fields that roles of all auth methods share, and what those fields name."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from reconciler.core.kind import Ref
from reconciler.core.resource import Spec
from reconciler.core.values import FoldedSet, Seconds, StringSet, show_duration

_WITH_PORT = re.compile(r"[0-9.]+:\d+|\[[0-9a-fA-F:.]+\]:\d+")


@lru_cache(maxsize=4096)  # thousands of roles share a few networks, and `ipaddress` is slow
def normal_cidr(given: str) -> str:
    """Write a network as the server's token store does: a single host without its mask, IPv6 in short form. Raises ValueError."""
    text = given.strip()
    if _WITH_PORT.fullmatch(text):
        return text
    address, slash, mask = text.partition("/")
    try:
        network = ipaddress.ip_interface(f"{address}/{int(mask)}" if slash else address)
    except ValueError:
        raise ValueError(f"{given!r} is not an IP address or network (write 10.0.0.0/8)") from None
    length, host = network.network.prefixlen, network.ip
    if isinstance(host, ipaddress.IPv6Address) and host.ipv4_mapped is not None:
        if length < 96:  # the server would make a single host of it, or everything
            raise ValueError(f"{given!r} is an IPv4 address with a mask that no IPv4 network has (write {host.ipv4_mapped}/8)")
        host, length = host.ipv4_mapped, length - 96
    return str(host) if length == host.max_prefixlen else f"{host}/{length}"


def _token_type(given: object) -> object:
    """The server answers `service` for `default-service`: outside of token roles the prefix means nothing."""
    return {"": "default", "default-service": "service", "default-batch": "batch"}.get(str(given), given)


def _cidrs(given: object) -> object:
    listed = given.split(",") if isinstance(given, str) else given
    return [normal_cidr(str(entry)) for entry in listed if str(entry).strip()] if isinstance(listed, list | tuple) else listed


TokenCidrs = Annotated[StringSet, BeforeValidator(_cidrs)]
"""Networks as the server's token store writes them."""

TokenType = Annotated[
    str,
    Field(pattern="^(default|service|batch)$"),
    BeforeValidator(_token_type),
    WithJsonSchema({"enum": ["default", "service", "batch", "default-service", "default-batch"]}),
]

Count = Annotated[int, Field(ge=0)]


class TokenFields(Spec):
    """What tokens that a login makes are like. Durations in seconds; 0 is the mount's."""

    token_policies: FoldedSet = ()
    token_ttl: Seconds = 0
    token_max_ttl: Seconds = 0
    token_explicit_max_ttl: Seconds = 0
    token_period: Seconds = 0
    token_num_uses: Count = 0
    token_type: TokenType = "default"
    token_bound_cidrs: TokenCidrs = ()
    token_no_default_policy: bool = False
    token_strictly_bind_ip: bool = False


def role_refs(name: str, spec: TokenFields) -> Iterator[Ref]:
    """The auth method that a role lies in, and the policies it hands out."""
    yield Ref("name", "vault.auth_method", name, within=True)
    for policy in spec.token_policies:
        if "{{" not in policy:  # a policy name made from claims is known only at login
            yield Ref("token_policies", "vault.policy", policy, soft=True)


def token_problems(_name: str, spec: TokenFields) -> Iterator[str]:
    """What the server would refuse, in words."""
    if 0 < spec.token_max_ttl < spec.token_ttl:
        yield f"token_ttl {show_duration(spec.token_ttl)} is larger than token_max_ttl {show_duration(spec.token_max_ttl)}"
    if spec.token_type == "batch" and spec.token_num_uses:
        yield "token_type batch cannot be limited by token_num_uses"
    if spec.token_type == "batch" and spec.token_period:
        yield "token_type batch cannot be periodic (token_period)"
    if spec.token_strictly_bind_ip and spec.token_bound_cidrs:
        yield "token_strictly_bind_ip and token_bound_cidrs exclude each other"


def fold_leaf(name: str) -> str:
    """Lower-case the role's own name; mounts keep their case."""
    mount, slash, leaf = name.rpartition("/")
    return f"{mount}{slash}{leaf.lower()}"
