"""A site with secrets, and the identities of two people who keep one each."""

from __future__ import annotations

from pathlib import Path

import pytest

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
