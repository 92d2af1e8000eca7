"""Migrations: the desk of the commands, and the stores of everybody who writes while one is in force."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, NamedTuple

from reconciler.audit.journal import RunRecorder
from reconciler.audit.redaction import Masks
from reconciler.core import stores as declared
from reconciler.core.errors import BackendError, Denied, LockHeld, Missing, Refused, Unavailable, Usage
from reconciler.desired.environments import Environment
from reconciler.engine.world import Progress
from reconciler.ledger.clock import iso
from reconciler.ledger.lock import Lock
from reconciler.ledger.lockdown import refuse_locked_down
from reconciler.ledger.shelf import Below, Shelf
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


def lock_of(shelf: Shelf) -> Lock:
    """The lock of migrations, which is none of applies."""
    return Lock(Below(shelf, "migrating/"))


@contextmanager
def _alone(session: Session) -> Iterator[Callable[[float], None]]:
    lock = lock_of(session.shelf)
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


def in_force(settings: Settings, environment: Environment, clients: ClientPool, path: str) -> Record | None:
    """The migration that those who write a path must heed. Raises Unavailable where nobody can tell, Refused where they must not write."""
    known = environment.stores.declared
    try:
        found = _begun(settings, environment, clients)
    except Unavailable:
        if len(known) > 1:
            raise
        return None  # one store needs no ledger, and nearly always has nowhere to move to
    if found is None or not found.covers(path):
        return None
    missing = [name for name in (found.source, found.destination) if name not in known]
    if not missing:
        return found
    # A source that was taken out is left for good; what is not copied yet from one that decides, `migrate start` copies.
    if found.leader in known and found.phase in ("dual", "cutover"):
        return None
    raise Refused(
        f"{path}: {found} is in force, in phase {found.phase}, and the environment's file here declares no store {missing[0]} "
        "(use the commit that does: what is written past it would be lost)"
    )


def _begun(settings: Settings, environment: Environment, clients: ClientPool) -> Record | None:
    try:
        found = read_record(shelf_of(settings, environment, clients, gated=False))
    except (Denied, Missing):
        return None  # stores work without a ledger; what such a login writes, `migrate start` copies
    return found if found and found.in_force else None


def kept_by_migration(settings: Settings, environment: Environment, clients: ClientPool) -> Callable[[str, str], str]:
    """Why no version of a path in a store may go: a migration needs it; empty where none does. Raises Unavailable."""
    found = _begun(settings, environment, clients)

    def why(store: str, path: str) -> str:
        if found is None or not found.covers(path) or store not in (found.source, found.destination):
            return ""
        over = found.phase == "cutover" and store == found.destination
        return "" if over else f"{found} is in force"

    return why


def refuse_amid_migration(shelf: Shelf) -> None:
    """Raise Refused while both stores of a migration are one: what is written past it would stop it."""
    found = read_record(shelf)
    if found and found.phase in ("dual", "closing", "returning"):
        raise Refused(f"{found} is in force (finish it with `reconcile migrate cutover`, or take it back with `migrate abort`)")


def leading_first(names: tuple[str, ...], record: Record | None, path: str) -> tuple[str, ...]:
    """The stores as a secret is read: the one that decides before its copy."""
    if record is None or not record.covers(path) or not {record.leader, record.follower} <= set(names):
        return names
    swapped = {record.leader: record.follower, record.follower: record.leader}
    late = names.index(record.follower) < names.index(record.leader)
    return tuple(swapped.get(name, name) for name in names) if late else names


def orders_in_force(
    settings: Settings, environment: Environment, clients: ClientPool, paths: Iterable[str]
) -> Mapping[str, tuple[str, ...]]:
    """The stores in the order in which a command reads each secret."""
    names, record = tuple(environment.stores.reading), None
    try:
        if len(names) > 1:
            # A ledger that hangs must not hold up a reader longer than a store that does.
            record = within("the ledger", LEFT_AFTER, lambda: _begun(settings, environment, clients))
    except BackendError as error:
        log.warning("whether a migration is under way is not known, so %s is read first: %s", names[0], error)
    return {path: leading_first(names, record, path) for path in paths}


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
    settings: Settings, environment: Environment, clients: ClientPool, recorder: RunRecorder, masks: Masks, path: str
) -> Course | None:
    """The course of the migration that is in force now for a path."""
    return course_of(settings, environment, clients, recorder, masks, in_force(settings, environment, clients, path))


def routed(store: SecretStore, course: Course | None) -> SecretStore:
    """A store as those see it who write to it."""
    return Routed(store, course) if course and store.name in course.record[:2] else store
