"""The server's application: its routes, behind the edge, as what is declared says.

    HeadersMiddleware > pages for browsers > ClassifiedRoutes > NetworkMiddleware > HostsMiddleware > limits by address > lockdown
    > SignatureMiddleware > IdentityMiddleware > limits by principal > class of the route > endpoint

`composed` makes all of it anew for each configuration; what lasts (counters, memory of replays, caches) is in `Means`.
More routes, such as pages for people, are handed in with their marks.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute

from ..edge.access import PROTECTED, PUBLIC, Mark
from ..edge.asgi import App, Receive, Scope, Send, refuse
from ..edge.blocked import Blocked
from ..edge.bodies import Room
from ..edge.countries import Country
from ..edge.endpoints import Endpoint
from ..edge.headers import HeadersMiddleware
from ..edge.hosts import HostsMiddleware
from ..edge.identity import IdentityMiddleware, Proof
from ..edge.layers import Layer, entrance
from ..edge.limits import MICROSECONDS, Ban, Counters, Limit, split
from ..edge.network import NetworkMiddleware, network_rules
from ..edge.network_spec import NetworkSpec
from ..edge.networks import networks_of
from ..edge.rate_limit import RateLimitMiddleware
from ..edge.routes import ClassifiedRoutes, Refuse
from ..edge.scope import PEER
from ..edge.signatures import Notice, Secrets, SignatureMiddleware, log_notice
from .api import Api
from .metrics import Metrics
from .receiving import EventMemory, Receiver
from .routes import failure, routes
from .unproven import UnprovenMiddleware

DEFAULT_LIMITS = (Limit("server", 600, 60.0),)
TIGHTER = 10
DEFAULT_MARKS: Mapping[str, Mark] = {"/health": PUBLIC, "/metrics": PROTECTED}


@dataclass(frozen=True, slots=True)
class Declared:
    """What the desired state says of the server itself. Webhooks and marks are by path."""

    webhooks: Mapping[str, Endpoint] = field(default_factory=dict)
    limits: Sequence[Limit] = ()
    marks: Mapping[str, Mark] = field(default_factory=dict)
    network: NetworkSpec = field(default_factory=NetworkSpec)


@dataclass(frozen=True, slots=True)
class Means:
    """What outlives a configuration."""

    api: Api
    metrics: Metrics
    secrets: Secrets
    proofs: Callable[[NetworkSpec], Sequence[Proof]]
    counters: Counters
    country: Country | None = None
    room: Room = field(default_factory=Room)
    pages: Sequence[BaseRoute] = ()
    refusal: Refuse = refuse
    for_browsers: Callable[[App], App] = lambda app: app
    """Wraps all: says to people in a page what programs are told in JSON."""
    observe: Callable[[Blocked], None] = lambda _blocked: None
    observe_webhook: Callable[[Notice], None] = log_notice
    proven: bool = True
    """Senders prove who they are, and `once`: each delivery counts once. Off for trying things out alone."""
    once: bool = True


def composed(declared: Declared, means: Means) -> App:
    """The application for one configuration. Raises Invalid or Usage where it could not be as safe as declared.

    Where no limit is declared there is a wide one: a server without any could be made to ask Vault as often as anybody likes.
    """
    api, metrics = means.api, means.metrics
    receiver = Receiver(api.events, declared.webhooks, api.branch, wake=api.wake, heard=metrics.heard, once=means.once)
    table = [*routes(api, metrics, declared.webhooks, receiver), *means.pages]
    app = Starlette(routes=table, exception_handlers={HTTPException: failure, Exception: failure})
    app.router.redirect_slashes = False
    rules = network_rules(declared.network, means.country)
    before, after = split(declared.limits or DEFAULT_LIMITS)

    def observe(blocked: Blocked) -> None:
        metrics.blocked(blocked.by, blocked.status)
        means.observe(blocked)

    def observe_webhook(notice: Notice) -> None:
        _count(metrics, notice)
        means.observe_webhook(notice)

    def around(inner: App) -> App:
        inner = RateLimitMiddleware(inner, after, means.counters, ban=None, observe=observe)
        inner = IdentityMiddleware(inner, means.proofs(declared.network), observe=observe)
        if means.proven:
            memory = EventMemory(api.events, once=means.once)
            inner = SignatureMiddleware(inner, declared.webhooks, memory, means.secrets, observe=observe_webhook, room=means.room)
        else:
            inner = UnprovenMiddleware(inner, declared.webhooks, means.room)
        inner = LockdownMiddleware(inner, declared.webhooks, api.closed, observe=observe)
        ban, exempt = _ban(declared.network), networks_of(declared.network.exempt)
        inner = RateLimitMiddleware(inner, before, means.counters, ban=ban, exempt=exempt, observe=observe)
        inner = HostsMiddleware(inner, declared.network.hosts, observe=observe)
        return NetworkMiddleware(inner, rules, observe=observe)

    marks = {**DEFAULT_MARKS, **declared.marks}
    classified = ClassifiedRoutes(app, around=around, declared=marks, refusal=means.refusal, observe=observe)
    return HeadersMiddleware(means.for_browsers(classified))


class LockdownMiddleware(Layer):
    """ASGI middleware. While the server is locked down, it takes no webhook: 503, since senders may come again later."""

    def __init__(self, app: App, paths: Mapping[str, object], closed: Callable[[], str], *, observe: Callable[[Blocked], None]) -> None:
        self._app = entrance(app)
        self._paths = frozenset(paths)
        self._closed = closed
        self._observe = observe

    def enter(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] == "http" and scope["path"] in self._paths and (why := self._closed()):
            peer = scope.get(PEER)
            self._observe(Blocked("lockdown", 503, why, peer.ip if peer else None))
            return refuse(scope, send, 503, ((b"retry-after", b"60"),))
        return self._app(scope, receive, send)


def tightened(declared: Declared) -> Declared:
    """The same with a tenth of every limit: what holds in an emergency."""
    limits = [
        replace(one, limit=max(one.limit // TIGHTER, 1), burst=max(one.burst // TIGHTER, 1) if one.burst else 0)
        for one in declared.limits or DEFAULT_LIMITS
    ]
    return replace(declared, limits=limits)


def _ban(rule: NetworkSpec) -> Ban:
    if rule.ban is None:
        return Ban()
    return Ban(after=rule.ban.after, base=rule.ban.base * MICROSECONDS, longest=rule.ban.max * MICROSECONDS)


def _count(metrics: Metrics, notice: Notice) -> None:
    if notice.status == 200:
        metrics.heard(notice.webhook, "duplicate" if "before" in notice.reason else "ignored")
        return
    metrics.heard(notice.webhook, "refused" if notice.status < 500 else "unavailable")
    metrics.blocked("signature", notice.status)
