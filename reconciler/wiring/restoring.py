"""Restores a backup into an environment: a plan first, then what was planned, then a look at every credential."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reconciler.audit.log import Log
from reconciler.audit.scribe import Scribe
from reconciler.backup.comparing import Step
from reconciler.backup.damage import Damaged
from reconciler.backup.drill import Drilled
from reconciler.backup.planning import WENT_ON, Aims, steps
from reconciler.backup.reading import Opened, opened
from reconciler.backup.restoring import ACTION, Carried, Hands, Place, carry_out
from reconciler.core.errors import ReconcilerError, Refused, Usage
from reconciler.core.stores import VaultPlace
from reconciler.ledger.shelf import Shelf
from reconciler.rotation.state import FOLDER as ROTATIONS
from reconciler.secrets.store import SecretStore
from reconciler.settings import Settings

from .auditing import recording
from .backup import NO_IDENTITY, Desk, desk
from .connect import shelf_of
from .migrating import refuse_amid_migration
from .stores import store_of

if TYPE_CHECKING:
    from pyrage import x25519

DRILL = "drill"
KEPT_BY_DEFAULT = 10  # versions of a secret, by a new mount


@dataclass(frozen=True)
class Restoring:
    """A backup that was opened, and the environment that it goes to."""

    at: Desk
    backup: Opened
    identities: Sequence[x25519.Identity]
    shelf: Shelf
    book: Log

    def plan(self) -> list[Step]:
        """What would be done, thing by thing. Writes nothing."""
        stores: dict[str, SecretStore | None] = {name: self._store(name) for name in self.at.environment.stores.declared}
        return list(steps(self.backup.records(self.identities), Aims(self.shelf, self.book, stores)))

    def carry_out(self, planned: Sequence[Step]) -> Iterator[Carried]:
        """Do it. What the plan found to be newer stays."""
        # The state of a rotation belongs to its secret: it is not put beside another one.
        newer = {(step.part, f"{ROTATIONS}{step.id}") for step in planned if step.action == "newer" or step.why == WENT_ON}
        todo = {(step.part, step.id): step for step in planned if step.begins and (step.part, step.id) not in newer}
        if todo:
            shelf_of(self.at.settings, self.at.environment, self.at.clients, gated=False).prepare()
        with recording(self.at.settings, self.at.clients, ACTION, commit=self.backup.manifest.commit) as recorder:
            hands = Hands(self.shelf, self.book, recorder, self._places(recorder, todo.values()))
            yield from carry_out(self.backup.records(self.identities), todo, hands)

    def _places(self, recorder: Scribe, todo: Collection[Step]) -> Callable[[str], Place]:
        made: dict[str, Place] = {}

        def place(name: str) -> Place:
            if name not in made:
                self._make_mount(name, recorder, max((step.writes for step in todo if step.part == name), default=0))
                store = store_of(self.at.settings, self.at.environment, self.at.clients, name)
                made[name] = Place(store, self.backup.manifest.id, recorder)
            return made[name]

        return place

    def _store(self, name: str) -> SecretStore | None:
        """None where the mount is not there: on an empty server the policies and mounts of git come after the restore."""
        if self._lacks_mount(name):
            return None
        return store_of(self.at.settings, self.at.environment, self.at.clients, name)

    def _lacks_mount(self, name: str) -> bool:
        place = getattr(self.at.environment.stores, name)
        if not isinstance(place, VaultPlace):
            return False
        mounts = self.at.clients.vault(place.instance, gated=False).mounts()
        return mounts is not None and place.mount.strip("/") not in mounts

    def _make_mount(self, name: str, recorder: Scribe, versions: int) -> None:
        """As plain as can be, but that it keeps so many versions: the next apply gives it what git declares of it."""
        if not self._lacks_mount(name):
            return
        place = getattr(self.at.environment.stores, name)
        client, mount = self.at.clients.vault(place.instance, gated=False), place.mount.strip("/")
        intent = recorder.intent(ACTION, f"vault.secrets_engine/{mount}")
        try:
            client.write(f"sys/mounts/{mount}", {"type": "kv", "options": {"version": "2"}})
            if versions > KEPT_BY_DEFAULT:
                client.write(f"{mount}/config", {"max_versions": versions})
        except BaseException:
            recorder.outcome(intent, "unknown")
            raise
        recorder.outcome(intent, "applied")
        client.forget_mounts()


@contextmanager
def opened_restore(settings: Settings, file: Path, identity: Path | None) -> Iterator[Restoring]:
    """Open a backup for a restore, with the token at hand: an empty server knows no other login. Raises Damaged, Usage."""
    with desk(settings, administrator=True) as at, _opened(at, file, identity) as (backup, identities):
        manifest, environment = backup.manifest, at.environment
        if (manifest.project, manifest.environment) != (environment.project, environment.name):
            theirs, ours = f"{manifest.environment} of {manifest.project}", f"{environment.name} of {environment.project}"
            raise Refused(f"{file} is a backup of {theirs}, and this is {ours}")
        if manifest.checkpoint and manifest.shipped != (environment.audit.ship == "ledger"):
            was = "`ship: ledger`" if manifest.shipped else "no `ship`"
            raise Refused(f"the audit log in {file} was kept with {was} (declare `audit` as it was, and move the log afterwards)")
        shelf = shelf_of(settings, environment, at.clients, gated=False)
        refuse_amid_migration(shelf)
        yield Restoring(at, backup, identities, shelf, at.book(writing=True))


@contextmanager
def _opened(at: Desk, file: Path, identity: Path | None) -> Iterator[tuple[Opened, list[x25519.Identity]]]:
    identities = at.identities(identity)
    if not identities:
        raise Usage(NO_IDENTITY)
    with opened(file, at.book(writing=False).trusted()) as backup:
        yield backup, identities


def drilled(settings: Settings, file: Path, identity: Path | None) -> tuple[str, Drilled]:
    """Try a restore in a throw-away folder, and leave the evidence in the audit log. Returns the backup's id. Raises ReconcilerError."""
    from reconciler.backup.drill import drill

    with desk(settings) as at, recording(settings, at.clients, DRILL) as recorder:
        name, digest = file.name, ""
        try:
            with _opened(at, file, identity) as (backup, identities), tempfile.TemporaryDirectory(prefix="drill-") as folder:
                name, digest = backup.manifest.id, backup.manifest.payload.sha256
                done = drill(backup.records(identities), Path(folder), at.book(writing=False))
        except ReconcilerError as error:
            if isinstance(error, Usage) and not digest:
                raise  # nothing was tried
            recorder.decision(DRILL, name, outcome="failed", fp=digest, code="damaged" if isinstance(error, Damaged) else "error")
            raise
        recorder.decision(DRILL, name, outcome="applied", fp=digest)
    return name, done


def step_rows(planned: Sequence[Step]) -> list[dict[str, Any]]:
    """What `restore --plan -o json` prints of each step."""
    return [step._asdict() for step in planned]


def refuse_newer(planned: Sequence[Step]) -> None:
    """Raise Refused where something is newer than the backup."""
    count = sum(step.action == "newer" for step in planned)
    if count:
        remedy = "--keep-newer leaves them as they are, and restores the rest"
        raise Refused(f"{count:,} things are newer than the backup, or not what it goes on as; nothing was written ({remedy})")


__all__ = ["Carried", "Drilled", "Restoring", "Step", "drilled", "opened_restore", "refuse_newer", "step_rows"]
