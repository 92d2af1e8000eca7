"""The store as anybody else sees it: plain requests to the server."""

from __future__ import annotations

from typing import Any

from reconciler.dev.process import ask
from tests.cli.site import Site


def request(site: Site, method: str, path: str, body: dict[str, Any] | None = None) -> tuple[int, Any]:
    return ask(site.environ["VAULT_ADDR"], method, f"/v1/{site.namespace}/{path}", token=site.environ["VAULT_TOKEN"], body=body)


def read(site: Site, path: str) -> dict[str, str] | None:
    status, answer = request(site, "GET", f"kv/data/{path}")
    return dict(answer["data"]["data"]) if status == 200 else None


def write(site: Site, path: str, value: dict[str, str]) -> None:
    status, answer = request(site, "POST", f"kv/data/{path}", {"data": value})
    assert status == 200, answer
