"""The routes that `reconcile serve` really has, against everything that has got round protected routes somewhere."""

from __future__ import annotations

import json
import re

from tests.edge.attempts import attempts
from tests.server.deployment import Deployment
from tests.server.serving import Served

UNLIMITED = """\
kind: network_rule
name: default
spec: {exempt: [127.0.0.1]}
---
kind: rate_limit
name: wide
spec: {routes: [/*], limit: 1000000}
"""
PUBLIC = ("/health/live", "/health/ready", "/openapi.json")


def protected(server: Served) -> list[str]:
    """What its own description says, and what that leaves out."""
    described = json.loads(server.ask("/openapi.json").body)["paths"]
    found = [re.sub(r"\{\w+\}", "x", path) for path in described if path not in PUBLIC]
    assert len(found) > 3
    return [*found, "/metrics", "/webhooks/github"]


def test_no_protected_route_of_the_server_is_entered_without_a_proof(deployed: Deployment) -> None:
    # Who tries as much as this is limited and banned long before the end, and would show nothing.
    deployed.site.write("desired-state/edge.yaml", UNLIMITED)
    deployed.push()
    deployed.site.apply()
    with deployed.serving() as running:
        server = Served(running.port)
        answers = {
            (path, one): server.ask(one.path, *one.headers, method=one.method).status
            for path in protected(server)
            for one in attempts(path, running.port, *PUBLIC)
        }
        assert {asked: status for asked, status in answers.items() if not 400 <= status < 500 or status == 429} == {}
        assert {server.ask(path).status for path in PUBLIC} <= {200, 503}, "anybody may ask whether it is ready"
        mine = f"X-Vault-Token: {deployed.environ['VAULT_TOKEN']}"
        assert [server.ask(path, mine).status for path in ("/metrics", "/metrics/", "/nothing")] == [200, 404, 404]
    assert "Traceback" not in "".join(running.said)
