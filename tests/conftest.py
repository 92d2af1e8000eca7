"""Real servers for tests: one of each for a worker, started when first asked for; every test gets a place of its own."""

from __future__ import annotations

import os
import uuid
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, TypeVar

import pytest
from hypothesis import settings

from reconciler.dev.process import ask
from reconciler.dev.servers import Server, start_bao_dev, start_bao_raft, start_moto

if TYPE_CHECKING:  # these import clients that most tests do not need
    from reconciler.backends.aws.client import AwsClient
    from reconciler.backends.hsm import Hsm
    from reconciler.backends.vault.client import VaultClient
    from tests.edge.redis_server import RedisServer

# A developer's own login must never be what a test talks to.
FOREIGN = ("VAULT_", "BAO_", "AWS_", "GITHUB_", "ACTIONS_", "RECONCILE_", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")

# A machine that does other work too is slow at times: that is no failure of an example.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")

R = TypeVar("R", pytest.TestReport, pytest.CollectReport)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a skipped test is a failed one: nothing may quietly stop being tested."""
    report = yield
    return _failed_if_skipped(report)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """The same for a module that skips itself."""
    report = yield
    return _failed_if_skipped(report)


def _failed_if_skipped(report: R) -> R:
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI") == "true":
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} was skipped, and CI=true allows no skips: {report.longrepr}"
    return report


@pytest.fixture(scope="session", autouse=True)
def own_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Take the user's credentials, proxies and git configuration out of the way."""
    patch = pytest.MonkeyPatch()
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        patch.delenv(name)
    patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    patch.setenv("AWS_ACCESS_KEY_ID", "testing")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for role in ("AUTHOR", "COMMITTER"):
        patch.setenv(f"GIT_{role}_NAME", "Tester")
        patch.setenv(f"GIT_{role}_EMAIL", "tester@example.com")
    patch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    yield
    patch.undo()


@pytest.fixture(scope="session")
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An OpenBao in memory for this worker."""
    with start_bao_dev(tmp_path_factory.mktemp("bao-dev")) as server:
        yield server


@pytest.fixture(scope="session")
def bao_raft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A single OpenBao node on raft for this worker, with raft's own limits."""
    with start_bao_raft(tmp_path_factory.mktemp("bao-raft")) as server:
        yield server


@pytest.fixture
def namespace(bao: Server) -> Iterator[str]:
    """A new OpenBao namespace for one test."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    status, _ = ask(bao.address, "POST", f"/v1/sys/namespaces/{name}", token=bao.token, body={})
    assert status == 200
    yield name
    # A namespace with children answers 400 and stays: harmless, as the server ends with the session.
    ask(bao.address, "DELETE", f"/v1/sys/namespaces/{name}", token=bao.token)


@pytest.fixture
def vault(bao: Server, namespace: str) -> Iterator[VaultClient]:
    """A root client bound to this test's namespace."""
    from reconciler.backends.vault.client import connect
    from reconciler.backends.vault.connection import Connection
    from reconciler.backends.vault.transport import Transport

    client = connect(Transport(Connection(bao.address, namespace)), bao.token)
    yield client
    client.close()


@pytest.fixture(scope="session")
def moto_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An AWS endpoint in memory for this worker."""
    with start_moto(tmp_path_factory.mktemp("moto")) as server:
        yield server


@pytest.fixture
def moto(moto_server: Server) -> str:
    """The URL of an AWS endpoint that is empty when the test begins."""
    status, _ = ask(moto_server.address, "POST", "/moto-api/reset")
    assert status == 200
    return moto_server.address


@pytest.fixture
def aws(moto: str) -> AwsClient:
    """A client of the empty AWS endpoint."""
    from reconciler.backends.aws.client import AwsClient

    return AwsClient(region="us-east-1", endpoint_url=moto)


@pytest.fixture(scope="session")
def postgres() -> Iterator[None]:
    """A PostgreSQL at tests.kinds.postgres.PORT for this worker."""
    from tests.kinds.postgres import start_postgres

    with start_postgres():
        yield


@pytest.fixture(scope="session")
def hsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hsm]:
    """An AES key in a token of SoftHSM."""
    from tests.softhsm import start_softhsm

    with start_softhsm(tmp_path_factory.mktemp("softhsm")) as key:
        yield key


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Valkey for this worker, which speaks Redis's protocol."""
    from tests.edge.redis_server import start_redis

    with start_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The URL of a Redis that is empty when the test begins. Whoever stops servers or sets their options starts one of his own."""
    from redis import Redis

    with Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url
