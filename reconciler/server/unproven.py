"""Webhooks without proof, for trying things out in the environment `dev`. Everything else about them is as it always is."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from ..edge.asgi import App, Receive, Scope, Send, answer, refuse
from ..edge.bodies import Gone, Room, read_body
from ..edge.endpoints import Endpoint, Receipt
from ..edge.meaning import Aside, meaning
from ..edge.proof import Gate
from ..edge.refusals import Refusal
from ..edge.scope import PRINCIPAL, WEBHOOK, Principal


class UnprovenMiddleware:
    """ASGI middleware in the place of `SignatureMiddleware`: believes every sender."""

    def __init__(self, app: App, endpoints: Mapping[str, Endpoint], room: Room) -> None:
        self._app = app
        self._gates = {path: Gate(endpoint) for path, endpoint in endpoints.items()}
        self._room = room

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        gate = self._gates.get(scope.get("path", ""))
        if gate is None or scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            scope[WEBHOOK] = await self._receipt(gate, scope, receive)
        except Refusal as refusal:
            await refuse(scope, send, refusal.status)
            return
        except Aside as aside:
            await answer(send, 200, b'{"status": "%s"}' % aside.word.encode())
            return
        except Gone:
            return
        scope[PRINCIPAL] = Principal("webhook", gate.endpoint.name)
        await self._app(scope, receive, send)

    async def _receipt(self, gate: Gate, scope: Scope, receive: Receive) -> Receipt:
        endpoint, scheme = gate.endpoint, gate.scheme
        if scope["method"] != "POST":
            raise Refusal(405, "not a POST")
        found = gate.found(scope)
        gate.fit(found)
        body = await read_body(receive, (), self._room, largest=endpoint.largest, deadline=endpoint.deadline)
        parsed, event = meaning(endpoint, found.get(scheme.event, b"").decode(), body, form=gate.is_form(found))
        delivery = found.get(scheme.delivery, b"").decode()
        return Receipt(endpoint.name, delivery, event, body, parsed, f"{endpoint.name}:{hashlib.sha256(body).hexdigest()}")
