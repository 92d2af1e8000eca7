"""Servers that are measured side by side, each in a process of its own.

Throughput kept is told by the CPU that a server spends on a request: it is what a full core would be divided by, and other work on the
machine distorts it least. Servers take turns, and the median of the turns' ratios counts. There are several of each, since two processes
of the same program were seen to differ by a fifth.
"""

from __future__ import annotations

import http.client
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from reconciler.edge.asgi import App

INSTANCES = 4
SILENCE_SECONDS = 600  # the clients of one server say nothing while another is measured


class Question(NamedTuple):
    method: str
    path: str
    body: bytes = b""
    headers: Mapping[str, str] = {}


async def spent(_request: Request) -> Response:
    """To be served at /spent by all that are measured."""
    return Response(str(time.process_time()))


def serve(app: App, *, own: bool = False) -> None:
    """Be a server: uvicorn as it is, or with what `reconcile serve` adds to it. Says its port first."""
    import uvicorn

    from reconciler.server.listen import listening

    # Named in full: asyncio switches Nagle's algorithm off for sockets of this protocol alone.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as bound:
        bound.bind(("127.0.0.1", 0))
        bound.listen(128)  # before anybody hears of it
        print(bound.getsockname()[1], flush=True)
        config = (
            listening(app, "127.0.0.1", 0, None) if own else uvicorn.Config(app, http="httptools", log_level="critical", access_log=False)
        )
        config.timeout_keep_alive = SILENCE_SECONDS
        uvicorn.Server(config).run(sockets=[bound])


class Served:
    """A server, and connections to it that all ask at once: one that waits finds its caches cold, which is not what throughput is about."""

    def __init__(self, port: int, connections: int) -> None:
        self.port = port
        self._connections = [http.client.HTTPConnection("127.0.0.1", port) for _ in range(connections)]

    def cost(self, questions: Sequence[Question], status: int = 200) -> float:
        """Microseconds of CPU that the server spends on each of them."""
        before = self._spent()
        for start in range(0, len(questions), len(self._connections)):
            self._ask(questions[start : start + len(self._connections)], status)
        return (self._spent() - before) / len(questions) * 1e6

    def _spent(self) -> float:
        return float(self._ask([Question("GET", "/spent")], 200)[0])

    def _ask(self, questions: Sequence[Question], status: int) -> list[bytes]:
        asked = list(zip(questions, self._connections, strict=False))
        for question, connection in asked:
            connection.request(question.method, question.path, question.body or None, dict(question.headers))
        answers = [connection.getresponse() for _, connection in asked]
        assert {answer.status for answer in answers} == {status}
        return [answer.read() for answer in answers]


@contextmanager
def running(module: str, name: str, connections: int = 1) -> Iterator[Served]:
    """The server that a module becomes when it is run with a name."""
    with subprocess.Popen([sys.executable, "-m", module, name], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Served(int(process.stdout.readline()), connections)
        finally:
            process.terminate()


def side_by_side(
    module: str, names: Sequence[str], ask: Callable[[], Sequence[Question]], *, turns: int, connections: int, status: int = 200
) -> list[dict[str, float]]:
    """Microseconds of CPU that a request costs each server, turn by turn. The first turn, in which all is new, does not count."""
    with ExitStack() as stack:
        servers = [(name, stack.enter_context(running(module, name, connections))) for _ in range(INSTANCES) for name in names]
        found = []
        for _ in range(turns + 1):
            costs: dict[str, list[float]] = {name: [] for name in names}
            for name, server in servers:
                costs[name].append(server.cost(ask(), status))
            found.append({name: statistics.mean(each) for name, each in costs.items()})
    return found[1:]
