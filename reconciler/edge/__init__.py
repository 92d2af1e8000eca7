"""Protection for any ASGI service, as plain classes: signatures, rate limits, networks, classified routes.

    scope         what they leave in the ASGI scope for what is behind them
    asgi          the vocabulary, and answers
    routes        ClassifiedRoutes: nobody enters a protected route unproven, by the marks and classes in access
    network       from where requests may come, behind proxies too: networks, countries
    hosts, headers  what clients may call us; what browsers are told
    identity      who asks: certificates, tokens (Vault's), jwts
    *_spec        what is declared of all this: the models of the kinds webhook, rate_limit, route, network_rule
    signatures    webhooks: the middleware, on endpoints (what is declared), schemes (how senders sign), proof (keys and MACs),
                  bodies (cap and deadline), strict_json, events and meaning (what a body says), replay, redis_replay, redelivery
    rate_limit    how much one sender may ask: the middleware, on limits (what is declared, as rules), limit_keys (whom they count) and
                  courses (which apply to a path), at_work and adaptive (what is at work), reputation (how an address stands);
                  counters: memory_limits (tables and bans, of bounded generations and a crowd), redis_limits (limits.lua, redis_line)

Everything here is plain ASGI: `BaseHTTPMiddleware` costs 88 us for the first layer, a class 0.3 us. Names are imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .access import PROTECTED, PUBLIC
    from .endpoints import Endpoint, Receipt, TimedSecret
    from .headers import HeadersMiddleware
    from .hosts import HostsMiddleware
    from .identity import IdentityMiddleware
    from .limits import Ban, Limit
    from .memory_limits import MemoryCounters
    from .network import NetworkMiddleware, NetworkRules
    from .rate_limit import RateLimitMiddleware
    from .redis_limits import RedisCounters
    from .redis_replay import RedisReplayMemory
    from .replay import LocalReplayMemory
    from .routes import ClassifiedRoutes
    from .scope import PeerAddress, Principal
    from .signatures import SignatureMiddleware

_HOME = {
    "Ban": "limits",
    "ClassifiedRoutes": "routes",
    "Endpoint": "endpoints",
    "HeadersMiddleware": "headers",
    "HostsMiddleware": "hosts",
    "IdentityMiddleware": "identity",
    "Limit": "limits",
    "LocalReplayMemory": "replay",
    "MemoryCounters": "memory_limits",
    "NetworkMiddleware": "network",
    "NetworkRules": "network",
    "PROTECTED": "access",
    "PUBLIC": "access",
    "PeerAddress": "scope",
    "Principal": "scope",
    "RateLimitMiddleware": "rate_limit",
    "Receipt": "endpoints",
    "RedisCounters": "redis_limits",
    "RedisReplayMemory": "redis_replay",
    "SignatureMiddleware": "signatures",
    "TimedSecret": "endpoints",
}

__all__ = [
    "PROTECTED",
    "PUBLIC",
    "Ban",
    "ClassifiedRoutes",
    "Endpoint",
    "HeadersMiddleware",
    "HostsMiddleware",
    "IdentityMiddleware",
    "Limit",
    "LocalReplayMemory",
    "MemoryCounters",
    "NetworkMiddleware",
    "NetworkRules",
    "PeerAddress",
    "Principal",
    "RateLimitMiddleware",
    "Receipt",
    "RedisCounters",
    "RedisReplayMemory",
    "SignatureMiddleware",
    "TimedSecret",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'reconciler.edge' has no attribute {name!r}")
    return getattr(import_module(f".{_HOME[name]}", __name__), name)
