"""A deployment of the server, or a branch with a forge beside it, for each test that asks for one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.backends.vault.client import VaultClient
from reconciler.dev.servers import Server
from tests.cli.site import Site
from tests.server.deployment import Deployment
from tests.server.forges import FORGES
from tests.server.stand import Stand, stand


@pytest.fixture
def deployed(tmp_path: Path, bao: Server, vault: VaultClient, namespace: str) -> Deployment:
    """An origin with one applied commit, and a clone for the server."""
    environ = {**os.environ, "VAULT_ADDR": bao.address, "VAULT_TOKEN": bao.token, "VAULT_NAMESPACE": namespace}
    site = Site(tmp_path / "repo", environ, namespace)
    site.repo.mkdir()
    site.git("init", "--quiet", "--initial-branch=main", ".")
    return Deployment(tmp_path, site, vault)


@pytest.fixture(params=FORGES)
def at(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stand]:
    """A branch followed on each forge in turn."""
    with stand(tmp_path, request.param) as made:
        yield made


@pytest.fixture
def one(tmp_path: Path) -> Iterator[Stand]:
    """The same on one forge."""
    with stand(tmp_path) as made:
        yield made
