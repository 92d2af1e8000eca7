"""What the edge costs a GET, beside bare Starlette and slowapi: `python -m tests.bench.edge` prints it."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator

from slowapi import Limiter
from slowapi.middleware import SlowAPIASGIMiddleware
from slowapi.util import get_remote_address
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.edge import PUBLIC, ClassifiedRoutes, Limit, MemoryCounters, NetworkMiddleware, RateLimitMiddleware
from reconciler.edge.asgi import App, Message, Scope
from reconciler.edge.network import network_rules
from reconciler.edge.network_spec import NetworkSpec

from .results import Row
from .servers import Question, serve, side_by_side, spent

ROUNDS = 15
REQUESTS = 300  # a round
CONNECTIONS = 20
MUCH = 1_000_000  # a limit that is never reached
OWN = "the edge in its own server"


async def small(_request: Request) -> Response:
    return Response(b'{"status": "ok"}', media_type="application/json")


def starlette() -> Starlette:
    return Starlette(routes=[PUBLIC(Route("/v1/small", small)), PUBLIC(Route("/spent", spent))])


def edge(proxies: str = "10.0.0.0/8") -> App:
    rules = network_rules(NetworkSpec(trusted_proxies=(proxies,), deny=("192.0.2.0/24",)))
    counters = MemoryCounters()

    def between(app: App) -> App:
        return NetworkMiddleware(RateLimitMiddleware(app, [Limit("one", MUCH, routes=("/v1/*",))], counters), rules)

    return ClassifiedRoutes(starlette(), around=between)


def slowapi() -> App:
    app = starlette()
    app.state.limiter = Limiter(key_func=get_remote_address, default_limits=[f"{MUCH}/minute"], headers_enabled=True)
    app.add_middleware(SlowAPIASGIMiddleware)
    return app


APPLICATIONS: dict[str, Callable[[], App]] = {
    "Starlette": starlette,
    "the edge": edge,
    OWN: edge,
    "slowapi": slowapi,
    "behind a proxy": lambda: edge("127.0.0.0/8"),
}


def alone(app: App) -> float:
    """Microseconds of CPU that an application spends on a request without any server."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_message: Message) -> None:
        pass

    headers = [(b"host", b"127.0.0.1:8000"), (b"accept-encoding", b"identity")]
    fixed: Scope = {"type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http"}
    started = time.process_time()
    for _ in range(REQUESTS):
        scope = {**fixed, "path": "/v1/small", "root_path": "", "query_string": b"", "headers": [*headers], "client": ("127.0.0.1", 5555)}
        answering = app(scope, receive, send).__await__()
        if next(answering, None) is not None:
            sys.exit("an application waits for something: nothing is measured")
    return (time.process_time() - started) / REQUESTS * 1e6


def in_a_loop() -> Iterator[Row]:
    bare, guarded = starlette(), edge()
    rounds = [(alone(bare), alone(guarded)) for _ in range(10 * ROUNDS + 1)][1:]
    least, behind = (min(column) for column in zip(*rounds, strict=True))  # other work on the machine can only add to it
    yield Row("GET: CPU that all of the edge adds, in a loop without a server", behind - least, "us", 5)
    yield Row("  CPU of bare Starlette in the same loop", least, "us")


def gets() -> Iterator[Row]:
    asked = [Question("GET", "/v1/small")] * REQUESTS
    rounds = side_by_side(__spec__.name, ("Starlette", "the edge", OWN, "slowapi"), lambda: asked, turns=ROUNDS, connections=CONNECTIONS)
    for name, goal in ((OWN, 90), ("the edge", 90), ("slowapi", None)):
        kept = statistics.median(one["Starlette"] / one[name] for one in rounds)
        what = f"{'' if goal else '  '}GET: throughput kept of bare Starlette behind {name}"
        yield Row(what, kept * 100, "%", goal, at_least=True)
        yield Row(f"  CPU of a GET that {name} adds", statistics.median(one[name] - one["Starlette"] for one in rounds), "us")
    yield Row("  CPU of a GET of bare Starlette and uvicorn", statistics.median(one["Starlette"] for one in rounds), "us")


if __name__ == "__main__":
    serve(APPLICATIONS[sys.argv[1]](), own=sys.argv[1] == OWN)
