"""Shelves in every place a ledger can be, each empty and prepared."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.backends.aws.client import AwsClient
from reconciler.backends.vault.client import VaultClient, connect
from reconciler.backends.vault.connection import Connection
from reconciler.backends.vault.transport import Transport
from reconciler.dev.servers import Server
from reconciler.ledger.file import FileShelf
from reconciler.ledger.kv import KvShelf
from reconciler.ledger.s3 import S3Shelf
from reconciler.ledger.shelf import Shelf


@pytest.fixture
def raft(bao_raft: Server) -> Iterator[VaultClient]:
    client = connect(Transport(Connection(bao_raft.address)), bao_raft.token)
    yield client
    client.close()


@pytest.fixture
def mount(raft: VaultClient) -> Iterator[str]:
    """The name of a KV mount that does not exist yet."""
    name = f"ledger-{uuid.uuid4().hex[:8]}"
    yield name
    raft.delete(f"sys/mounts/{name}")


@pytest.fixture
def kv(raft: VaultClient, mount: str) -> KvShelf:
    shelf = KvShelf(raft, mount, "genesis/prod", time.sleep)
    shelf.prepare()
    return shelf


@pytest.fixture(scope="session")
def storage(moto_server: Server) -> AwsClient:
    """A client for buckets. Tests have one each, so the endpoint need not be emptied, which takes seconds."""
    return AwsClient(region="us-east-1", endpoint_url=moto_server.address)


@pytest.fixture
def s3(storage: AwsClient) -> S3Shelf:
    name = f"ledger-{uuid.uuid4().hex[:12]}"
    storage.change("s3", "create_bucket", Bucket=name)
    return S3Shelf(storage, name, "genesis/prod")


@pytest.fixture
def folder(tmp_path: Path) -> FileShelf:
    return FileShelf(tmp_path / "genesis" / "prod")


@pytest.fixture(params=["kv", "s3", "folder"])
def shelf(request: pytest.FixtureRequest) -> Shelf:
    found: Shelf = request.getfixturevalue(request.param)
    found.prepare()
    return found
