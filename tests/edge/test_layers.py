"""Layers that enter each other by plain calls: what somebody adds to one of them is not gone round."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

from reconciler.edge.asgi import App, Receive, Scope, Send
from reconciler.edge.layers import Layer, entrance

from .stand import call, request_scope


class Outer(Layer):
    """Hands on."""

    def __init__(self, app: App) -> None:
        self.app = entrance(app)

    def enter(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return self.app(scope, receive, send)


class Refusing(Outer):
    """Adds a check of its own where servers call it."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 403, "headers": []})
        await send({"type": "http.response.body", "body": b""})


class Turnstile:
    """Somebody else's application, which is entered in its own way."""

    def enter(self, coins: int) -> None:
        raise AssertionError("this is no way in for requests")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})


def status(app: App) -> int:
    return asyncio.run(call(app, request_scope([]), [b""])).status


def test_layers_lead_to_the_application_however_it_is_made() -> None:
    assert status(Outer(Outer(Turnstile()))) == 200


def test_check_that_a_subclass_adds_is_made_wherever_it_stands() -> None:
    assert status(Refusing(Turnstile())) == 403
    assert status(Outer(Refusing(Turnstile()))) == 403
