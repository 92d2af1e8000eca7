"""Servers that only some kinds need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.backends.vault.client import VaultClient, connect
from reconciler.backends.vault.connection import Connection
from reconciler.backends.vault.transport import Transport
from reconciler.dev.servers import Server


@pytest.fixture(autouse=True)
def database_kinds_have_a_database(request: pytest.FixtureRequest) -> None:
    """Start it for contract cases of the database kinds alone."""
    case = getattr(request.node, "callspec", None)
    if case is not None and str(case.params.get("name", "")).startswith("vault.database_"):
        request.getfixturevalue("postgres")


@pytest.fixture
def vault_root(bao: Server) -> Iterator[VaultClient]:
    """A root client of the root namespace, for what exists nowhere else. Tests take away what they make."""
    client = connect(Transport(Connection(bao.address)), bao.token)
    yield client
    client.close()
