"""What proving a webhook costs, beside a Starlette endpoint that proves nothing: `python -m tests.bench.edge` prints it."""

from __future__ import annotations

import asyncio
import hmac
import itertools
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from reconciler.edge import Endpoint, LocalReplayMemory, SignatureMiddleware, TimedSecret
from reconciler.edge.asgi import App, Message, Scope

from .results import Row
from .servers import Question, serve, side_by_side, spent

SECRET = b"It's a Secret to Everybody"
SIZE = 20_000
ROUNDS = 15
REQUESTS = 100  # a round
CONNECTIONS = 10
NUMBERS = itertools.count(10**9)  # no two deliveries are the same
ACCEPTED = b'{"status": "accepted"}'


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


OWN = "proven in its own server"
APPLICATIONS: dict[str, Callable[[], App]] = {
    "reading": lambda: starlette(reading),
    "parsing": lambda: starlette(parsing),
    "proven": protected,
    OWN: protected,
}


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


def deliveries() -> list[Question]:
    return [Question("POST", "/hook", body, signed(body)) for body in (event() for _ in range(REQUESTS))]


def throughput() -> Iterator[Row]:
    rounds = side_by_side(__spec__.name, tuple(APPLICATIONS), deliveries, turns=ROUNDS, connections=CONNECTIONS, status=202)
    for name, where in ((OWN, "the edge in its own server"), ("proven", "the edge")):
        kept = statistics.median(one["parsing"] / one[name] for one in rounds)
        unread = statistics.median(one["reading"] / one[name] for one in rounds)
        yield Row(f"signed 20 KB POST: kept of Starlette's JSON by {where}", kept * 100, "%", 70, at_least=True)
        yield Row("  of Starlette that never looks at the JSON", unread * 100, "%")
        yield Row("  CPU of a request", statistics.median(one[name] for one in rounds), "us")
    for name, what in (("parsing", "reads JSON"), ("reading", "never looks at the JSON")):
        yield Row(f"  CPU of a request: Starlette that {what}", statistics.median(one[name] for one in rounds), "us")


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


if __name__ == "__main__":
    serve(APPLICATIONS[sys.argv[1]](), own=sys.argv[1] == OWN)
