"""Constructs everything: from settings to a session on one environment. Imports what is heavy only when it is needed.

Which commit an object comes from and which one its environment comes from may differ: `--trust-ref` and rollbacks take
instances, logins, ledger and guards from another commit than the resources. `_load` is the one place that knows.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from reconciler.core.errors import Refused, Usage
from reconciler.core.kind import Kinds
from reconciler.desired.environments import choose_environment, read_environment
from reconciler.desired.git import Repository
from reconciler.engine.apply import Applied, Refusal
from reconciler.engine.orders import Orders
from reconciler.engine.survey import Ahead, silent
from reconciler.engine.world import Progress, Wish, World
from reconciler.ledger.ledger import Ledger
from reconciler.ledger.lock import Lock
from reconciler.ledger.stack import rollback_target
from reconciler.secrets.source_local import Local
from reconciler.secrets.sources import Sources
from reconciler.settings import Settings

from .clients import ClientPool, Gates
from .saved import SavedPlan, saved_plan
from .session import Session, new_run, now

if TYPE_CHECKING:
    from reconciler.desired.environments import Environment
    from reconciler.desired.load import Desired
    from reconciler.desired.tree import Tree
    from reconciler.ledger.shelf import Shelf


@contextmanager
def opened(
    settings: Settings,
    purpose: str,
    *,
    commit: str = "",
    trust_ref: str | None = None,
    administrator: bool = False,
    progress: Progress = silent,
) -> Iterator[Session]:
    """A session on a commit; without one, on the work tree as it is. `purpose` is `plan` or `apply`.

    `administrator`: with the token at hand instead of the declared login, before that exists.
    """
    with _collector_off():
        repository = Repository(settings.repo)
        tree = repository.read(repository.resolve(commit)) if commit else repository.read_work_tree()
        trusted = repository.read(repository.resolve(trust_ref)) if trust_ref else None
        unsaved = bool(commit) and bool(repository.changes())
        environment = _environment(settings, tree, trusted)
        connected = _connected(settings, environment, purpose, tree.commit, progress, administrator=administrator)
        with connected as parts, _ahead(parts, purpose) as ahead:
            desired = _load(settings, tree, trusted)
            yield _joined(settings, parts, _wish(desired, tree, repository, unsaved=unsaved), ahead)


@contextmanager
def opened_for_rollback(settings: Settings, to: str, purpose: str, progress: Progress = silent) -> Iterator[Session]:
    """A session on the commit to go back to, with the environment of HEAD."""
    with _opened_at(settings, purpose, progress, lambda ledger: to or rollback_target(ledger.load()[0])) as session:
        yield session


@contextmanager
def opened_for_drift(settings: Settings, progress: Progress = silent) -> Iterator[Session]:
    """A session on the last applied commit, with the environment of HEAD."""

    def last(ledger: Ledger) -> str:
        state, _ = ledger.load()
        if not state.applied:
            raise Refused("nothing was applied yet, so nothing can have drifted (reconcile apply)")
        return state.applied[-1]

    with _opened_at(settings, "plan", progress, last) as session:
        yield session


@contextmanager
def opened_for_ledger(settings: Settings, purpose: str) -> Iterator[Session]:
    """A session for history and lock: only the environment's file is read."""
    tree = Repository(settings.repo).read_work_tree()
    environment = read_environment(tree, settings.environment or None)
    with _connected(settings, environment, purpose, tree.commit, silent) as parts:
        yield _joined(settings, parts, Wish(environment.project, environment.name, tree.commit, {}))


@contextmanager
def _opened_at(settings: Settings, purpose: str, progress: Progress, choose: Callable[[Ledger], str]) -> Iterator[Session]:
    with _collector_off():
        repository = Repository(settings.repo)
        head = repository.read(repository.resolve("HEAD"))
        environment = read_environment(head, settings.environment or None)
        with _connected(settings, environment, purpose, head.commit, progress) as parts:
            tree = repository.read(repository.resolve(choose(parts.world.ledger)))
            desired = _load(settings, tree, head)
            yield _joined(settings, parts, _wish(desired, tree, repository, unsaved=False))


