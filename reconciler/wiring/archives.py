"""Where archives of the audit log are: a bucket, or a folder."""

from __future__ import annotations

from pathlib import Path

from reconciler.core.errors import Usage
from reconciler.core.keeping import ArchivePlace, LegalHold
from reconciler.desired.git import Repository
from reconciler.ledger.file import FileShelf
from reconciler.ledger.shelf import Shelf
from reconciler.settings import Settings

from .clients import ClientPool


def shelf_of_archive(settings: Settings, clients: ClientPool, to: ArchivePlace) -> Shelf:
    """A bucket or a folder that takes archives. Nothing is sent yet."""
    if to.file:
        return FileShelf(settings.repo / to.file)
    from reconciler.ledger.s3 import S3Shelf

    bucket, _, prefix = to.s3.partition("/")
    return S3Shelf(clients.aws(to.aws, gated=False), bucket, prefix)


def holds_at_head(settings: Settings) -> tuple[LegalHold, ...]:
    """The legal holds that HEAD declares. Raises Invalid where that cannot be told."""
    from reconciler.desired.load import load
    from reconciler.kinds import KINDS

    repository = Repository(settings.repo)
    desired = load(repository.read(repository.resolve("HEAD")), settings.environment or None, KINDS)
    return tuple(hold for address, one in desired.resources.items() if address.kind == "retention" for hold in one.spec.legal_hold)


def archive_of(to: ArchivePlace, folder: str) -> ArchivePlace:
    """A folder of an archive."""
    return to.model_copy(update={"s3": f"{to.s3.rstrip('/')}/{folder}"} if to.s3 else {"file": f"{to.file.rstrip('/')}/{folder}"})


def named(to: ArchivePlace) -> str:
    """A place as events about it name it."""
    return f"s3:{to.s3}" if to.s3 else f"file:{to.file}"


def archive_place(text: str) -> ArchivePlace:
    """`s3:BUCKET/PREFIX`, or a folder, relative to where the command was typed. Raises Usage."""
    scheme, _, rest = text.partition(":")
    try:
        return ArchivePlace(s3=rest) if scheme == "s3" else ArchivePlace(file=str(Path(text).absolute()))
    except ValueError:
        raise Usage(f"{text!r} is no place for an archive (write s3:BUCKET/PREFIX, or a folder)") from None
