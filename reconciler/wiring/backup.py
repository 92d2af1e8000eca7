"""Makes and checks backups of an environment: what goes in, who signs, who can open them."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from reconciler.audit.log import Log
from reconciler.audit.note import NoteError, read_checkpoint, read_note
from reconciler.backup.manifest import Manifest, Origin
from reconciler.backup.reading import Opened, opened
from reconciler.backup.sealing import IDENTITY, identities_of, new_pair, recipients_of
from reconciler.backup.writing import write_backup
from reconciler.core.errors import Missing, ReconcilerError, Usage
from reconciler.desired.environments import Environment
from reconciler.desired.git import Repository
from reconciler.dev.state import STATE, ensure_state_folder
from reconciler.settings import Settings

from .auditing import book_of, recording
from .backup_sources import everything, seals
from .clients import ClientPool
from .stores import at_hand, environment_on_disk

if TYPE_CHECKING:
    from pyrage import x25519

ACTION = "backup"
SUFFIX = ".backup"
REFUSED = ".refused"
NO_IDENTITY = "an identity is needed to open the backup (--identity FILE, or `backup: {identity: ...}`)"


class Desk(NamedTuple):
    """One environment with its clients, for backups and restores."""

    settings: Settings
    environment: Environment
    clients: ClientPool

    def book(self, *, writing: bool) -> Log:
        return book_of(self.settings, self.environment, self.clients, writing=writing)

    def identities(self, file: Path | None) -> list[x25519.Identity]:
        """The identities in a key file, else the declared one; none where neither is at hand: it may be for another machine."""
        if file is not None:
            return identities_of(_text(file), str(file))
        declared = self.environment.backup.identity
        try:
            text = at_hand(declared, self.settings, self.environment)() if declared else ""
        except Missing:
            text = ""
        return identities_of(text, declared.source) if declared and text else []


@contextmanager
def desk(settings: Settings, *, administrator: bool = False) -> Iterator[Desk]:
    """The environment as it lies on the disk, with the login that applies, or with the token at hand. Nothing is sent yet."""
    environment = environment_on_disk(settings)
    clients = ClientPool(environment, "apply", settings.environ, {}, lambda _seconds: None, administrator=administrator)
    try:
        yield Desk(settings, environment, clients)
    finally:
        clients.close()


def make_key(file: Path) -> str:
    """Make an identity in a new file that only its owner may read; return its recipient. Raises Usage."""
    pair = new_pair()
    made = _now().isoformat(timespec="seconds")
    with _new_file(file) as stream:
        stream.write(f"# made: {made}\n# recipient: {pair.recipient}\n{pair.identity}\n".encode())
    return pair.recipient


@contextmanager
def _new_file(file: Path) -> Iterator[IO[bytes]]:
    """A file that only its owner may read, and that was not there. Raises Usage; what goes wrong later leaves none."""
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Usage(f"{file} is there already (it is never written over)") from None
    except OSError as error:
        raise Usage(f"{file}: {error.strerror}") from None
    try:
        with open(handle, "wb") as stream:
            yield stream
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def make_backup(at: Desk, out: Path | None, recipients: Sequence[str], *, snapshot: bool, identity: Path | None) -> dict[str, Any]:
    """Write a backup, open it again, compare it, and only then say that it is one."""
    chosen = recipients_of(recipients or at.environment.backup.recipients)
    known = at.identities(identity)
    origin = _origin(at, tuple(map(str, chosen)))
    file = out or at.settings.repo / at.environment.backup.path / f"{origin.id}{SUFFIX}"
    if out is None and at.environment.backup.path.startswith(f"{STATE}/"):
        ensure_state_folder(at.settings.repo)
    book = at.book(writing=True)
    with recording(at.settings, at.clients, ACTION, commit=origin.commit) as recorder:
        intent = recorder.intent(ACTION, origin.id)
        for one in recorder.unanswered():
            if one.action == ACTION:
                recorder.outcome(one.id, "unknown")  # of one that was killed
        try:
            manifest = write_backup(
                file, origin, everything(at.settings, at.environment, at.clients, book, snapshot=snapshot), chosen, book.signer()
            )
            found = _compared(file, manifest, book, known)
        except BaseException:
            recorder.outcome(intent, "failed")
            raise
        recorder.outcome(intent, "applied", fp=manifest.payload.sha256)
    # A store that had nothing may be a folder that is not mounted today: it is to be seen.
    counts = {f"{name} version": 0 for name in at.environment.stores.declared} | found["counts"]
    return {**found, "counts": counts, "file": str(file)}


def _compared(file: Path, manifest: Manifest, book: Log, identities: Sequence[x25519.Identity]) -> dict[str, Any]:
    """Open what was written as anybody would, and hold it against what was meant."""
    try:
        with opened(file, book.trusted()) as backup:
            if backup.manifest != manifest:
                raise ReconcilerError(f"{file} is not what was written: its manifest is another one")
            return _looked_through(file, backup, identities)
    except ReconcilerError:
        refused = file.with_name(f"{file.name}{REFUSED}")
        os.replace(file, refused)  # nobody must take it for a backup
        raise


def verify_backup(at: Desk, file: Path, identity: Path | None) -> dict[str, Any]:
    """Look at a whole backup. Raises Damaged."""
    with opened(file, at.book(writing=False).trusted()) as backup:
        return _looked_through(file, backup, at.identities(identity))


def extract_snapshot(at: Desk, file: Path, out: Path, instance: str, identity: Path | None) -> int:
    """Write an instance's raft snapshot into a new file that only its owner may read; return its size. Raises Damaged, Usage, Missing."""
    known = at.identities(identity)
    if not known:
        raise Usage(NO_IDENTITY)
    size = 0
    with opened(file, at.book(writing=False).trusted()) as backup, _new_file(out) as stream:
        for record in backup.records(known):
            if record.what == "snapshot" and record.id == instance:
                size += stream.write(record.raw)
    if not size:
        out.unlink()
        raise Missing(f"{file} holds no raft snapshot of vault {instance}", path=str(file))
    return size


