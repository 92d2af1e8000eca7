"""`IdentityMiddleware`: who asks, by the first of several proofs that holds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from ..core.errors import BackendError
from .access import RouteClass
from .asgi import App, Receive, Scope, Send, refuse
from .blocked import Blocked, Observe, log_blocked
from .layers import Layer, entrance
from .scope import PEER, PRINCIPAL, ROUTE, Principal

RETRY_SECONDS = 5

Proof = Callable[[Scope], Awaitable[Principal | None]]
"""Returns who asks; None where nothing is shown, or nothing that proves it. Raises BackendError where nobody can tell now."""


class IdentityMiddleware(Layer):
    """ASGI middleware. Leaves a Principal at `scope["reconciler.principal"]`, unless one is there: a webhook's MAC proves enough.

    It refuses nobody for lack of a proof: that is for the route to say, and on a public one nobody is asked. Stands behind the
    limits: a proof may cost a question to Vault.
    """

    def __init__(self, app: App, proofs: Sequence[Proof], *, observe: Observe = log_blocked) -> None:
        self._app = entrance(app)
        self._proofs = tuple(proofs)
        self._observe = observe

    def enter(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] in ("http", "websocket") and PRINCIPAL not in scope and _asks(scope):
            return self._ask(scope, receive, send)
        return self._app(scope, receive, send)

    async def _ask(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            principal = await self._proven(scope)
        except BackendError as error:
            peer = scope.get(PEER)
            self._observe(Blocked("identity", 503, f"a proof cannot be checked: {error}", peer.ip if peer else None))
            await refuse(scope, send, 503, [(b"retry-after", b"%d" % RETRY_SECONDS)])
            return
        if principal is not None:
            scope[PRINCIPAL] = principal
        await self._app(scope, receive, send)

    async def _proven(self, scope: Scope) -> Principal | None:
        for proof in self._proofs:
            principal = await proof(scope)
            if principal is not None:
                return principal
        return None


def _asks(scope: Scope) -> bool:
    route: RouteClass | None = scope.get(ROUTE)
    return route is None or route.access == "protected"
