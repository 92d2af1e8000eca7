"""KV v2 on a real server: mounts that are not there or are something else, logins that may do little, answers that get lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from reconciler.backends.vault.client import VaultClient, connect
from reconciler.backends.vault.connection import Connection
from reconciler.backends.vault.transport import Transport
from reconciler.core.errors import BackendError, Conflict, Denied, Missing, Unavailable
from reconciler.dev.servers import Server
from reconciler.secrets import SecretClient
from reconciler.secrets.kv_store import KvStore
from reconciler.secrets.store import Held
from tests.backends.vault_faults import Fault, standing_before
from tests.secrets.files import quick_store

Before = Callable[..., AbstractContextManager[KvStore]]


@pytest.fixture
def store(vault: VaultClient) -> KvStore:
    vault.write("sys/mounts/genesis", {"type": "kv-v2"})
    return KvStore("vault", vault, "genesis")


def as_login(vault: VaultClient, policy: str) -> VaultClient:
    vault.write("sys/policies/acl/login", {"policy": policy})
    token = vault.write("auth/token/create", {"policies": ["login"]})["auth"]["client_token"]
    return connect(vault.transport, token)


def test_mount_that_is_not_there_is_an_error_and_not_an_absent_secret(vault: VaultClient) -> None:
    store = KvStore("vault", vault, "nope")
    for ask in (lambda: store.get("db"), lambda: store.versions("db"), store.list):
        with pytest.raises(Missing, match="no handler for route"):
            ask()
    assert "no handler for route" in store.probe()
    with pytest.raises(Unavailable, match=r"no store could answer: vault: .*no handler for route"):
        SecretClient([store]).get("db")


def test_namespace_that_is_not_there_is_an_error_and_not_an_absent_secret(vault: VaultClient) -> None:
    store = KvStore("vault", vault.at("nope"), "genesis")
    for ask in (lambda: store.get("db"), store.list):
        with pytest.raises(Missing, match="namespace not found"):
            ask()
    assert "namespace not found" in store.probe()


def test_mount_of_the_first_version_of_kv_is_named_when_it_takes_what_was_put(vault: VaultClient) -> None:
    vault.write("sys/mounts/old", {"type": "kv"})
    for expected in (None, ""):
        with pytest.raises(BackendError, match=r"old is not a KV v2 mount: what was put lies at old/data/db now \(delete it there"):
            KvStore("vault", vault, "old").put("db", {"value": "s3cret"}, expected)


@pytest.mark.parametrize("dialect", ["openbao", "vault"])
def test_login_that_may_list_and_not_scan_can_list_what_it_may_see(store: KvStore, vault: VaultClient, dialect: str) -> None:
    for path in ("team/a", "team/deep/b", "teams", "other"):
        store.put(path, {"value": "x"})
    one_team = as_login(vault, 'path "genesis/metadata/team/*" { capabilities = ["list", "read"] }')
    one_team._once.about = (dialect, "")
    login = KvStore("vault", one_team, "genesis")
    assert login.list("team/") == ("team/a", "team/deep/b")
    assert login.list("team/de") == ("team/deep/b",)
    with pytest.raises(Denied):
        login.list()
    everything = as_login(vault, 'path "genesis/metadata/*" { capabilities = ["list", "read"] }')
    everything._once.about = (dialect, "")
    assert KvStore("vault", everything, "genesis").list() == ("other", "team/a", "team/deep/b", "teams")


@pytest.mark.parametrize("prefix", ["../", "/", "a//", "..", "x/../../sys/", "\n/"])
def test_prefix_that_is_no_path_lists_nothing(store: KvStore, prefix: str) -> None:
    store.put("db", {"value": "x"})
    assert store.list(prefix) == ()


@pytest.fixture
def before(bao: Server, vault: VaultClient, store: KvStore) -> Before:
    """The store, seen through something that does what a script says to its answers."""

    @contextmanager
    def made(*script: Fault) -> Iterator[KvStore]:
        with standing_before(bao.address, *script) as front:
            transport = Transport(Connection(front.address, vault.own_namespace), retry_seconds=0)
            client = connect(transport, bao.token)
            yield KvStore("vault", client, "genesis")
            client.close()

    return made


@pytest.mark.parametrize(("had", "expected"), [(0, ""), (2, "2")])
def test_put_whose_answer_was_lost_is_found_to_be_done(store: KvStore, before: Before, had: int, expected: str) -> None:
    for number in range(had):
        store.put("db", {"value": str(number)})
    with before("drop after") as shaken:
        assert shaken.put("db", {"value": "mine"}, expected) == str(had + 1)


def test_put_whose_answer_was_lost_after_a_delete_is_found_to_be_done(store: KvStore, before: Before) -> None:
    store.put("db", {"value": "one"})
    store.delete("db")
    with before("pass", "pass", "drop after") as shaken:
        assert shaken.put("db", {"value": "mine"}, "") == "2"


def test_put_that_was_lost_on_its_way_is_not_taken_for_done(store: KvStore, before: Before) -> None:
    store.put("db", {"value": "one"})
    with before("drop unheard") as shaken, pytest.raises(Conflict, match="may or may not have been done"):
        shaken.put("db", {"value": "two"}, "1")
    assert store.get("db") == Held({"value": "one"}, "1")


def test_put_that_was_lost_and_overtaken_by_another_is_a_conflict(store: KvStore, before: Before) -> None:
    store.put("db", {"value": "one"})
    store.put("db", {"value": "theirs"})
    with before("drop after") as shaken, pytest.raises(Conflict):
        shaken.put("db", {"value": "mine"}, "1")
    assert store.get("db") == Held({"value": "theirs"}, "2")


def test_answer_that_was_lost_leaves_all_stores_equal(store: KvStore, before: Before, tmp_path: Path) -> None:
    copy = quick_store(tmp_path / "store")
    with before("drop after") as shaken:
        SecretClient([shaken, copy], write="dual").put("db", {"value": "mine"}, "")
    assert (store.get("db"), copy.get("db")) == (Held({"value": "mine"}, "1"), Held({"value": "mine"}, "1"))


def test_client_that_cannot_be_made_is_a_store_that_does_not_answer(vault: VaultClient) -> None:
    def nowhere() -> VaultClient:
        raise BackendError("no Vault address")

    store = KvStore("vault", nowhere, "genesis")
    assert store.probe() == "no Vault address"
    with pytest.raises(BackendError, match="no Vault address"):
        store.get("db")
