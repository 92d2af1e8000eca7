"""The JSON API: asked everything that its OpenAPI document allows, and what it does not, over a real uvicorn."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

from reconciler.core.errors import Unavailable
from reconciler.core.health import Health, State
from reconciler.core.run import ObjectRecord, RunRecord
from reconciler.edge.asgi import Scope
from reconciler.edge.memory_limits import MemoryCounters
from reconciler.edge.scope import Principal
from reconciler.edge.tokens import bearers_of
from reconciler.server.api import Api
from reconciler.server.app import Declared, Means, composed
from reconciler.server.database import SqliteDatabase
from reconciler.server.events import Events, News
from reconciler.server.live import Live
from reconciler.server.metrics import Metrics
from reconciler.server.notes import Notes
from reconciler.server.watching import Watch
from tests.server.deployment import until
from tests.server.serving import Served, served

RUN = RunRecord(
    "0123456789ab", "apply", "c" * 40, started="2026-01-01T00:00:00Z", outcome="applied", summary={"create": 1}, chunk="kept-inside"
)
OBJECT = ObjectRecord("vault.policy/p", "create", None, {"rules": []}, "applied")
SEER, STRANGER = "good-" + "token", "other-" + "token"
CHECKS = (
    Health("vault primary", State.OK, {"version": "2.7.2"}, 0.01),
    Health("ledger", State.DOWN, error="cannot be reached at vault:8200"),
)


async def proof(scope: Scope) -> Principal | None:
    token = bearers_of(scope).vault
    return Principal("vault", token, token=token) if token in (SEER, STRANGER) else None


async def no_secrets(_path: str) -> tuple[()]:
    return ()


class Stand:
    """The application over an own database, with what tests change."""

    def __init__(self, events: Events, notes: Notes) -> None:
        self.events, self.notes = events, notes
        self.checks: tuple[Health, ...] = CHECKS
        self.failing = False
        self.unseen: set[str] = set()
        self.woken: list[int] = []
        self.watch = Watch(lambda: self.checks, seconds=0.01)
        self.api = Api(
            project="genesis",
            environment="prod",
            branch="main",
            events=events,
            notes=notes,
            watch=self.watch,
            wake=lambda: self.woken.append(1),
            closed=str,
            problems=list,
            runs=self.runs,
            run=lambda named: (RUN, [OBJECT]) if named == RUN.id else None,
            may_see=lambda principal: principal.token == SEER,
            shown=lambda _principal, addresses: frozenset(addresses) - self.unseen,
        )
        metrics = Metrics("genesis", "prod", lambda: notes.below(""), events.open)
        self.means = Means(self.api, metrics, no_secrets, lambda _network: (proof,), MemoryCounters())
        self.live = Live()
        self.begin_counting_anew()

    def begin_counting_anew(self) -> None:
        """All requests here are one sender's, who would be over its limit."""
        self.live.swap(composed(Declared(), replace(self.means, counters=MemoryCounters())))

    def runs(self, limit: int) -> list[RunRecord]:
        if self.failing:
            raise Unavailable("the ledger at vault:8200 is down")
        return [RUN][:limit]


@contextmanager
def standing(folder: Path) -> Iterator[tuple[Stand, Served]]:
    with closing(SqliteDatabase(folder / "events.sqlite")) as database:
        events, notes = Events(database, "one"), Notes(database)
        events.prepare(alone=True)
        notes.prepare()
        made = Stand(events, notes)
        made.watch.start()
        with served(made.live) as server:
            yield made, server
        made.watch.stop()
        made.watch.join()


@pytest.fixture(scope="module")
def at(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Stand, Served]]:
    with standing(tmp_path_factory.mktemp("api")) as made:
        stand = made[0]
        for number in range(60):
            stand.events.add(News(f"secret-key-{number}", "github", "push", "branch"))
        row = {"path": "db/orders", "overdue": True}
        stand.notes.write(
            "tip", {"commit": "c" * 40, "state": "applied", "title": "Applied", "run": RUN.id, "at": 1.0, "text": "kept-inside"}
        )
        stand.notes.write("drift", {"known": True, "at": 1.0, "count": 0, "complete": True, "commit": "c" * 40, "addresses": []})
        stand.notes.write("secrets", {"at": 1.0, "rows": [row]})
        yield made


