"""Where everything that is backed up comes from: the log, the ledger, the stores, the servers themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reconciler.audit.log import Log
from reconciler.backup.gather import audit_records, ledger_records, store_records
from reconciler.backup.records import SNAPSHOT, Record
from reconciler.core.errors import Denied
from reconciler.desired.environments import Environment
from reconciler.settings import Settings

from .clients import ClientPool
from .connect import shelf_of
from .stores import store_of

if TYPE_CHECKING:
    from reconciler.backends.vault.client import VaultClient

PIECE_BYTES = 1 << 20  # of a raft snapshot: a line each


def everything(settings: Settings, environment: Environment, clients: ClientPool, book: Log, *, snapshot: bool) -> Iterator[Record]:
    """All records, in the order in which they are restored: before the log is there, nothing can be recorded."""
    yield from audit_records(book)
    yield from ledger_records(shelf_of(settings, environment, clients, gated=False))
    for store in environment.stores.declared:
        yield from store_records(store_of(settings, environment, clients, store))
    for instance in vaults(environment) if snapshot else ():
        yield from _snapshot(clients, instance)


def seals(environment: Environment, clients: ClientPool) -> dict[str, str]:
    """How each Vault instance is sealed."""
    return {name: _seal(clients.vault(name, gated=False)) for name in vaults(environment)}


def _seal(client: VaultClient) -> str:
    try:
        return str((client.read("sys/seal-status") or {}).get("type", ""))
    except Denied:
        return ""  # whoever hosts a server for others may keep that to himself


def vaults(environment: Environment) -> list[str]:
    """The Vault instances that hold something of what is backed up."""
    names = {name for backend, name in environment.stores.instances() if backend == "vault"}
    if not (environment.ledger.s3 or environment.ledger.file):
        names.add(environment.ledger.vault)
    return sorted(names)


def _snapshot(clients: ClientPool, name: str) -> Iterator[Record]:
    from reconciler.backends.vault.snapshot import raft_snapshot

    left, number = b"", 0
    for piece in raft_snapshot(clients.vault(name, gated=False)):
        left += piece
        while len(left) >= PIECE_BYTES:
            yield Record("snapshot", SNAPSHOT, name, left[:PIECE_BYTES], str(number))
            left, number = left[PIECE_BYTES:], number + 1
    if left:
        yield Record("snapshot", SNAPSHOT, name, left, str(number))
