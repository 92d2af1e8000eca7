"""HashiCorp Vault lacks routes that OpenBao has: every kind does without them, and finds the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.backends.vault.client import VaultClient, connect
from reconciler.backends.vault.connection import Connection
from reconciler.backends.vault.transport import Transport
from reconciler.core.change import Action
from reconciler.core.errors import Missing
from reconciler.core.kind import Names
from reconciler.dev.servers import Server
from reconciler.kinds import KINDS
from tests.kinds.sample import Sample
from tests.kinds.samples import SAMPLES
from tests.kinds.stand import Stand, standing
from tests.kinds.vault_proxy import VERSION, vault_before

# What exists on OpenBao alone.
OPENBAO_ONLY = {("vault.policy", "settings"), *(("vault.namespace", sample.name) for sample in SAMPLES["vault.namespace"])}
CASES = [
    pytest.param(name, sample, id=f"{name} {sample.name}")
    for name, samples in sorted(SAMPLES.items())
    for sample in samples
    if KINDS[name].backend == "vault" and (name, sample.name) not in OPENBAO_ONLY
]


def root_client(address: str, token: str) -> VaultClient:
    return connect(Transport(Connection(address)), token)


@pytest.fixture(scope="module")
def hashicorp(bao: Server) -> Iterator[VaultClient]:
    """A root client of what looks like Vault. Tests take away what they make."""
    with vault_before(bao.address) as front:
        client = root_client(front.address, bao.token)
        yield client
        client.close()


def test_the_dialect_is_told_from_what_the_server_says_of_itself(hashicorp: VaultClient, vault_root: VaultClient) -> None:
    assert (hashicorp.dialect, hashicorp.version) == ("vault", VERSION)
    assert vault_root.dialect == "openbao"


@pytest.mark.parametrize(("name", "sample"), CASES)
def test_a_kind_makes_changes_and_deletes_the_same_without_openbaos_routes(name: str, sample: Sample, hashicorp: VaultClient) -> None:
    with standing(name, sample, hashicorp) as stand:
        first, second = stand.spec(sample.spec), stand.spec(sample.changed)
        for spec, actions in (
            (first, {Action.CREATE}),
            (second, {Action.UPDATE, Action.REPLACE}),
            (first, {Action.UPDATE, Action.REPLACE}),
        ):
            change = stand.reach(spec)
            assert change is not None
            assert change.action in actions
            assert stand.compare(spec).changes == ()


@pytest.mark.parametrize("everything", [True, False])
def test_reading_one_by_one_finds_what_a_read_in_bulk_finds(everything: bool, hashicorp: VaultClient, vault_root: VaultClient) -> None:
    wanted = {
        "vault.policy": [f"team-{number}" for number in range(3)],
        "vault.kv_secret": ["kv/a", "kv/deep/er/b", "kv/deep/c d", "kv/deep/er/still/e"],
    }
    mount = Sample("kv", {"type": "kv-v2"}, {})
    with standing("vault.secrets_engine", mount, vault_root) as engine:
        engine.reach(engine.spec(mount.spec))
        hashicorp.forget_mounts()
        for kind, names in wanted.items():
            spec = {"rules": [{"path": "x", "capabilities": ["read"]}]} if kind == "vault.policy" else {"max_versions": 3}
            stands = [Stand(KINDS[kind], vault_root, Sample(name, spec, {})) for name in names]
            for stand in stands:
                stand.reach(stand.spec(spec))
            asked = Names(frozenset({names[0], names[-1], "kv/absent"}), ("kv",), everything)
            one_by_one, bulk = (KINDS[kind].read(client, asked) for client in (hashicorp, vault_root))
            assert {name: live.spec for name, live in one_by_one.live.items()} == {name: live.spec for name, live in bulk.live.items()}
            assert one_by_one.gaps == bulk.gaps == ()
            # Others may have left policies in the root namespace of this worker's server.
            assert len(one_by_one.live.keys() & set(names)) == (len(names) if everything else 2)
            for stand in stands:
                stand.reach(None)


def test_a_namespace_on_the_community_edition_is_absent_and_making_one_says_so(hashicorp: VaultClient) -> None:
    kind = KINDS["vault.namespace"]
    assert kind.read(hashicorp, Names(frozenset({"team"}), everything=True)).live == {}
    stand = Stand(kind, hashicorp, Sample("team", {}, {}))
    with pytest.raises(Missing, match="unsupported path"):
        stand.reach(stand.spec({}))
