"""docs/edge.md, as a program."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

from reconciler.server.tls import server_context
from tests.server.certificates import SERVER, authority, client, issue
from tests.server.serving import served

from .senders import PUSH, github
from .stand import call, request_scope

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "edge.md"


PROGRAMS = re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL)


def test_the_service_of_the_guide_does_what_the_guide_says(tmp_path: Path) -> None:
    first, second, *_ = PROGRAMS
    names: dict[str, Any] = {}
    exec(first, names)
    compile(second, "guide", "exec")
    ca = authority()
    (tmp_path / "clients.pem").write_text(ca.pem)
    context = server_context(*issue(ca, names=["localhost"], usage=SERVER).write(tmp_path, "server"), tmp_path / "clients.pem")
    mine = client(tmp_path, ca, issue(ca, uris=["spiffe://genesis/cart"]), "mine")
    other = client(tmp_path, ca, issue(ca, uris=["spiffe://other/cart"]), "other")
    nobody = client(tmp_path, ca, None)
    with served(names["app"], context) as server:
        assert server.ask("/health", context=nobody).body == b"fine"
        assert server.ask("/v1/orders", context=nobody).status == 401
        assert server.ask("/v1/orders", context=other).status == 403
        assert server.ask("/v1/orders", context=mine).body == b"hello, spiffe://genesis/cart"
        assert "strict-transport-security" in server.ask("/health", context=nobody).headers


def test_the_webhook_of_the_guide_is_received_once() -> None:
    names: dict[str, Any] = {}
    exec(PROGRAMS[0], names)
    exec(PROGRAMS[2], names)
    secret = asyncio.run(names["secrets"]("webhooks/github"))[1].value
    scope = {**request_scope(list(github(PUSH, secret, 0).items())), "path": "/webhooks/github"}
    answers = [asyncio.run(call(names["guarded"], dict(scope), [PUSH])) for _ in range(2)]
    assert [answer.body for answer in answers] == [b"push of genesis/desired-state", b'{"status": "duplicate"}']


def test_the_limit_of_the_guide_is_kept() -> None:
    names: dict[str, Any] = {}
    exec(PROGRAMS[0], names)
    exec(PROGRAMS[3], names)
    scope = {**request_scope([(b"host", b"orders.genesis.example")]), "method": "GET", "path": "/v1/x", "scheme": "https"}
    answers = [asyncio.run(call(names["app"], dict(scope), [b""])) for _ in range(21)]
    assert [answer.status for answer in answers] == [401] * 20 + [429]
    assert answers[0].headers[b"ratelimit-policy"] == b'"orders";q=100;w=60, "orders burst";q=20;w=12'
