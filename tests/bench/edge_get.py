"""What the edge costs a GET, beside bare Starlette and slowapi: `python -m tests.bench.edge` prints it.

As in edge_signed: throughput kept is told by the CPU that servers spend on a request, which take turns.
"""

from __future__ import annotations

import http.client
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from slowapi import Limiter
from slowapi.middleware import SlowAPIASGIMiddleware
from slowapi.util import get_remote_address
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.edge import PUBLIC, ClassifiedRoutes, Limit, MemoryCounters, NetworkMiddleware, RateLimitMiddleware
from reconciler.edge.asgi import App
from reconciler.edge.network import network_rules
from reconciler.edge.network_spec import NetworkSpec

from .edge_signed import Row

ROUNDS = 25
REQUESTS = 600  # a round
CONNECTIONS = 20  # that ask at once: a server that waits for one finds its caches cold, which is not what throughput is about
MUCH = 1_000_000  # a limit that is never reached


async def small(_request: Request) -> Response:
    return Response(b'{"status": "ok"}', media_type="application/json")


async def spent(_request: Request) -> Response:
    return Response(str(time.process_time()))


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
    "slowapi": slowapi,
    "behind a proxy": lambda: edge("127.0.0.0/8"),
}


def serve(name: str) -> None:
    """Be one of the servers. Says its port first."""
    import uvicorn

    # Named in full: asyncio switches Nagle's algorithm off for sockets of this protocol alone.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)  # before anybody hears of it
        print(listening.getsockname()[1], flush=True)
        config = uvicorn.Config(APPLICATIONS[name](), http="httptools", log_level="critical", access_log=False, timeout_keep_alive=600)
        uvicorn.Server(config).run(sockets=[listening])


class Served:
    """A server in a process of its own, and connections to it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._connections = [http.client.HTTPConnection("127.0.0.1", port) for _ in range(CONNECTIONS)]

    def cost(self) -> float:
        """Microseconds of CPU that the server spends on a request, over one round."""
        before = float(self._ask("/spent", 1)[0])
        for _ in range(REQUESTS // CONNECTIONS):
            self._ask("/v1/small", CONNECTIONS)
        return (float(self._ask("/spent", 1)[0]) - before) / REQUESTS * 1e6

    def _ask(self, path: str, times: int) -> list[bytes]:
        for connection in self._connections[:times]:
            connection.request("GET", path)
        answers = [connection.getresponse() for connection in self._connections[:times]]
        assert {answer.status for answer in answers} == {200}
        return [answer.read() for answer in answers]


@contextmanager
def running(name: str) -> Iterator[Served]:
    with subprocess.Popen([sys.executable, "-m", __spec__.name, name], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Served(int(process.stdout.readline()))
        finally:
            process.terminate()


def gets() -> Iterator[Row]:
    with ExitStack() as stack:
        servers = {name: stack.enter_context(running(name)) for name in ("Starlette", "the edge", "slowapi")}
        rounds = [{name: server.cost() for name, server in servers.items()} for _ in range(ROUNDS + 1)][1:]
    bare = statistics.median(one["Starlette"] for one in rounds)
    for name in ("the edge", "slowapi"):
        kept = statistics.median(one["Starlette"] / one[name] for one in rounds)
        ours = name == "the edge"
        yield Row(
            f"{'' if ours else '  '}GET: throughput kept of bare Starlette behind {name}",
            kept * 100,
            "%",
            90 if ours else None,
            at_least=True,
        )
        yield Row(f"  CPU of a GET that {name} adds", statistics.median(one[name] - one["Starlette"] for one in rounds), "us")
    yield Row("  CPU of a GET of bare Starlette and its server", bare, "us")


if __name__ == "__main__":
    serve(sys.argv[1])
