"""Two stores of encrypted files with a desk between them, and a repository with all three stores on real servers."""

from __future__ import annotations

from pathlib import Path

import pytest

from reconciler.backends.vault.client import VaultClient
from reconciler.dev.servers import Server
from tests.cli.site import Site, site_in
from tests.migration.desks import Stand, declare


@pytest.fixture
def stand(tmp_path: Path) -> Stand:
    return Stand(tmp_path)


@pytest.fixture
def shop(tmp_path: Path, bao: Server, namespace: str, vault: VaultClient, moto: str) -> Site:
    """A repository with all three stores, the files first."""
    site = site_in(tmp_path, bao, namespace, "project: genesis\n")
    site.environ |= {"AWS_ENDPOINT_URL": moto, "STORE_PASSPHRASE": "a-passphrase-of-tests"}
    vault.write("sys/mounts/genesis", {"type": "kv-v2"})
    declare(site)
    return site
