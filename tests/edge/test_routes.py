"""Classified routes: none without a class, and no way round it for whoever has no proof, in bytes, against a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Match, Mount, Route, Router, WebSocketRoute
from starlette.websockets import WebSocket

from reconciler.core.errors import Invalid
from reconciler.edge import PROTECTED, PUBLIC, ClassifiedRoutes, NetworkMiddleware, Principal
from reconciler.edge.asgi import App, Headers, Message, Receive, Scope, Send, answer
from reconciler.edge.blocked import Blocked
from reconciler.edge.headers import HeadersMiddleware
from reconciler.edge.hosts import HostsMiddleware
from reconciler.edge.network import NetworkRules
from reconciler.edge.routes import MOST_KNOWN
from reconciler.edge.scope import ANONYMOUS, PRINCIPAL
from tests.edge.attempts import attempts
from tests.server.serving import Served, served

entered: list[str] = []


async def endpoint(request: Request) -> PlainTextResponse:
    entered.append(f"{request.method} {request.url.path}")
    return PlainTextResponse("in")


async def talk(websocket: WebSocket) -> None:
    entered.append("websocket")
    await websocket.accept()


async def opaque(scope: Scope, receive: Receive, send: Send) -> None:
    entered.append(f"opaque {scope['path']}")
    await PlainTextResponse("in")(scope, receive, send)


def application() -> Starlette:
    everything = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"]
    return Starlette(
        routes=[
            PUBLIC(Route("/health", endpoint)),
            PUBLIC(Mount("/static", app=opaque)),
            PROTECTED(Route("/runs", endpoint, methods=everything)),
            PROTECTED(Route("/runs/{run}", endpoint, methods=everything)),
            PROTECTED(Route("/write", endpoint, methods=["POST"])),
            PROTECTED(WebSocketRoute("/events", talk)),
            PROTECTED(
                Mount("/api", routes=[PROTECTED(Route("/plans", endpoint)), PROTECTED.by("vault:admin/*")(Route("/admin", endpoint))])
            ),
            PUBLIC(Mount("/open", routes=[PUBLIC(Route("/page", endpoint)), PROTECTED(Route("/inner", endpoint))])),
            PROTECTED(Mount("/files", app=opaque)),
        ]
    )


PROTECTED_PATHS = ("/runs", "/runs/7", "/api/plans", "/api/admin", "/open/inner", "/files/a", "/write")


class As:
    """Stands for a proof: whoever sends `X-Test-Principal` is it."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = dict(scope.get("headers", ())).get(b"x-test-principal")
        if name is not None:
            scope[PRINCIPAL] = Principal("vault", name.decode())
        await self._app(scope, receive, send)


@pytest.fixture
def server() -> Iterator[Served]:
    entered.clear()

    def around(app: App) -> App:
        return NetworkMiddleware(HostsMiddleware(As(app), ()), NetworkRules())

    with served(HeadersMiddleware(ClassifiedRoutes(application(), around=around))) as one:
        yield one


@pytest.mark.parametrize("path", PROTECTED_PATHS)
def test_a_protected_route_is_not_reached_without_proof_however_it_is_asked_for(server: Served, path: str) -> None:
    answers = {
        one: server.ask(one.path, *one.headers, method=one.method).status for one in attempts(path, server.port, "/health", "/static")
    }
    assert {one: status for one, status in answers.items() if not 400 <= status < 500} == {}
    assert entered == []


def test_nobody_in_particular_is_no_principal() -> None:
    def anonymous(app: App) -> App:
        async def as_nobody(scope: Scope, receive: Receive, send: Send) -> None:
            scope[PRINCIPAL] = ANONYMOUS
            await app(scope, receive, send)

        return as_nobody

    entered.clear()
    with served(ClassifiedRoutes(application(), around=anonymous)) as server:
        assert (server.ask("/runs").status, server.ask("/health").status) == (401, 200)
    assert entered == ["GET /health"]


