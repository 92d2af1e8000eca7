"""The routes that `reconcile serve` really has, against everything that has got round protected routes somewhere."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from reconciler.backends.vault.client import VaultClient
from tests.cli.conftest import site as site  # noqa: PLC0414  # a fixture
from tests.cli.site import Site
from tests.edge.attempts import attempts
from tests.server.deployment import Deployment
from tests.server.serving import Served

PUBLIC = ("/health/live", "/health/ready", "/openapi.json")


@pytest.fixture
def deployed(tmp_path: Path, site: Site, vault: VaultClient) -> Deployment:
    return Deployment(tmp_path, site, vault)


def protected(server: Served) -> list[str]:
    """What its own description says, and what that leaves out."""
    described = json.loads(server.ask("/openapi.json").body)["paths"]
    found = [re.sub(r"\{\w+\}", "x", path) for path in described if path not in PUBLIC]
    assert len(found) > 3
    return [*found, "/metrics", "/webhooks/github"]


def test_no_protected_route_of_the_server_is_entered_without_a_proof(deployed: Deployment) -> None:
    with deployed.serving() as running:
        server = Served(running.port)
        answers = {
            (path, one): server.ask(one.path, *one.headers, method=one.method).status
            for path in protected(server)
            for one in attempts(path, running.port, *PUBLIC)
        }
        assert {asked: status for asked, status in answers.items() if not 400 <= status < 500} == {}
        assert {server.ask(path).status for path in PUBLIC} <= {200, 503}, "anybody may ask whether it is ready"
        mine = f"X-Vault-Token: {deployed.environ['VAULT_TOKEN']}"
        assert [server.ask(path, mine).status for path in ("/metrics", "/metrics/", "/nothing")] == [200, 404, 404]
    assert "Traceback" not in "".join(running.said)
