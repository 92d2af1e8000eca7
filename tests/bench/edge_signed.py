"""What proving a webhook costs, beside a Starlette endpoint that proves nothing: `python -m tests.bench.edge_signed`.

Throughput kept is told by the CPU that a server spends on a request: it is what a full core would be divided by, and other work on
the machine distorts it least. Servers take turns, and the median of the turns' ratios counts.
"""

from __future__ import annotations

import asyncio
import hmac
import http.client
import itertools
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.edge import Endpoint, LocalReplayMemory, SignatureMiddleware, TimedSecret
from reconciler.edge.asgi import Message, Scope

SECRET = b"It's a Secret to Everybody"
SIZE = 20_000
ROUNDS = 25
REQUESTS = 300  # a round
CONNECTIONS = 10
NUMBERS = itertools.count(10**9)  # no two deliveries are the same
ACCEPTED = b'{"status": "accepted"}'


class Row(NamedTuple):
    what: str
    reached: float
    unit: str
    goal: float | None = None  # told for itself
    at_least: bool = False

    @property
    def met(self) -> bool:
        return self.goal is None or (self.reached >= self.goal if self.at_least else self.reached <= self.goal)

    def __str__(self) -> str:
        verdict = "" if self.goal is None else f"{'>=' if self.at_least else '<='} {self.goal:g}  {'ok' if self.met else 'MISSED'}"
        return f"{self.what:<72} {self.reached:>8.2f} {self.unit:<3} {verdict}".rstrip()


async def spent(_request: Request) -> Response:
    return Response(str(time.process_time()))


async def reading(request: Request) -> Response:
    await request.body()
    return Response(ACCEPTED, 202, media_type="application/json")


async def parsing(request: Request) -> Response:
    await request.json()
    return Response(ACCEPTED, 202, media_type="application/json")


async def proven(request: Request) -> Response:
    assert request.scope["reconciler.webhook"].parsed
    return Response(ACCEPTED, 202, media_type="application/json")


async def secrets(_path: str) -> Sequence[TimedSecret]:
    return (TimedSecret(SECRET),)


def starlette(endpoint: Callable[[Request], Awaitable[Response]]) -> Starlette:
    return Starlette(routes=[Route("/hook", endpoint, methods=["POST"]), Route("/spent", spent)])


def protected() -> SignatureMiddleware:
    return SignatureMiddleware(starlette(proven), {"/hook": Endpoint("github", "github", "hook")}, LocalReplayMemory(), secrets)


APPLICATIONS: dict[str, Callable[[], Any]] = {
    "reading": lambda: starlette(reading),
    "parsing": lambda: starlette(parsing),
    "proven": protected,
}


def serve(name: str) -> None:
    """Be one of the servers. Says its port first."""
    import uvicorn

    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.bind(("127.0.0.1", 0))
        print(listening.getsockname()[1], flush=True)
        # The clients of one server are silent while another is measured.
        config = uvicorn.Config(APPLICATIONS[name](), http="httptools", log_level="critical", access_log=False, timeout_keep_alive=600)
        uvicorn.Server(config).run(sockets=[listening])


def event() -> bytes:
    """A pull request in 20 KB, with the objects, keys and links of GitHub's."""
    links = {f"{name}_url": f"https://api.example.com/repos/genesis/desired-state/{name}{{/sha}}" for name in map(str, range(45))}
    person = {
        "login": "octocat",
        "id": 1,
        "site_admin": False,
        **{f"{n}_url": f"https://api.example.com/users/octocat/{n}" for n in range(12)},
    }
    side = {"ref": "main", "sha": "0" * 40, "user": person, "repo": {**links, "owner": person, "private": True, "license": None}}
    pull = {"user": person, "head": side, "base": side, "labels": [], "draft": False, "body": ""}
    whole = {"action": "opened", "number": next(NUMBERS), "pull_request": pull, "repository": {**links, "owner": person}, "sender": person}
    pull["body"] = "x" * (SIZE - len(json.dumps(whole)))
    return json.dumps(whole).encode()


def signed(body: bytes) -> dict[str, str]:
    signature = hmac.digest(SECRET, body, "sha256").hex()
    return {"content-type": "application/json", "x-github-event": "pull_request", "x-hub-signature-256": f"sha256={signature}"}