def test_the_same_routes_are_reached_with_a_proof(server: Served) -> None:
    statuses = {
        path: server.ask(path, "X-Test-Principal: admin/1", method="POST" if path == "/write" else "GET").status for path in PROTECTED_PATHS
    }
    assert statuses == dict.fromkeys(PROTECTED_PATHS, 200)
    assert len(entered) == len(PROTECTED_PATHS)


def test_public_routes_are_reached_by_anybody(server: Served) -> None:
    for path in ("/health", "/static/a.css", "/open/page"):
        assert server.ask(path).status == 200
    assert server.ask("/health", method="POST").status == 405


def test_strangers_cannot_tell_paths_that_exist_from_others(server: Served) -> None:
    answers = [server.ask(path) for path in ("/runs", "/nothing", "/api/plans", "/api/nothing", "/open/nothing", "/runs/", "/files/x")]
    assert {(answer.status, answer.body) for answer in answers} == {(401, b'{"error": "not authenticated"}')}
    assert {tuple(sorted(set(answer.headers) - {"date"})) for answer in answers} == {tuple(sorted(set(answers[0].headers) - {"date"}))}
    assert server.ask("/nothing", "X-Test-Principal: admin/1").status == 404
    assert server.ask("/runs/", "X-Test-Principal: admin/1").status == 404, "no redirect to /runs"


def test_a_route_may_be_for_some_principals_alone(server: Served) -> None:
    assert server.ask("/api/admin", "X-Test-Principal: guest/1").status == 403
    assert server.ask("/api/admin", "X-Test-Principal: admin/1").status == 200
    assert server.ask("/api/plans", "X-Test-Principal: guest/1").status == 200
    assert entered == ["GET /api/admin", "GET /api/plans"]


def test_a_websocket_is_closed_without_proof_and_opened_with_one() -> None:
    entered.clear()
    app = ClassifiedRoutes(application(), around=As)

    async def said(headers: list[tuple[bytes, bytes]], path: str) -> list[str]:
        sent: list[str] = []

        async def receive() -> Message:
            return {"type": "websocket.connect"}

        async def send(message: Message) -> None:
            sent.append(message["type"])

        await app({"type": "websocket", "path": path, "root_path": "", "headers": headers}, receive, send)
        return sent

    assert asyncio.run(said([], "/events")) == ["websocket.close"]
    assert asyncio.run(said([], "/nothing")) == ["websocket.close"]
    assert entered == []
    assert asyncio.run(said([(b"x-test-principal", b"admin/1")], "/events"))[0] == "websocket.accept"
    assert asyncio.run(said([(b"x-test-principal", b"admin/1")], "/nothing")) == ["websocket.close"]


def refused(*routes: Any, **options: Any) -> str:
    with pytest.raises(Invalid) as caught:
        ClassifiedRoutes(Router(routes=list(routes)), **options)
    return str(caught.value)


def test_a_route_without_a_class_or_with_both_is_no_start() -> None:
    assert "/a: carries neither PUBLIC nor PROTECTED" in refused(Route("/a", endpoint))
    assert "/a: carries both" in refused(PUBLIC(PROTECTED(Route("/a", endpoint))))
    assert "/a: carries neither" in refused(WebSocketRoute("/a", talk))
    assert "/a: carries neither" in refused(Mount("/a", app=opaque))
    assert "/a/b: carries neither" in refused(PROTECTED(Mount("/a", routes=[Route("/b", endpoint)])))
    assert "/a/b: is PUBLIC inside" in refused(PROTECTED(Mount("/a", routes=[PUBLIC(Route("/b", endpoint))])))
    assert "chosen by something else than a path" in refused(PUBLIC(Host("a.example.com", app=opaque)))
    both = refused(Route("/a", endpoint), Route("/b", endpoint))
    assert "/a:" in both, "everything at once"
    assert "/b:" in both, "everything at once"


