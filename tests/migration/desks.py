"""A desk over two stores of files, with a recorder that remembers; and the environment of a repository with three stores."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from reconciler.audit.head import Unanswered
from reconciler.ledger.file import FileShelf
from reconciler.migration.desk import Desk
from reconciler.migration.record import Record, read_record
from reconciler.migration.routed import Course, Routed
from reconciler.migration.sides import FileSide, Side
from reconciler.secrets.file_store import FileStore
from reconciler.secrets.store import SecretStore
from reconciler.settings import Settings
from tests.cli import test_secret
from tests.cli.site import Site
from tests.secrets.files import QuickSlot


def declare(site: Site, order: str = "files, vault, aws", write: str = "primary") -> None:
    """The three stores, the files first."""
    test_secret.declare(site, order, write)


def settings_of(site: Site) -> Settings:
    return Settings(site.repo, "", False, "text", site.environ)


WANTED = Record("old", "new", "dual")


@dataclass
class Recorded:
    """Remembers what it is told, as (action or outcome, fields)."""

    told: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def intent(self, action: str, resource: str, **fields: str) -> str:
        with self.lock:
            self.told.append((action, {"resource": resource, **fields}))
            return str(len(self.told))

    def outcome(self, id: str, outcome: str, **fields: str) -> None:
        with self.lock:
            self.told.append((outcome, {"cause": id, **fields}))

    outcome_soon = outcome

    def intents(self, wanted: Iterable[tuple[str, str, str]]) -> list[str]:
        return [self.intent(action, resource, ver_from=version) for action, resource, version in wanted]

    def decision(self, action: str, resource: str, **fields: str) -> None:
        self.told.append((action, {"resource": resource, **fields}))

    def dangling(self, resource: str) -> tuple[Unanswered, ...]:
        return ()

    def unanswered(self) -> Sequence[Unanswered]:
        return ()

    def clean(self, text: str) -> str:
        return text


class Stand:
    """Two stores, `old` and `new`, and what is between them. Made anew on the same folder, it is another process's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.old, self.new = (FileStore(name, folder / name, [QuickSlot()]) for name in ("old", "new"))
        self.sides: dict[str, Side] = {"old": FileSide(self.old), "new": FileSide(self.new)}
        self.recorder = Recorded()
        self.shelf = FileShelf(folder / "ledger")
        self.desk = Desk(
            shelf=self.shelf,
            side=lambda name: self.sides[name],
            declared=("old", "new"),
            recorder=self.recorder,
            learn=lambda _text: None,
            who="tester",
            now=lambda: "2027-01-15T08:00:00Z",
            sleep=lambda _seconds: None,
        )

    def routed(self, name: str) -> SecretStore:
        """A store as a command sees it that begins now."""
        record, store = read_record(self.shelf), self.sides[name].store
        if record is None or not record.in_force:
            return store
        crossing, turned = self.desk.crossing(record), self.desk.crossing(record, turned=True)
        return Routed(store, Course(record, crossing, turned, lambda: read_record(self.shelf)))


def history(store: FileStore, path: str) -> list[dict[str, str]]:
    """The values that can be read, oldest first."""
    held = [store.get(path, one.id) for one in reversed(store.versions(path))]
    return [dict(one.value) for one in held if one]