def _environment(settings: Settings, tree: Tree, trusted: Tree | None) -> Environment:
    """Where credentials and requests go: the trusted commit says, where there is one."""
    name = choose_environment(tree, settings.environment or None)
    if trusted is not None and name not in trusted.environments():
        raise Usage(f"environment {name} is not in the trusted commit, so nothing may be contacted for it (merge it first)")
    return read_environment(trusted or tree, name)


@contextmanager
def _ahead(parts: _Parts, purpose: str) -> Iterator[Ahead | None]:
    """Let a plan read what is owned while the desired state is parsed. An apply must first have the lock."""
    if purpose != "plan":
        yield None
        return
    ahead = Ahead(parts.world)
    try:
        yield ahead
    finally:
        ahead.close()


def _load(settings: Settings, tree: Tree, trusted: Tree | None) -> Desired:
    from reconciler.desired.load import load
    from reconciler.kinds import KINDS

    return load(tree, settings.environment or None, KINDS, trusted=trusted)


class _Parts(NamedTuple):
    world: World
    clients: ClientPool
    lock: Lock
    shelf: Shelf
    gates: Gates
    run: str
    began: float


@contextmanager
def _connected(
    settings: Settings, environment: Environment, purpose: str, commit: str, progress: Progress, *, administrator: bool = False
) -> Iterator[_Parts]:
    """Everything that depends on the environment and not on the objects. Nothing is sent yet."""
    run, began, gates = new_run(), time.monotonic(), Gates()
    marks = {"reconciler_commit": commit, "reconciler_run": run}
    clients = ClientPool(environment, purpose, settings.environ, marks, gates, administrator=administrator)
    try:
        # The lock must be renewable at any time; the ledger, like everything else, is written only under a lease.
        shelf = _shelf(settings, environment, clients, gated=False)
        ledger = Ledger(_shelf(settings, environment, clients, gated=True))
        world = World(_kinds(environment), clients, ledger, _sources(settings, environment, clients, ledger, purpose), now, progress)
        yield _Parts(world, clients, Lock(shelf), shelf, gates, run, began)
    finally:
        clients.close()


def _shelf(settings: Settings, environment: Environment, clients: ClientPool, *, gated: bool) -> Shelf:
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
    folder = settings.repo / environment.secret_files if environment.secret_files else None
    return Sources(
        vault=lambda: clients.vault("primary"),
        aws=lambda: clients.aws("primary"),
        key=cache(lambda: ledger.key(create=purpose == "apply")),
        local=Local(settings.environ, frozenset(environment.secret_env), folder),
    )


def _joined(settings: Settings, parts: _Parts, wish: Wish, ahead: Ahead | None = None) -> Session:
    return Session(settings, parts.world, wish, parts.clients, parts.lock, parts.shelf, parts.gates, parts.run, parts.began, ahead)


def _wish(desired: Desired, tree: Tree, repository: Repository, *, unsaved: bool) -> Wish:
    environment = desired.environment

    def astray(last: str) -> str:
        if not tree.commit or repository.is_ancestor(last, tree.commit):
            return ""
        return f"commit {tree.commit[:7]} does not descend from {last[:7]}, which was applied last"

    return Wish(
        project=environment.project,
        environment=environment.name,
        commit=tree.commit,
        resources=desired.resources,
        dangling=desired.dangling,
        expressive=desired.expressive,
        approvals=desired.approvals,
        instances=environment.instances(),
        limits=environment.guards.limits,
        strict=environment.guards.strict_references,
        dirty=bool(tree.dirty),
        unsaved=unsaved,
        astray=astray,
        notes=desired.notes,
    )


def _kinds(environment: Environment) -> Kinds:
    """All kinds; the ledger's own mount is built in, never a change and never unmanaged."""
    from reconciler.kinds import KINDS

    if environment.ledger.s3 or environment.ledger.file:
        return KINDS
    engine = KINDS["vault.secrets_engine"]
    return {**KINDS, engine.name: replace(engine, builtin=(*engine.builtin, environment.ledger.mount))}


@contextmanager
def _collector_off() -> Iterator[None]:
    """Specs hold no cycles; walking 100,000 of them again and again for some would cost a third of a plan."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()  # what is alive stays so to the end; without this the first collection would walk it all after all
        gc.enable()


__all__ = [
    "Applied",
    "Orders",
    "Refusal",
    "SavedPlan",
    "Session",
    "opened",
    "opened_for_drift",
    "opened_for_ledger",
    "opened_for_rollback",
    "saved_plan",
]