class Served:
    """A server in a process of its own, and connections to it."""

    def __init__(self, port: int) -> None:
        self._connections = [http.client.HTTPConnection("127.0.0.1", port) for _ in range(CONNECTIONS)]

    def _spent(self) -> float:
        self._connections[0].request("GET", "/spent")
        return float(self._connections[0].getresponse().read())

    def microseconds(self) -> float:
        """CPU of the server a request, over one round."""
        bodies = [event() for _ in range(REQUESTS)]
        headers = [signed(body) for body in bodies]
        before = self._spent()
        for start in range(0, REQUESTS, CONNECTIONS):
            for place, connection in enumerate(self._connections, start):
                connection.request("POST", "/hook", bodies[place], headers[place])
            for connection in self._connections:
                answer = connection.getresponse()
                assert (answer.status, answer.read()) == (202, ACCEPTED)
        return (self._spent() - before) / REQUESTS * 1e6


@contextmanager
def running(name: str) -> Iterator[Served]:
    with subprocess.Popen([sys.executable, "-m", __spec__.name, name], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield Served(int(process.stdout.readline()))
        finally:
            process.terminate()


def throughput() -> Iterator[Row]:
    with running("reading") as bare, running("parsing") as reader, running("proven") as guarded:
        costs = [[server.microseconds() for server in (bare, reader, guarded)] for _ in range(ROUNDS + 1)][1:]
    read, parsed, guard = (statistics.median(cost) for cost in zip(*costs, strict=True))
    kept = statistics.median(parsing / proving for _, parsing, proving in costs)
    unread = statistics.median(reading / proving for reading, _, proving in costs)
    yield Row("signed 20 KB POST: throughput kept of Starlette that reads JSON", kept * 100, "%", 70, at_least=True)
    yield Row("  of Starlette that never looks at the JSON", unread * 100, "%")
    yield Row("  CPU of a request: Starlette that never looks at the JSON", read, "us")
    yield Row("  CPU of a request: Starlette that reads JSON", parsed, "us")
    yield Row("  CPU of a request: Starlette behind the signature middleware", guard, "us")


async def refused(app: SignatureMiddleware, body: bytes, headers: list[tuple[bytes, bytes]]) -> float:
    """Seconds until a delivery is refused."""
    scope: Scope = {"type": "http", "method": "POST", "path": "/hook", "headers": headers, "http_version": "1.1"}
    statuses: list[int] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        statuses.append(message.get("status", 0))

    began = time.perf_counter()
    await app(scope, receive, send)
    seconds = time.perf_counter() - began
    assert statuses[0] == 401
    return seconds


def timing() -> Iterator[Row]:
    """Whether the place of a mismatch can be told by the time that it takes to be found."""
    body = b"x" * 1024 * 1024
    right = b"sha256=" + hmac.digest(SECRET, body, "sha256").hex().encode()
    first, last = bytes([body[0] ^ 1]) + body[1:], body[:-1] + bytes([body[-1] ^ 1])
    near, far = right[:7] + b"z" + right[8:], right[:-1] + b"z"
    app = SignatureMiddleware(
        starlette(proven), {"/hook": Endpoint("github", "github", "hook")}, LocalReplayMemory(), secrets, observe=lambda _: None
    )
    trials = {"body first": (first, right), "body last": (last, right), "signature first": (body, near), "signature last": (body, far)}
    times: dict[str, list[float]] = {name: [] for name in trials}

    async def run() -> None:
        for _ in range(300):
            for name, (sent, signature) in trials.items():
                times[name].append(await refused(app, sent, [(b"x-hub-signature-256", signature)]))

    asyncio.run(run())
    medians = {name: statistics.median(taken) for name, taken in times.items()}
    for what in ("body", "signature"):
        one, other = medians[f"{what} first"], medians[f"{what} last"]
        yield Row(f"1 MiB, mismatch in the first or last byte of the {what}: ratio of times", max(one, other) / min(one, other), "", 1.1)


def main() -> int:
    if len(sys.argv) > 1:
        serve(sys.argv[1])
        return 0
    rows = []
    for row in itertools.chain(throughput(), timing()):
        print(row, flush=True)
        rows.append(row)
    return 0 if all(row.met for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
