"""Two stores of files, before which something can be put, and a client of both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.secrets import SecretClient
from tests.secrets.files import quick_store
from tests.secrets.flaky import Flaky, Hours


@pytest.fixture
def stores(tmp_path: Path) -> list[Flaky]:
    return [Flaky(quick_store(tmp_path / name), name) for name in ("first", "second")]


@pytest.fixture
def third(tmp_path: Path) -> Flaky:
    return Flaky(quick_store(tmp_path / "third"), "third")


@pytest.fixture
def hours() -> Hours:
    return Hours()


@pytest.fixture
def client(stores: list[Flaky], hours: Hours) -> Iterator[SecretClient]:
    with SecretClient(stores, cache=2, ticks=hours, sleep=hours.sleep) as client:
        yield client
