"""Sites with a store, and a PostgreSQL with two users of one application."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.backends.vault.client import VaultClient
from reconciler.dev.process import ask
from reconciler.dev.servers import Server
from reconciler.secrets.kv_store import KvStore
from reconciler.secrets.store import SecretStore
from tests.cli.site import Site, site_in
from tests.kinds.postgres import PASSWORD
from tests.rotation.orders import administrator

ENVIRONMENT = "project: genesis\nstores: {vault: {mount: kv}}\nsecret_env: [PG_ADMIN]\n"


@pytest.fixture
def site(tmp_path: Path, bao: Server, namespace: str) -> Site:
    """A repository whose environment `dev` has a KV v2 mount `kv` as its store."""
    made = site_in(tmp_path, bao, namespace, ENVIRONMENT)
    status, _ = ask(
        bao.address, "POST", f"/v1/{namespace}/sys/mounts/kv", token=bao.token, body={"type": "kv", "options": {"version": "2"}}
    )
    assert status == 204
    return made


@pytest.fixture
def database(postgres: None) -> str:
    """The PostgreSQL of this worker; its administrator's login."""
    return f"vault:{PASSWORD}"


@pytest.fixture
def users(database: str) -> Iterator[str]:
    """The administrator's login, for rigs whose users are made and dropped with the test."""
    with administrator() as connection:
        connection.execute("DROP ROLE IF EXISTS rig_owner")
        connection.execute("CREATE ROLE rig_owner NOLOGIN")
    yield database
    with administrator() as connection:
        for (name,) in connection.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'rig_%'").fetchall():
            connection.execute(f'DROP ROLE "{name}"'.encode())


@pytest.fixture
def store(vault: VaultClient) -> SecretStore:
    vault.write("sys/mounts/kv", {"type": "kv-v2"})
    vault.forget_mounts()
    return KvStore("vault", vault, "kv")


@pytest.fixture
def pki(vault: VaultClient) -> VaultClient:
    vault.write("sys/mounts/pki", {"type": "pki", "config": {"max_lease_ttl": "87600h"}})
    vault.write("pki/root/generate/internal", {"common_name": "root.example.com", "ttl": "8760h"})
    vault.write(
        "pki/roles/web",
        {"allowed_domains": ["example.com"], "allow_subdomains": True, "key_type": "ec", "key_bits": 256, "max_ttl": "720h"},
    )
    vault.write("pki/roles/old", {"allowed_domains": ["example.com"], "allow_subdomains": True})
    return vault