def test_a_route_in_two_mounts_is_for_whom_each_is() -> None:
    shared = PROTECTED(Route("/page", endpoint))
    mounts = [PROTECTED.by("vault:admin/*")(Mount("/admin", routes=[shared])), PROTECTED(Mount("/all", routes=[shared]))]
    for routes in (mounts, mounts[::-1]):
        with served(ClassifiedRoutes(Router(routes=routes), around=As)) as server:
            guest = "X-Test-Principal: guest/1"
            assert (server.ask("/admin/page", guest).status, server.ask("/all/page", guest).status) == (403, 200)


def test_a_function_behind_two_routes_has_two_classes() -> None:
    app = ClassifiedRoutes(Router(routes=[PUBLIC(Route("/open", endpoint)), PROTECTED(Route("/closed", endpoint))]))
    with served(app) as server:
        assert (server.ask("/open").status, server.ask("/closed").status) == (200, 401)


def test_what_is_declared_classifies_and_cannot_contradict() -> None:
    declared = {"/health": PUBLIC, "/metrics": PROTECTED.by("certificate:spiffe://genesis/*")}
    routes = [Route("/health/live", endpoint), Route("/metrics", endpoint)]
    with served(ClassifiedRoutes(Router(routes=routes), declared=declared, around=As)) as server:
        assert server.ask("/health/live").status == 200
        assert server.ask("/metrics").status == 401
        assert server.ask("/metrics", "X-Test-Principal: spiffe://genesis/x").status == 403, "a Vault token of that name"
    assert "carries both" in refused(PROTECTED(Route("/metrics", endpoint)), declared={"/metrics": PUBLIC})
    assert "carries neither" in refused(Route("/healthy", endpoint), declared={"/health": PUBLIC})
    nearer = {"/a": PROTECTED, "/a/b": PUBLIC}
    ClassifiedRoutes(Router(routes=[PUBLIC(Route("/a/b", endpoint)), PROTECTED(Route("/a/c", endpoint))]), declared=nearer)


def test_a_route_that_is_added_later_is_as_good_as_none() -> None:
    entered.clear()
    app = Router(routes=[PUBLIC(Route("/health", endpoint))])
    classified = ClassifiedRoutes(app)
    app.routes.append(PUBLIC(Route("/late", endpoint)))
    with served(classified) as server:
        assert server.ask("/late").status == 401
    assert entered == []


def test_classes_are_remembered_only_where_the_path_decides() -> None:
    class ByHeader(Route):
        def matches(self, scope: Any) -> Any:
            return super().matches(scope) if (b"x-old", b"1") in scope["headers"] else (Match.NONE, {})

    app = Router(routes=[PUBLIC(ByHeader("/x", endpoint)), PROTECTED(Route("/x", endpoint))])
    with served(ClassifiedRoutes(app)) as server:
        assert [server.ask("/x", "X-Old: 1").status, server.ask("/x").status, server.ask("/x", "X-Old: 1").status] == [200, 401, 200]


def test_strangers_fill_no_memory_with_paths() -> None:
    entered.clear()
    classified = ClassifiedRoutes(application())

    async def ask(path: str) -> int:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": path, "root_path": "", "headers": [], "scheme": "http", "server": ("a", 1)}
        await classified(scope, nothing, send)
        return int(sent[0]["status"])

    async def nothing() -> Message:
        return {"type": "http.disconnect"}

    async def story() -> set[int]:
        return {await ask(f"/runs/{number}") for number in range(MOST_KNOWN + 100)} | {await ask("/runs/" + "x" * 100_000)}

    assert asyncio.run(story()) == {401}
    assert len(classified._known) <= MOST_KNOWN
    assert sum(len(key[3]) for key in classified._known) < 100_000
    assert entered == []


async def fine() -> str:
    entered.append("fine")
    return "fine"


def fast() -> FastAPI:
    """With routers in routers, a mount, and one router under two prefixes."""
    inner, outer = APIRouter(prefix="/inner"), APIRouter(prefix="/v1")

    @inner.get("/{number}")
    async def numbered(number: int) -> int:
        entered.append(f"number {number}")
        return number

    @inner.get("/open/page")
    async def page() -> str:
        entered.append("page")
        return "page"

    outer.include_router(inner)
    outer.routes.append(Mount("/mounted", routes=[PROTECTED(Route("/page", endpoint))]))
    PROTECTED(outer.routes[-1])
    PROTECTED(inner.routes[0])
    PUBLIC(inner.routes[1])
    app = FastAPI(openapi_url=None)
    app.include_router(outer)
    app.include_router(outer, prefix="/again")
    return app


