"""What `reconcile secret` changes in the stores, told to the audit log before and after: one intent for each store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple, TypeVar

from reconciler.audit.redaction import Masks
from reconciler.audit.scribe import Scribe
from reconciler.core.errors import ReconcilerError, Unavailable
from reconciler.secrets.client import SecretClient
from reconciler.secrets.store import Held, SecretStore, Version
from reconciler.settings import Settings

from .auditing import recording
from .clients import ClientPool
from .migrating import course_in_force, leading_first, routed
from .stores import environment_on_disk, pool, store_of

R = TypeVar("R")


@contextmanager
def changing_client(settings: Settings, path: str) -> Iterator[SecretClient]:
    """The client of the declared stores, for a command that writes a secret."""
    masks = Masks()
    with _recorded(settings, masks) as (recorder, clients):
        environment, declared = clients.environment, clients.environment.stores
        course = course_in_force(settings, environment, clients, recorder, masks, path)
        names = leading_first(tuple(declared.reading), course and course.record, path)
        stores = [routed(RecordedStore(store_of(settings, environment, clients, name), recorder, masks), course) for name in names]
        # A migration writes to both of its stores itself.
        with SecretClient(stores, write="primary" if course else declared.write, cache=declared.cache) as client:
            yield client


@contextmanager
def recorded_change(settings: Settings, action: str, resource: str) -> Iterator[None]:
    """One change of something that is no secret itself: the keyring of the encrypted store."""
    with _recorded(settings, Masks()) as (recorder, _):
        intent = recorder.intent(action, resource)
        try:
            yield
        except BaseException:
            recorder.outcome(intent, "unknown")  # a part of it may have been done
            raise
        recorder.outcome(intent, "applied")


@contextmanager
def _recorded(settings: Settings, masks: Masks) -> Iterator[tuple[Scribe, ClientPool]]:
    clients = pool(settings, environment_on_disk(settings))
    try:
        with recording(settings, clients, "secret", masks=masks) as recorder:
            yield recorder, clients
    finally:
        clients.close()


class RecordedStore(NamedTuple):
    """A store whose writes are told to the audit log."""

    store: SecretStore
    recorder: Scribe
    masks: Masks

    @property
    def name(self) -> str:
        return self.store.name

    def check(self, path: str, value: Mapping[str, str]) -> None:
        self.store.check(path, value)

    def get(self, path: str, version: str = "") -> Held | None:
        return self.store.get(path, version)

    def put(self, path: str, value: Mapping[str, str], expected: str | None = None) -> str:
        for text in value.values():
            self.masks.add(text)
        return self._told("secret.put", path, expected or "", lambda: self.store.put(path, value, expected), written=True)

    def delete(self, path: str) -> None:
        self._told("secret.delete", path, "", lambda: self.store.delete(path))

    def destroy(self, path: str, version: str) -> None:
        self._told("secret.destroy", path, version, lambda: self.store.destroy(path, version))

    def list(self, prefix: str = "") -> tuple[str, ...]:
        return self.store.list(prefix)

    def versions(self, path: str) -> tuple[Version, ...]:
        return self.store.versions(path)

    def metadata(self, path: str) -> Mapping[str, str]:
        return self.store.metadata(path)

    def annotate(self, path: str, metadata: Mapping[str, str]) -> None:
        self.store.annotate(path, metadata)

    def probe(self) -> str:
        return self.store.probe()

    def _told(self, action: str, path: str, version: str, write: Callable[[], R], *, written: bool = False) -> R:
        intent = self.recorder.intent(action, path, store=self.name, ver_from=version)
        try:
            done = write()
        except Unavailable:
            self.recorder.outcome(intent, "unknown")
            raise
        except ReconcilerError:
            self.recorder.outcome(intent, "failed")
            raise
        self.recorder.outcome(intent, "applied", **({"ver_to": str(done)} if written else {}))
        return done
