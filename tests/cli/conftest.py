"""Sites: repositories with a place on a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.dev.servers import Server
from tests.cli.site import Site, site_in

ENVIRONMENT = "project: genesis\nvault: {primary: {}}\naws: {primary: {region: us-east-1}}\n"


@pytest.fixture
def site(tmp_path: Path, bao: Server, namespace: str) -> Site:
    """An empty repository whose environment `dev` is a fresh namespace of the server."""
    return site_in(tmp_path, bao, namespace, ENVIRONMENT)
