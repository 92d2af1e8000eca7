"""Retention of an environment: its document at HEAD, what is due by it, and doing that."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from reconciler.audit.event import moment
from reconciler.audit.head import Listed
from reconciler.audit.redaction import Masks
from reconciler.audit.scribe import Scribe
from reconciler.core.errors import ReconcilerError, Refused
from reconciler.core.keeping import ArchivePlace, RetentionSpec
from reconciler.desired.git import Repository
from reconciler.retention import backups, segments, versions
from reconciler.retention.due import Due, Thing
from reconciler.rotation.state import sibling
from reconciler.secrets.aws_store import AwsStore
from reconciler.secrets.store import SecretStore
from reconciler.settings import Settings

from .archives import archive_of, named
from .auditing import book_of, recording
from .backup_sources import vaults
from .clients import ClientPool
from .evidence import Opened
from .migrating import kept_by_migration
from .secret_changes import RecordedStore
from .stores import store_of

ACTION = "retention"
AHEAD_SECONDS = 3600  # of all times that are declared the shortest is a day
UNARCHIVED = "no archive is declared for it"
PASSING = "the log is kept in the ledger, and its archive would go with this machine (name a bucket, or an absolute path)"


class Looked(NamedTuple):
    """What a look at everything came to. `segments`: those of the audit log that go."""

    at: str
    due: Due
    segments: tuple[Listed, ...]


class Done(NamedTuple):
    """What became of one thing that was to go; `error`: why it is still there."""

    thing: Thing
    error: str = ""


@dataclass(frozen=True)
class Retention:
    """One environment, with what its document says."""

    settings: Settings
    opened: Opened
    spec: RetentionSpec
    document: str
    """Where it is declared; empty where the defaults count."""
    declared: frozenset[str]
    """Paths of declared secrets."""
    commit: str

    @property
    def archive(self) -> ArchivePlace | None:
        """The declared place, a folder in it for each environment."""
        environment, place = self.opened.environment, self.spec.archive
        return place and archive_of(place, f"{environment.project}/{environment.name}")

    def look(self) -> Looked:
        """What is due now. Changes nothing."""
        now, spec = time.time(), self.spec
        old, listed = segments.look(self.opened.book, moment(now - spec.audit_log), spec.legal_hold)
        unfit = self._unfit()
        if unfit:
            old, listed = old.without(lambda _thing: unfit), ()
        due = old
        kept = self._kept()
        for store in self._stores():
            found = versions.look(store, self._paths(store), _iso(now - spec.secret_versions), spec.legal_hold)
            due |= found.without(lambda thing: kept(thing.place, thing.name))
        return Looked(_iso(now), due | self._backups(now), listed)

    def _kept(self) -> Callable[[str, str], str]:
        return kept_by_migration(self.settings, self.opened.environment, self.opened.clients)

    def _unfit(self) -> str:
        """Why nothing of the log can be archived; empty where it can."""
        place = self.spec.archive
        if place is None:
            return UNARCHIVED
        return PASSING if self.opened.book.shipped and place.file and not Path(place.file).is_absolute() else ""

    def _stores(self) -> list[SecretStore]:
        environment, clients = self.opened.environment, self.opened.clients
        return [store_of(self.settings, environment, clients, name) for name in environment.stores.declared]

    def _paths(self, store: SecretStore) -> Sequence[str]:
        """A store without a prefix in AWS is the whole account, of which only what is declared is ours."""
        whole_account = isinstance(store, AwsStore) and not getattr(self.opened.environment.stores.aws, "prefix", "")
        ours = sorted({*self.declared, *map(sibling, self.declared)})
        return ours if whole_account else versions.paths_of(store)

    def _backups(self, now: float) -> Due:
        environment, book = self.opened.environment, self.opened.book
        folder = self.settings.repo / environment.backup.path
        before = _iso(now - self.spec.backups)
        return backups.look(folder, environment.project, environment.name, before, self.spec.legal_hold, book.trusted())

    def carry_out(self, looked: Looked) -> list[Done]:
        """Let go what is due. Each thing stands for itself; what was interrupted is done by the next run."""
        if looked.due.going:
            self._refuse_wrong_clock()
        done = self._archived(looked)
        others = [thing for thing in looked.due.going if thing.sort != "audit_log"]
        if others:
            with recording(self.settings, self.opened.clients, ACTION, commit=self.commit) as scribe:
                stores = {store.name: RecordedStore(store, scribe, Masks()) for store in self._stores()}
                before = _iso(time.time() - self.spec.secret_versions)
                with ThreadPoolExecutor(versions.WORKERS, thread_name_prefix="retention") as pool:
                    done += pool.map(lambda thing: _attempt(thing, partial(self._let_go, thing, stores, before, scribe)), others)
        return done

    def _refuse_wrong_clock(self) -> None:
        """What goes by a clock that is ahead went too early, and nothing brings it back. AWS itself refuses such a clock."""
        for name in vaults(self.opened.environment):
            clock = self.opened.clients.vault(name, gated=False).health().clock
            if clock and time.time() - clock > AHEAD_SECONDS:
                raise Refused(f"this machine's clock is ahead of that of vault {name}; nothing was changed (set the clock)")

    def _archived(self, looked: Looked) -> list[Done]:
        things = [thing for thing in looked.due.going if thing.sort == "audit_log"]
        if not things or self.archive is None:
            return []
        try:
            self.opened.archive(looked.segments, self.archive, keep=False)
        except ReconcilerError as error:
            return [Done(thing, str(error)) for thing in things]
        return [Done(thing) for thing in things]

    def _let_go(self, thing: Thing, stores: dict[str, RecordedStore], before: str, scribe: Scribe) -> None:
        if thing.sort == "backups":
            return _unlink(thing, scribe)
        if why := self._kept()(thing.place, thing.name):
            raise Refused(why)
        store = stores[thing.place]
        # Looked at again: somebody may have put it back, or a rotation may have begun.
        if thing not in versions.look_at(store, thing.name, before, self.spec.legal_hold).going:
            raise Refused("it is not to go any more: somebody needs it, or destroyed it meanwhile")
        return store.destroy(thing.name, thing.version)


def _attempt(thing: Thing, let_go: Callable[[], None]) -> Done:
    try:
        let_go()
    except ReconcilerError as error:
        return Done(thing, str(error))
    return Done(thing)


def _unlink(thing: Thing, scribe: Scribe) -> None:
    intent = scribe.intent("backup.delete", thing.name.removesuffix(".backup"))
    try:
        (Path(thing.place) / thing.name).unlink(missing_ok=True)
    except OSError as error:
        scribe.outcome(intent, "failed")
        raise ReconcilerError(f"{thing.place}/{thing.name}: {error.strerror}") from None
    scribe.outcome(intent, "applied")


@contextmanager
def opened_retention(settings: Settings, *, writing: bool) -> Iterator[Retention]:
    """Retention as HEAD declares it. Nothing is sent yet. `writing`: it is to be done, and not only shown."""
    from reconciler.desired.load import load
    from reconciler.kinds import KINDS

    repository = Repository(settings.repo)
    tree = repository.read(repository.resolve("HEAD"))
    desired = load(tree, settings.environment or None, KINDS)
    environment = desired.environment
    clients = ClientPool(environment, "apply", settings.environ, {}, lambda _seconds: None)
    document = next((one for address, one in desired.resources.items() if address.kind == "retention"), None)
    try:
        opened = Opened(settings, environment, clients, book_of(settings, environment, clients, writing=writing))
        yield Retention(
            settings,
            opened,
            document.spec if document else RetentionSpec(),
            str(document.origin) if document else "",
            frozenset(address.name for address in desired.resources if address.kind == "secret"),
            tree.commit,
        )
    finally:
        clients.close()


def retention_json(retention: Retention, looked: Looked, done: Sequence[Done] | None) -> dict[str, Any]:
    """What `retention -o json` prints."""
    spec, archive = retention.spec, retention.archive
    return {
        "environment": retention.opened.name,
        "at": looked.at,
        "document": retention.document or None,
        "keeps": {name: getattr(spec, name) for name in ("audit_log", "secret_versions", "metrics", "backups")},
        "archive": named(archive) if archive else None,
        "legal_hold": [one.name for one in spec.legal_hold],
        "going": [thing._asdict() for thing in looked.due.going],
        "staying": [stays.thing._asdict() | {"reason": stays.reason} for stays in looked.due.staying],
        "unread": list(looked.due.unread),
        "done": None if done is None else [one.thing._asdict() | {"error": one.error or None} for one in done],
    }


def _iso(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
