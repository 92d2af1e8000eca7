"""Connects an environment: clients, ledger, lock, sources, kinds. Everything that depends on it and not on the objects."""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from reconciler.core.errors import Usage
from reconciler.core.kind import Kinds
from reconciler.engine.world import Progress, World
from reconciler.ledger.ledger import Ledger
from reconciler.ledger.lock import Lock
from reconciler.secrets.source_local import Local
from reconciler.secrets.sources import Sources
from reconciler.settings import Settings

from .clients import ClientPool, Gates
from .session import new_run, now

if TYPE_CHECKING:
    from reconciler.desired.environments import Environment
    from reconciler.ledger.shelf import Shelf


class Parts(NamedTuple):
    world: World
    clients: ClientPool
    lock: Lock
    shelf: Shelf
    gates: Gates
    run: str
    began: float


@contextmanager
def connected(
    settings: Settings, environment: Environment, purpose: str, commit: str, progress: Progress, *, administrator: bool = False
) -> Iterator[Parts]:
    """Everything that depends on the environment and not on the objects. Nothing is sent yet."""
    run, began, gates = new_run(), time.monotonic(), Gates()
    marks = {"reconciler_commit": commit, "reconciler_run": run}
    clients = ClientPool(environment, purpose, settings.environ, marks, gates, administrator=administrator)
    try:
        # The lock must be renewable at any time; the ledger, like everything else, is written only under a lease.
        shelf = shelf_of(settings, environment, clients, gated=False)
        ledger = Ledger(shelf_of(settings, environment, clients, gated=True))
        world = World(_kinds(environment), clients, ledger, _sources(settings, environment, clients, ledger, purpose), now, progress)
        yield Parts(world, clients, Lock(shelf), shelf, gates, run, began)
    finally:
        clients.close()


def shelf_of(settings: Settings, environment: Environment, clients: ClientPool, *, gated: bool) -> Shelf:
    """Where the ledger of an environment is kept. Raises Usage."""
    place, folder = environment.ledger, f"{environment.project}/{environment.name}"
    if place.s3:
        from reconciler.ledger.s3 import S3Shelf

        bucket, _, prefix = place.s3.partition("/")
        return S3Shelf(clients.aws(place.aws, gated=gated), bucket, f"{prefix}/{folder}")
    if place.file:
        from reconciler.ledger.file import FileShelf

        return FileShelf(settings.repo / place.file / folder)
    from reconciler.ledger.kv import KvShelf

    if place.vault not in environment.vault:
        remedy = "write `ledger: {vault: INSTANCE}`, `{s3: BUCKET/PREFIX}` or `{file: PATH}`"
        raise Usage(f"environment {environment.name} declares no vault instance {place.vault!r} for its ledger ({remedy})")
    return KvShelf(clients.vault(place.vault, gated=gated), place.mount, folder, time.sleep)


def _sources(settings: Settings, environment: Environment, clients: ClientPool, ledger: Ledger, purpose: str) -> Sources:
    folder = _secret_files(settings.repo, environment.secret_files) if environment.secret_files else None
    return Sources(
        vault=lambda: clients.vault("primary"),
        aws=lambda: clients.aws("primary"),
        key=cache(lambda: ledger.key(create=purpose == "apply")),
        local=Local(settings.environ, frozenset(environment.secret_env), folder),
    )


def _secret_files(repo: Path, named: str) -> Path:
    """The folder that the environment's file names. A relative one lies among what a pull request may change, into a link as well."""
    folder = repo / named
    if not Path(named).is_absolute() and folder.resolve() != Path(os.path.normpath(folder)):
        raise Usage(f"secret_files: {named} leads elsewhere by a symbolic link (write the absolute path of the folder)")
    return folder


def _kinds(environment: Environment) -> Kinds:
    """All kinds; the ledger's own mount is built in, never a change and never unmanaged."""
    from reconciler.kinds import KINDS

    if environment.ledger.s3 or environment.ledger.file:
        return KINDS
    engine = KINDS["vault.secrets_engine"]
    return {**KINDS, engine.name: replace(engine, builtin=(*engine.builtin, environment.ledger.mount))}


@contextmanager
def collector_off() -> Iterator[None]:
    """Specs hold no cycles; walking 100,000 of them again and again for some would cost a third of a plan."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # what is alive stays so to the end; without this the first collection would walk it all after all
        gc.enable()
