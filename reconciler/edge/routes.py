"""`ClassifiedRoutes`: every route says on itself whether it takes anybody, or the service does not start.

    app = Starlette(routes=[PUBLIC(Route("/health", health)), PROTECTED(Mount("/runs", routes=[PROTECTED(Route(...)), ...]))])
    served = ClassifiedRoutes(app, around=lambda app: NetworkMiddleware(RateLimitMiddleware(app, ...), ...))

Works for any application that has `routes` as Starlette and FastAPI do. Decisions, and what was rejected:

* The mark is on the route object, not on the function behind it: one function can be behind two routes.
* A path is matched by the routes' own `matches`, on the scope as it is handed on: a second notion of paths would be a way round.
* The class is decided first, for what stands between (limits by class), and enforced last, right before the application,
  whatever else was put between or forgotten.
* An unknown path is protected: strangers are told 401 and learn no paths. It never reaches the application, whose router would
  redirect `/runs/` to `/runs`.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from .access import UNKNOWN, Mark, RouteClass, Routed, by_path_alone, chain_of, classes_of
from .asgi import App, Headers, Receive, Scope, Send, refuse
from .blocked import Blocked, Observe, log_blocked
from .layers import Layer, entrance
from .scope import PEER, PRINCIPAL, ROUTE, Principal

# Spellings that another reader of the same request would resolve to another path.
_ODD = re.compile(r"[\x00-\x1f\x7f\\]|//|/\.\.?(?:/|\Z)")
_CHALLENGE = ((b"www-authenticate", b"Bearer"),)
MOST_KNOWN, LONGEST_KNOWN = 4096, 256  # paths whose class is kept, and their length: strangers can fill no more

Around = Callable[[App], App]
Asked = tuple[str, str, str, str]
Refuse = Callable[[Scope, Send, int, Headers], Awaitable[None]]


class Application(Protocol):
    """An ASGI application with routes: Starlette's, FastAPI's, a router."""

    @property
    def routes(self) -> Sequence[Routed]: ...

    async def __call__(self, scope: Scope, receive: Receive, send: Send, /) -> None: ...


def _nothing_between(app: App) -> App:
    return app


class ClassifiedRoutes(Layer):
    """ASGI application in front of another. Raises Invalid for routes without a class, or with both.

    `around` wraps what stands between the classification and the application: networks, limits, proofs.
    `declared`: marks by path, beside those on the routes. `refusal` writes the answers 401, 403 and 404.
    """

    def __init__(
        self,
        app: Application,
        *,
        around: Around = _nothing_between,
        declared: Mapping[str, Mark] | None = None,
        refusal: Refuse = refuse,
        observe: Observe = log_blocked,
    ) -> None:
        self._app = app
        self._classes = classes_of(app.routes, declared or {})
        self._known: dict[Asked, RouteClass] = {}
        self._lasting = by_path_alone(app.routes)
        self._refusal = refusal
        self._observe = observe
        self._between = entrance(around(self._enter))

    def enter(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        kind = scope["type"]
        if kind in ("http", "websocket"):
            key = (kind, scope.get("method", ""), scope.get("root_path", ""), scope["path"])
            scope[ROUTE] = self._known.get(key) or self._found(scope, key)
        return self._between(scope, receive, send)

    def _found(self, scope: Scope, key: Asked) -> RouteClass:
        if _ODD.search(scope["path"]):
            return UNKNOWN
        found = self._classes.of(chain_of(self._app.routes, scope))
        if self._lasting and len(scope["path"]) <= LONGEST_KNOWN:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[key] = found
        return found

    def _enter(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """The last step before the application."""
        if scope["type"] == "lifespan":
            return self._app(scope, receive, send)
        route: RouteClass = scope[ROUTE]
        if route.access == "public":
            return self._app(scope, receive, send)
        principal: Principal | None = scope.get(PRINCIPAL)
        if principal is None or principal.anonymous:
            return self._block(scope, send, 401, "nobody proved who asks", _CHALLENGE)
        if not route.may(principal):
            return self._block(scope, send, 403, f"{principal.kind} {principal.name} is not one of those who may")
        if route is UNKNOWN:
            return self._refusal(scope, send, 404, ())
        return self._app(scope, receive, send)

    async def _block(self, scope: Scope, send: Send, status: int, reason: str, headers: Headers = ()) -> None:
        peer = scope.get(PEER)
        self._observe(Blocked("route", status, reason, peer.ip if peer else None))
        await self._refusal(scope, send, status, headers)
