"""An event is on the disk before its sender hears so; where it cannot be, the sender is told to come again, and may."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler.core.errors import Unavailable
from reconciler.edge.endpoints import Endpoint, TimedSecret
from reconciler.edge.memory_limits import MemoryCounters
from reconciler.server.app import Declared, composed
from reconciler.server.events import News
from tests.server.deployment import KEY, pull_event, signed
from tests.server.serving import Answer, Served, answer_of
from tests.server.test_api import Stand, standing

HOOK = "/webhooks/github"


async def secrets(_path: str) -> list[TimedSecret]:
    return [TimedSecret(KEY.encode())]


@pytest.fixture
def at(tmp_path: Path) -> Iterator[tuple[Stand, Served]]:
    with standing(tmp_path) as made:
        begin(made[0])
        yield made


def begin(stand: Stand) -> None:
    """As after a start: nothing is counted yet."""
    means = replace(stand.means, secrets=secrets, counters=MemoryCounters())
    stand.live.swap(composed(Declared({HOOK: Endpoint("github", "github", "webhooks/github")}), means))


def deliver(server: Served, number: int = 7) -> Answer:
    headers, text = signed("pull_request", pull_event("opened", number))
    lines = [f"POST {HOOK} HTTP/1.1", f"Host: localhost:{server.port}", f"Content-Length: {len(text)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return answer_of(server.send("\r\n".join([*lines, "", ""]).encode() + text))


def test_a_delivery_that_could_not_be_kept_is_taken_when_it_comes_again(at: tuple[Stand, Served], monkeypatch: pytest.MonkeyPatch) -> None:
    stand, server = at

    def failing(_news: News) -> bool:
        raise Unavailable("the disk is full")

    with monkeypatch.context() as broken:
        broken.setattr(stand.events, "add", failing)
        answer = deliver(server)
    assert (answer.status, answer.headers["retry-after"], b"disk" in answer.body) == (503, "5", False)
    assert (stand.events.open(), stand.woken) == (0, [])
    assert deliver(server).body == b'{"status": "accepted"}'
    assert deliver(server).body == b'{"status": "duplicate"}'
    assert (stand.events.open(), len(stand.woken)) == (1, 1)


def test_where_too_many_wait_no_more_are_taken_until_some_have_ended(at: tuple[Stand, Served], monkeypatch: pytest.MonkeyPatch) -> None:
    stand, server = at
    monkeypatch.setattr("reconciler.server.receiving.MOST_OPEN", 1)
    assert deliver(server, 1).status == 202
    begin(stand)
    answer = deliver(server, 2)
    assert (answer.status, "retry-after" in answer.headers, stand.events.open()) == (503, True, 1)
    assert 'outcome="full"' in stand.means.metrics.exposition().decode()
    claim = stand.events.take()
    assert claim is not None
    stand.events.finish(claim, "done")
    begin(stand)
    assert deliver(server, 2).status == 202


@pytest.mark.parametrize("body", [{"action": "opened", "number": 7}, {"zen": "x", "hook_id": 1, "hook": {}}], ids=str)
def test_what_asks_for_nothing_is_ignored_and_not_kept(at: tuple[Stand, Served], body: Any) -> None:
    stand, server = at
    headers, text = signed("ping" if "zen" in body else "pull_request", body)
    lines = [f"POST {HOOK} HTTP/1.1", "Host: localhost", f"Content-Length: {len(text)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    answer = answer_of(server.send("\r\n".join([*lines, "", ""]).encode() + text))
    assert (answer.status, answer.body in (b'{"status": "ignored"}', b'{"error": "malformed"}')) in ((200, True), (400, True))
    assert stand.events.open() == 0