def ask(server: Served, path: str, *, method: str = "GET", token: str = SEER) -> tuple[int, Any]:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)) as connection:
        connection.request(method, path, headers={"X-Vault-Token": token} if token else {})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def until_ready(at: tuple[Stand, Served]) -> None:
    """Let everything be well, and wait until that is known."""
    at[0].checks = CHECKS[:1]
    until(lambda: ask(at[1], "/health/ready", token="")[0] == 200, "ready")


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "malformed"])
def test_the_api_answers_as_its_document_says_whatever_it_is_asked(at: tuple[Stand, Served], mode: GenerationMode) -> None:
    """Of each answer: status, type of content, schema, refusal of what is malformed, of other methods, and of who shows no proof."""
    schema = schemathesis.openapi.from_url(f"http://127.0.0.1:{at[1].port}/openapi.json")
    asked = set()
    until_ready(at)
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operation = found.ok()
        if mode is GenerationMode.NEGATIVE and not (operation.query or operation.path_parameters):
            continue  # there is nothing to be malformed
        asked.add(operation.path)

        @settings(max_examples=15, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy(generation_mode=mode))
        def answers(case: Any) -> None:
            at[0].begin_counting_anew()
            case.call_and_validate(headers={"X-Vault-Token": SEER})

        answers()
    at[0].checks = CHECKS
    assert len(asked) >= (9 if mode is GenerationMode.POSITIVE else 3)


@pytest.mark.parametrize(
    "path",
    ["/api/v1/status", "/api/v1/health", "/api/v1/events", "/api/v1/runs", f"/api/v1/runs/{RUN.id}", "/api/v1/drift", "/api/v1/secrets"],
)
def test_who_is_not_proven_or_may_not_see_is_told_nothing(at: tuple[Stand, Served], path: str) -> None:
    assert ask(at[1], path, token="")[0] == 401
    assert ask(at[1], path, token="made-" + "up")[0] == 401
    assert ask(at[1], path, token=STRANGER) == (403, {"error": "forbidden"})
    assert ask(at[1], path)[0] == 200


def test_health_says_to_anybody_how_it_is_and_only_to_who_may_see_why(at: tuple[Stand, Served]) -> None:
    stand, server = at
    status, answer = ask(server, "/health/ready", token="")
    assert (status, answer["ready"]) == (503, False)
    assert answer["checks"] == [{"name": "vault primary", "state": "ok"}, {"name": "ledger", "state": "down"}]
    assert ask(server, "/health/live", token="") == (200, {"status": "ok"})
    told = ask(server, "/api/v1/health")[1]
    assert (told["healthy"], told["checks"][0]["version"], told["checks"][1]["error"]) == (False, "2.7.2", CHECKS[1].error)
    until_ready(at)
    stand.checks = CHECKS


def test_pages_of_events_hold_no_key_by_which_a_delivery_could_be_faked(at: tuple[Stand, Served]) -> None:
    first = ask(at[1], "/api/v1/events?limit=50")[1]["events"]
    second = ask(at[1], f"/api/v1/events?limit=200&before={first[-1]['id']}")[1]["events"]
    ids = [event["id"] for event in first + second]
    assert ids == sorted(ids, reverse=True)
    assert "secret-key" not in json.dumps(first + second)


def test_a_run_is_told_with_what_it_did(at: tuple[Stand, Served]) -> None:
    answer = ask(at[1], f"/api/v1/runs/{RUN.id}")[1]
    assert answer["objects"][0]["address"] == "vault.policy/p"
    assert "kept-inside" not in json.dumps(answer)
    assert ask(at[1], "/api/v1/runs/ffffffffffff") == (404, {"error": "not found"})


def test_a_look_can_be_asked_for(at: tuple[Stand, Served]) -> None:
    before = len(at[0].woken)
    assert ask(at[1], "/api/v1/look", method="POST") == (202, {"status": "accepted"})
    assert at[0].events.latest(1)[0].subject == "branch"
    assert len(at[0].woken) == before + 1


def test_a_ledger_that_is_down_is_503_without_its_address(at: tuple[Stand, Served]) -> None:
    at[0].failing = True
    assert ask(at[1], "/api/v1/runs") == (503, {"error": "unavailable"})
    at[0].failing = False


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=abc", "limit=1&limit=2", "limit=1e2", "limit=٣", "limit=99999999999999999999", "other=1", "before=-1"]
)
def test_a_parameter_that_is_none_is_malformed(at: tuple[Stand, Served], query: str) -> None:
    from urllib.parse import quote

    assert ask(at[1], f"/api/v1/events?{quote(query, safe='=&')}") == (400, {"error": "malformed"})