def _looked_through(file: Path, backup: Opened, identities: Sequence[x25519.Identity]) -> dict[str, Any]:
    if identities:
        for _ in backup.records(identities):
            pass  # each line is compared as it is read
    return _about(file, backup, decrypted=bool(identities))


def _about(file: Path, backup: Opened, *, decrypted: bool) -> dict[str, Any]:
    """What `backup verify -o json` prints."""
    manifest = backup.manifest
    return {
        "ok": True,
        "decrypted": decrypted,
        "bytes": file.stat().st_size,
        "signed_by": backup.by.vkey,
        **manifest.model_dump(mode="json"),
        "audit_entries": _entries(manifest.checkpoint),
    }


def _entries(checkpoint: str) -> int | None:
    try:
        return read_checkpoint(read_note(checkpoint).text).size if checkpoint else None
    except NoteError:
        return None


def _origin(at: Desk, recipients: tuple[str, ...]) -> Origin:
    now = _now()
    return Origin(
        id=f"{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}",
        made=now.isoformat(timespec="seconds"),
        project=at.environment.project,
        environment=at.environment.name,
        commit=_commit(at.settings),
        program=importlib.metadata.version("reconciler"),
        recipients=recipients,
        seals=seals(at.environment, at.clients),
        shipped=at.environment.audit.ship == "ledger",
    )


def _commit(settings: Settings) -> str:
    """Empty where there is no repository: whoever backs up needs the environment's file alone."""
    try:
        return Repository(settings.repo).resolve("HEAD")
    except ReconcilerError:
        return ""


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        shown = "what was given for --identity" if IDENTITY in str(file).upper() else str(file)
        raise Usage(f"{shown}: {error.strerror} (name the key file, and never an identity itself)") from None


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC)
