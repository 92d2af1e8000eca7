"""The JSON API: what pages and programs ask the server. It reads; the one thing that it does is to look at once."""

from __future__ import annotations

import asyncio
import dataclasses
import re
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request

from ..core.address import Address
from ..core.run import ObjectRecord, RunRecord
from ..edge.scope import PRINCIPAL, Principal
from ..report.health import health_json
from ..report.runs import run_json
from .answers import Drift, EventsAnswer, Failure, HealthAnswer, RunAnswer, RunsAnswer, Secrets, StatusAnswer, Word
from .events import Event, Events, News
from .notes import Notes
from .openapi import Operation, Parameter
from .watching import Watch

MOST = 200  # entries of a page
LEDGER_ALONE = "route/any"  # Vault has no path for it: who may be shown it may read the ledger's state, and so every name
_NUMBER = re.compile(r"[0-9]{1,15}")
_RUN = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True, slots=True)
class Api:
    """What the handlers are handed. Callables that ask servers block, and are called in threads."""

    project: str
    environment: str
    branch: str
    events: Events
    notes: Notes
    watch: Watch
    wake: Callable[[], None]
    closed: Callable[[], str]
    problems: Callable[[], Sequence[str]]
    runs: Callable[[int], Sequence[RunRecord]]
    run: Callable[[str], tuple[RunRecord, Sequence[ObjectRecord]] | None]
    may_see: Callable[[Principal], bool]
    shown: Callable[[Principal, Collection[str]], frozenset[str]]
    """Those of some addresses that somebody may be shown. A secret of the stores has the address of its document."""
    alive: Callable[[], bool] = lambda: True


class Refused(Exception):
    """Ends a request with a status."""

    def __init__(self, status: int, error: str) -> None:
        super().__init__(error)
        self.status = status


Handle = Callable[[Api, Request], Awaitable[BaseModel]]


def _whole(request: Request, name: str, default: int, most: int) -> int:
    """A whole number of the query. Raises Refused."""
    given = request.query_params.getlist(name)
    if not given:
        return default
    if len(given) > 1 or not _NUMBER.fullmatch(given[0]) or not 1 <= int(given[0]) <= most:
        raise Refused(400, "malformed")
    return int(given[0])


async def _noted(api: Api, name: str) -> dict[str, Any]:
    found = await asyncio.to_thread(api.notes.read, name)
    if found is None:
        raise Refused(404, "not found")
    return dict(found)


def _event(event: Event) -> dict[str, Any]:
    """Without the replay key: whoever knows it could have a delivery taken for a duplicate."""
    found = dataclasses.asdict(event)
    del found["key"]
    return found


async def _live(api: Api, _request: Request) -> BaseModel:
    if not api.alive():
        raise Refused(503, "unavailable")
    return Word(status="ok")


async def _status(api: Api, request: Request) -> BaseModel:
    notes = await asyncio.to_thread(lambda: {name: api.notes.read(name) for name in ("tip", "drift", "secrets")})
    return StatusAnswer(
        project=api.project,
        environment=api.environment,
        branch=api.branch,
        ready=api.watch.ready,
        locked_down=api.closed() or None,
        events_open=await asyncio.to_thread(api.events.open),
        tip=notes["tip"] and {name: notes["tip"].get(name) for name in ("commit", "state", "title", "run", "at")},
        drift=notes["drift"] and await _drift_shown(api, request, notes["drift"]),
        overdue=sum(row["overdue"] for row in notes["secrets"]["rows"]) if notes["secrets"] else None,
        problems=list(api.problems()),
    )


async def _health(api: Api, _request: Request) -> BaseModel:
    return HealthAnswer.model_validate(health_json(api.watch.checks()))


async def _events(api: Api, request: Request) -> BaseModel:
    before = _whole(request, "before", 0, 10**15)
    found = await asyncio.to_thread(api.events.latest, _whole(request, "limit", 50, MOST), before or None)
    # Outcomes may name what could not be read.
    named = LEDGER_ALONE in await _shown(api, request, [LEDGER_ALONE])
    return EventsAnswer.model_validate({"events": [one if named else {**one, "outcome": ""} for one in map(_event, found)]})


