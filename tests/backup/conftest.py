"""A site with secrets, and the identities of two people who keep one each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.dev.servers import start_bao_dev
from tests.backup.lost import ENVIRONMENT, Lost, everything, live_in
from tests.backup.made import made
from tests.cli.site import Site
from tests.rotation.conftest import database, site

__all__ = ["database", "site"]


def make_keys(site: Site, folder: Path) -> tuple[Path, Path]:
    """Two identities, whose recipients the environment then declares."""
    files = (folder / "ops.key", folder / "safe.key")
    recipients = [site.run("backup", "key", str(file)).out.strip() for file in files]
    name = "desired-state/environments/dev.yaml"
    site.write(name, f"{(site.repo / name).read_text()}backup: {{recipients: [{', '.join(recipients)}]}}\n")
    site.commit()
    return files


@pytest.fixture
def keys(tmp_path: Path, site: Site) -> tuple[Path, Path]:
    return make_keys(site, tmp_path)


@pytest.fixture(scope="session")
def lost(tmp_path_factory: pytest.TempPathFactory) -> Lost:
    """One for all tests of a worker: each has a copy of the repository and an empty server of its own."""
    folder = tmp_path_factory.mktemp("lost")
    with start_bao_dev(folder / "first") as server:
        site = Site(folder / "repo", {**os.environ, "VAULT_ADDR": server.address, "VAULT_TOKEN": server.token})
        site.write("desired-state/environments/dev.yaml", ENVIRONMENT)
        site.git("init", "--quiet", "--initial-branch=main", ".")
        keys = make_keys(site, folder)
        live_in(site)
        runs = site.run("history", "-o", "json").json
        return Lost(site.repo, keys, made(site, "--identity", str(keys[1])), everything(site), runs)


@pytest.fixture
def survivor(tmp_path: Path, lost: Lost) -> Iterator[Site]:
    """The repository of the lost site, with an empty server."""
    shutil.copytree(lost.repo, tmp_path / "repo")
    with start_bao_dev(tmp_path / "second") as server:
        yield Site(tmp_path / "repo", {**os.environ, "VAULT_ADDR": server.address, "VAULT_TOKEN": server.token})
