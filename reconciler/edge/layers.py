"""Middleware upon middleware without a coroutine for each.

A class that only looks at a request before it hands it on needs none: it is entered by a plain call that returns what is to be awaited.
Servers and frameworks want a coroutine, and get one from the outermost layer alone.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable

from .asgi import App, Receive, Scope, Send


class Layer(ABC):
    """ASGI middleware that may be entered by a plain call."""

    @abstractmethod
    def enter(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Look at a request, and return its answering. May raise at once."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.enter(scope, receive, send)


def entrance(app: App) -> App:
    """How an application is entered from a layer in front of it. Whoever wrote a `__call__` of his own is called by it."""
    return app.enter if isinstance(app, Layer) and type(app).__call__ is Layer.__call__ else app
