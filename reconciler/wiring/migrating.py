"""Migrations: the desk of the commands, and the stores of everybody who writes while one is in force."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

from reconciler.audit.journal import RunRecorder
from reconciler.audit.redaction import Masks
from reconciler.core import stores as declared
from reconciler.core.errors import BackendError, Denied, LockHeld, Missing, Usage
from reconciler.desired.environments import Environment
from reconciler.engine.world import Progress
from reconciler.ledger.clock import iso
from reconciler.ledger.lock import Lock
from reconciler.ledger.lockdown import refuse_locked_down
from reconciler.ledger.shelf import Entry, Shelf
from reconciler.migration.desk import Desk
from reconciler.migration.record import Record, read_record
from reconciler.migration.routed import Course, Routed
from reconciler.migration.sides import AwsSide, FileSide, KvSide, Side
from reconciler.secrets.failover import LEFT_AFTER
from reconciler.secrets.store import SecretStore
from reconciler.secrets.within import within
from reconciler.settings import Settings

from . import opened_for_ledger
from .auditing import recording
from .clients import ClientPool
from .connect import shelf_of
from .session import actor, now
from .stores import store_of

if TYPE_CHECKING:
    from .session import Session

log = logging.getLogger(__name__)

ACTION = "migrate"


class Asked(NamedTuple):
    """What a command line says of a migration."""

    source: str
    destination: str
    match: str = "*"
    keep: int = 0


class Folder(NamedTuple):
    """A folder of a shelf, as a shelf: the lock of migrations is none of applies."""

    shelf: Shelf
    folder: str

    def get(self, key: str) -> Entry | None:
        return self.shelf.get(self.folder + key)

    def put(self, key: str, content: bytes, expected: str) -> str:
        return self.shelf.put(self.folder + key, content, expected)

    def add(self, key: str, content: bytes) -> None:
        self.shelf.add(self.folder + key, content)

    def delete(self, key: str) -> None:
        self.shelf.delete(self.folder + key)

    def keys(self, prefix: str) -> tuple[str, ...]:
        return tuple(key.removeprefix(self.folder) for key in self.shelf.keys(self.folder + prefix))

    def prepare(self) -> None:
        self.shelf.prepare()


@contextmanager
def opened_desk(settings: Settings, progress: Progress, *, writing: bool = False) -> Iterator[Desk]:
    """A desk. `writing`: alone, and not during a lockdown. Values are read, so the login is the one that applies."""
    with opened_for_ledger(settings, "apply") as session:
        masks = Masks()
        with recording(settings, session.clients, ACTION, commit=session.commit, rid=session.run, masks=masks) as recorder:
            desk = _desk(settings, session, recorder, masks, progress)
            if not writing:
                yield desk
                return
            session.shelf.prepare()
            refuse_locked_down(session.shelf)
            with _alone(session) as gate:
                yield replace(desk, gate=gate)


@contextmanager
def _alone(session: Session) -> Iterator[Callable[[float], None]]:
    lock = Lock(Folder(session.shelf, "migrating/"))
    try:
        lease = lock.acquire(actor(session.settings.environ), session.run)
    except LockHeld:
        holder = lock.status()
        who = f"{holder.owner} on {holder.process.host} since {holder.since}" if holder else "somebody who has just ended"
        raise LockHeld(
            f"another `reconcile migrate` is at work: {who} (it lets go when it ends, a minute after it died at the latest)"
        ) from None
    with lease:
        yield lease.gate


def _desk(settings: Settings, session: Session, recorder: RunRecorder, masks: Masks, progress: Progress) -> Desk:
    environment = session.clients.environment
    return Desk(
        shelf=session.shelf,
        side=cache(partial(side_of, settings, environment, session.clients)),
        declared=environment.stores.declared,
        recorder=recorder,
        learn=masks.add,
        who=actor(settings.environ),
        now=lambda: iso(now()),
        progress=progress,
    )


def wanted(desk: Desk, asked: Asked) -> Record:
    """The record of a migration that was asked for. Raises Usage."""
    for name in (asked.source, asked.destination):
        if name not in desk.declared:
            raise Usage(f"the environment declares no store {name!r} (it has {', '.join(desk.declared) or 'none'})")
    if asked.source == asked.destination:
        raise Usage("a migration goes from one store to another")
    return Record(asked.source, asked.destination, "dual", asked.match, asked.keep)


def side_of(settings: Settings, environment: Environment, clients: ClientPool, name: str) -> Side:
    """A declared store, with what a migration needs beyond its protocol. Raises Usage."""
    from reconciler.secrets.aws_store import AwsStore
    from reconciler.secrets.file_store import FileStore
    from reconciler.secrets.kv_store import KvStore

    store = store_of(settings, environment, clients, name)
    place = getattr(environment.stores, name)
    match store, place:
        case KvStore(), declared.VaultPlace():
            return KvSide(store, partial(clients.vault, place.instance, gated=False), place.mount.strip("/"))
        case AwsStore(), declared.AwsPlace():
            return AwsSide(store, clients.aws(place.instance, gated=False), place.prefix)
        case FileStore(), declared.FilesPlace():
            return FileSide(store)
    raise AssertionError(f"a store of no sort: {name}")


def in_force(settings: Settings, environment: Environment, clients: ClientPool) -> Record | None:
    """The migration that those who write must heed. Raises Unavailable where nobody can tell."""
    if len(environment.stores.declared) < 2:  # one store has nowhere to move to
        return None
    try:
        found = read_record(shelf_of(settings, environment, clients, gated=False))
    except (Denied, Missing):
        return None  # stores work without a ledger; what such a login writes, `migrate start` copies
    return found if found and found.in_force and found.destination in environment.stores.declared else None


def leading_first(names: Sequence[str], record: Record | None, *paths: str) -> Sequence[str]:
    """The stores as secrets are read: the one that decides before its copy."""
    if record is None or not any(map(record.covers, paths)) or not {record.leader, record.follower} <= set(names):
        return names
    swapped = {record.leader: record.follower, record.follower: record.leader}
    late = names.index(record.follower) < names.index(record.leader)
    return tuple(swapped.get(name, name) for name in names) if late else names


def order_in_force(settings: Settings, environment: Environment, clients: ClientPool, paths: Sequence[str]) -> Sequence[str]:
    """The stores in the order in which a command reads secrets."""
    names = environment.stores.reading
    try:
        # A ledger that hangs must not hold up a reader longer than a store that does.
        record = within("the ledger", LEFT_AFTER, lambda: in_force(settings, environment, clients))
    except BackendError as error:
        log.warning("whether a migration is under way is not known, so %s is read first: %s", names[0], error)
        return names
    return leading_first(names, record, *paths)


def course_of(
    settings: Settings, environment: Environment, clients: ClientPool, recorder: RunRecorder, masks: Masks, record: Record | None
) -> Course | None:
    """How the writes of one command go; None where no migration is in force."""
    if record is None:
        return None
    shelf = shelf_of(settings, environment, clients, gated=False)
    side = cache(partial(side_of, settings, environment, clients))
    desk = Desk(shelf, side, environment.stores.declared, recorder, masks.add, actor(settings.environ), lambda: iso(now()))
    return Course(record, desk.crossing(record), desk.crossing(record, turned=True), partial(read_record, shelf))


def course_in_force(
    settings: Settings, environment: Environment, clients: ClientPool, recorder: RunRecorder, masks: Masks
) -> Course | None:
    """The course of the migration that is in force now."""
    return course_of(settings, environment, clients, recorder, masks, in_force(settings, environment, clients))


def routed(store: SecretStore, course: Course | None) -> SecretStore:
    """A store as those see it who write to it."""
    return Routed(store, course) if course and store.name in course.record[:2] else store
