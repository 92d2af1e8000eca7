"""Backups that are written without any server: records of every sort, a key in hand, two identities."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from reconciler.audit.note import Verifier
from reconciler.backup.manifest import Manifest, Origin
from reconciler.backup.reading import opened
from reconciler.backup.records import Record
from reconciler.backup.sealing import Pair, identities_of, new_pair, recipients_of
from reconciler.backup.writing import write_backup
from tests.audit.desk import Pen, pen

CANARY = "canary-value-of-a-secret"
RECORDS = (
    Record("entry", "ledger", "hmac", b"k" * 64),
    Record("entry", "audit", "segments/x.jsonl", bytes(range(256))),
    Record("version", "vault", "api_keys/claude", {"value": f"{CANARY}-1"}, "1", "2026-01-01T00:00:00Z"),
    Record("version", "vault", "api_keys/claude", {"value": f"{CANARY}-2", "note": "ü\ud800\n"}, "2", "2026-01-02T00:00:00Z"),
    Record("metadata", "vault", "api_keys/claude", {"owner": "platform"}),
    Record("snapshot", "snapshot", "primary", b"\0" * 200_000, "0"),
)


class Kept(NamedTuple):
    """A written backup, and who can open and who has signed it."""

    file: Path
    manifest: Manifest
    pairs: tuple[Pair, Pair]
    pen: Pen

    def read(self, file: Path | None = None, pair: Pair | None = None, trusted: Iterable[Verifier] | None = None) -> list[Record]:
        """Everything in it, as somebody reads it who is careful."""
        with opened(file or self.file, list(trusted) if trusted is not None else [self.pen.verifier]) as backup:
            return list(backup.records(identities_of((pair or self.pairs[0]).identity, "the key")))


def origin(recipients: Iterable[str]) -> Origin:
    return Origin(
        id="20260101T000000Z-00000000",
        made="2026-01-01T00:00:00+00:00",
        project="genesis",
        environment="dev",
        program="1",
        recipients=tuple(recipients),
    )


def written(file: Path, records: Iterable[Record] = RECORDS, signer: Pen | None = None) -> Kept:
    pairs, by = (new_pair(), new_pair()), signer or pen()
    recipients = [one.recipient for one in pairs]
    return Kept(file, write_backup(file, origin(recipients), records, recipients_of(recipients), by), pairs, by)