async def _runs(api: Api, request: Request) -> BaseModel:
    found = await asyncio.to_thread(api.runs, _whole(request, "limit", 50, MOST))
    return RunsAnswer.model_validate({"runs": [run_json(one) for one in found]})


async def _run(api: Api, request: Request) -> BaseModel:
    named = request.path_params["run"]
    found = await asyncio.to_thread(api.run, named) if _RUN.fullmatch(named) else None
    if found is None:
        raise Refused(404, "not found")
    shown = await _shown(api, request, [one.address for one in found[1]])
    objects = [{**one._asdict(), "error": one.error or None} for one in found[1] if one.address in shown]
    return RunAnswer.model_validate({"run": run_json(found[0]), "objects": objects, "hidden": len(found[1]) - len(objects)})


async def _drift(api: Api, request: Request) -> BaseModel:
    return Drift.model_validate(await _drift_shown(api, request, await _noted(api, "drift")))


async def _drift_shown(api: Api, request: Request, noted: Mapping[str, Any]) -> dict[str, Any]:
    shown = await _shown(api, request, [*noted.get("addresses", ()), LEDGER_ALONE])
    addresses = [one for one in noted.get("addresses", ()) if one in shown]
    noted = {**noted, "why": noted.get("why") if LEDGER_ALONE in shown else None}  # it may name what could not be read
    return {**noted, "addresses": addresses, "hidden": len(noted.get("addresses", ())) - len(addresses)}


async def _secrets(api: Api, request: Request) -> BaseModel:
    noted = await _noted(api, "secrets")
    shown = await _shown(api, request, [secret_address(row) for row in noted["rows"]])
    rows = [row for row in noted["rows"] if secret_address(row) in shown]
    return Secrets.model_validate({**noted, "rows": rows, "hidden": len(noted["rows"]) - len(rows)})


async def _shown(api: Api, request: Request, addresses: Collection[str]) -> frozenset[str]:
    return await asyncio.to_thread(api.shown, request.scope[PRINCIPAL], addresses)


def secret_address(row: Mapping[str, Any]) -> str:
    """The address of what a row of `reconcile rotate status` is about."""
    return str(Address("secret", row["path"]))


async def _look(api: Api, request: Request) -> BaseModel:
    principal: Principal = request.scope[PRINCIPAL]
    news = News(f"look/{secrets.token_hex(8)}", "server", "look", "branch", f"asked by {principal.name}")
    await asyncio.to_thread(api.events.add, news)
    api.wake()
    return Word(status="accepted")


_LIMIT = Parameter("limit", {"type": "integer", "minimum": 1, "maximum": MOST, "default": 50})
_BEFORE = Parameter("before", {"type": "integer", "minimum": 1, "maximum": 10**15 - 1})
_ONE = Parameter("run", {"type": "string", "pattern": "^[0-9a-f]{12}$"}, "path")

TABLE: Sequence[tuple[Operation, Handle]] = (
    (Operation("GET", "/health/live", "Whether the server runs", {200: Word}, public=True), _live),
    (Operation("GET", "/api/v1/status", "All at a glance", {200: StatusAnswer}), _status),
    (Operation("GET", "/api/v1/health", "Every instance, store and the ledger", {200: HealthAnswer}), _health),
    (Operation("GET", "/api/v1/events", "What the server was told", {200: EventsAnswer}, (_LIMIT, _BEFORE)), _events),
    (Operation("GET", "/api/v1/runs", "The latest applies and rollbacks", {200: RunsAnswer}, (_LIMIT,)), _runs),
    (Operation("GET", "/api/v1/runs/{run}", "What one run did", {200: RunAnswer, 404: Failure}, (_ONE,)), _run),
    (Operation("GET", "/api/v1/drift", "The last look for drift", {200: Drift, 404: Failure}), _drift),
    (Operation("GET", "/api/v1/secrets", "How the secrets stand", {200: Secrets, 404: Failure}), _secrets),
    (Operation("POST", "/api/v1/look", "Look at the branch now", {202: Word}), _look),
)
