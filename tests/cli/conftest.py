"""Sites: repositories with a place on a real server."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reconciler.dev.servers import Server
from tests.cli.site import Site

ENVIRONMENT = "project: genesis\nvault: {primary: {}}\naws: {primary: {region: us-east-1}}\n"


@pytest.fixture
def site(tmp_path: Path, bao: Server, namespace: str) -> Site:
    """An empty repository whose environment `dev` is a fresh namespace of the server."""
    environ = {**os.environ, "VAULT_ADDR": bao.address, "VAULT_TOKEN": bao.token, "VAULT_NAMESPACE": namespace}
    made = Site(tmp_path / "repo", environ, namespace)
    made.write("desired-state/environments/dev.yaml", ENVIRONMENT)
    made.git("init", "--quiet", "--initial-branch=main", ".")
    return made
