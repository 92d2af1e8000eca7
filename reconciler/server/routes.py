"""The routes of the server, each with its class: the API from its table, health, metrics and the webhooks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from importlib.metadata import version

from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ..core.errors import ReconcilerError
from ..edge.access import PROTECTED, PUBLIC
from ..edge.asgi import App, Receive, Scope, Send
from ..edge.scope import PRINCIPAL
from .answers import Ready, State
from .api import LEDGER_ALONE, TABLE, Api, Handle, Refused
from .metrics import CONTENT_TYPE, Metrics
from .openapi import Operation, document

_RETRY = {"retry-after": "5"}
_READY = Operation("GET", "/health/ready", "Whether everything that the server needs serves", {200: Ready, 503: Ready}, public=True)


def routes(api: Api, metrics: Metrics, webhooks: Iterable[str], receiver: App) -> list[BaseRoute]:
    """All of them. `/health` and `/metrics` carry no mark: their class is declared, and may be declared otherwise."""
    described = document([operation for operation, _ in TABLE] + [_READY], version("reconciler"))
    known = [
        Route("/health/ready", _ready(api), methods=["GET"]),
        Route("/metrics", _metrics(api, metrics), methods=["GET"]),
        PUBLIC(Route("/openapi.json", _constant(described), methods=["GET"])),
    ]
    for operation, handle in TABLE:
        route = Route(operation.path, _endpoint(api, operation, handle), methods=[operation.method])
        known.append(route if operation.path.startswith("/health") else PROTECTED(route))
    # As a class: Starlette takes a function for one of its own handlers.
    hooks = [PROTECTED.by("webhook:*")(Route(path, _Asgi(receiver), methods=["POST"])) for path in webhooks]
    return [*known, *hooks]


class _Asgi:
    """An ASGI application as an endpoint."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


Serve = Callable[[Request], Awaitable[Response]]


def _endpoint(api: Api, operation: Operation, handle: Handle) -> Serve:
    status = min(operation.answers)

    async def endpoint(request: Request) -> Response:
        try:
            await _admit(api, operation, request)
            answer: BaseModel = await handle(api, request)
        except Refused as refused:
            return _failed(refused.status, str(refused))
        except ReconcilerError:
            return _failed(503, "unavailable")
        return JSONResponse(answer.model_dump(mode="json"), status)

    return endpoint


async def _admit(api: Api, operation: Operation, request: Request) -> None:
    """Refuse what is asked with parameters that are not there, or by somebody who may not see the ledger."""
    if set(request.query_params) - {one.name for one in operation.parameters if one.where == "query"}:
        raise Refused(400, "malformed")
    if not operation.public and not await asyncio.to_thread(api.may_see, request.scope[PRINCIPAL]):
        raise Refused(403, "forbidden")


def _ready(api: Api) -> Serve:
    async def endpoint(_request: Request) -> Response:
        checks = [State(name=one.name, state=one.state.value) for one in api.watch.checks()]
        ready = api.watch.ready
        return JSONResponse(Ready(ready=ready, checks=checks).model_dump(mode="json"), 200 if ready else 503)

    return endpoint


def _metrics(api: Api, metrics: Metrics) -> Serve:
    async def endpoint(request: Request) -> Response:
        principal = request.scope.get(PRINCIPAL)  # nobody, where it is declared public
        try:
            # They name every secret of the stores.
            if principal is not None and not await asyncio.to_thread(api.shown, principal, [LEDGER_ALONE]):
                return _failed(403, "forbidden")
            return Response(await asyncio.to_thread(metrics.exposition), media_type=CONTENT_TYPE)
        except ReconcilerError:
            return _failed(503, "unavailable")

    return endpoint


def _constant(content: object) -> Serve:
    async def endpoint(_request: Request) -> Response:
        return JSONResponse(content)

    return endpoint


def _failed(status: int, error: str) -> Response:
    return JSONResponse({"error": error}, status, _RETRY if status == 503 else None)


async def failure(_request: Request, error: Exception) -> Response:
    """Starlette's own answers, such as 405, in the words of all others."""
    status = error.status_code if isinstance(error, HTTPException) else 500
    headers = error.headers if isinstance(error, HTTPException) else None
    words = {404: "not found", 405: "method not allowed"}
    return JSONResponse({"error": words.get(status, "failed")}, status, headers)