def test_services_of_fastapi_are_classified_too() -> None:
    entered.clear()
    with served(ClassifiedRoutes(fast(), around=As)) as server:
        for prefix in ("/v1", "/again/v1"):
            # A mount does not have the prefix of the router that it is put into, but of where that is included.
            protected = (f"{prefix}/inner/7", f"{prefix.removesuffix('/v1')}/mounted/page")
            answers = {
                one: server.ask(one.path, *one.headers, method=one.method).status
                for path in protected
                for one in attempts(path, server.port, f"{prefix}/inner/open/page")
            }
            assert {one: status for one, status in answers.items() if not 400 <= status < 500} == {}
            assert entered == []
            assert server.ask(f"{prefix}/inner/open/page").status == 200
            assert [server.ask(path, "X-Test-Principal: ann/1").status for path in protected] == [200, 200]
            assert server.ask(f"{prefix}/inner/x", "X-Test-Principal: ann/1").status == 422
            assert server.ask(f"{prefix}/inner/7/", "X-Test-Principal: ann/1").status == 404
            entered.clear()


def test_a_service_of_fastapi_does_not_start_with_a_route_without_a_class() -> None:
    app = FastAPI()
    router = APIRouter(prefix="/v1")
    router.add_api_route("/orders", fine)
    app.include_router(router)
    with pytest.raises(Invalid) as caught:
        ClassifiedRoutes(app)
    assert {str(problem).partition(":")[0] for problem in caught.value.problems} == {
        *("/v1/orders", "/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc")
    }


def test_a_router_that_grows_later_is_shut() -> None:
    entered.clear()
    app, router = FastAPI(openapi_url=None), APIRouter(prefix="/v1")
    router.add_api_route("/page", fine)
    PUBLIC(router.routes[0])
    app.include_router(router)
    classified = ClassifiedRoutes(app)
    router.add_api_route("/late", fine)
    PUBLIC(router.routes[1])
    with served(classified) as server:
        assert server.ask("/v1/late").status == 401


def test_the_class_is_enforced_last_and_known_first() -> None:
    """Whatever stands between sees the class, and cannot lose it."""
    seen: list[Any] = []
    told: list[Blocked] = []

    def between(app: App) -> App:
        async def look(scope: Scope, receive: Receive, send: Send) -> None:
            seen.append(scope.get("reconciler.route"))
            await app(scope, receive, send)

        return look

    with served(ClassifiedRoutes(application(), around=between, observe=told.append)) as server:
        server.ask("/runs/7")
    assert [(route.path, route.access) for route in seen if route] == [("/runs/{run}", "protected")]
    assert [(one.by, one.status) for one in told] == [("route", 401)]


def test_pages_may_draw_refusals_in_their_own_way() -> None:
    async def drawn(scope: Scope, send: Send, status: int, headers: Headers) -> None:
        await answer(send, status, f"drawn for {scope['path']}".encode(), headers)

    with served(ClassifiedRoutes(application(), refusal=drawn)) as server:
        answered = server.ask("/runs")
    assert (answered.status, answered.body) == (401, b"drawn for /runs")
    assert answered.headers["www-authenticate"] == "Bearer"


def test_every_answer_has_the_headers_that_browsers_go_by(server: Served) -> None:
    for path in ("/health", "/runs", "/nothing", "/%00"):
        headers = server.ask(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cache-control"] == "no-store"
        assert "strict-transport-security" not in headers, "not in the clear"
        assert "server" not in headers


def test_errors_are_in_json(server: Served) -> None:
    assert json.loads(server.ask("/runs").body) == {"error": "not authenticated"}
    assert server.ask("/runs").headers["www-authenticate"] == "Bearer"
