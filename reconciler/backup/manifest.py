"""The manifest: what was backed up, from where, and the sizes and digests of the file's parts. It holds no value."""

from __future__ import annotations

import datetime
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..audit import head as log_heads
from ..audit.note import NoteError, Signer, Verifier, signed, verified
from ..ledger import head as ledger_heads
from .damage import Damaged
from .records import AUDIT, HEAD, LEDGER, Record

FORMAT = "reconciler-backup/1"
_FROZEN = ConfigDict(frozen=True, extra="forbid")
Size = Annotated[int, Field(ge=0)]


class Stretch(BaseModel):
    """A part of the file."""

    model_config = _FROZEN
    bytes: Size
    lines: Size
    sha256: str


class LedgerHead(BaseModel):
    """Which state of the ledger it is."""

    model_config = _FROZEN
    serial: Size
    fence: Size


class Origin(BaseModel):
    """From where, when and for whom."""

    model_config = _FROZEN
    id: str
    made: str
    project: str
    environment: str
    commit: str = ""
    program: str
    recipients: tuple[str, ...]
    seals: Mapping[str, str] = {}
    """How each Vault instance is sealed: the same sort of seal is needed for its raft snapshot."""
    shipped: bool = False
    """Whether the audit log was kept in the ledger's store."""


class Manifest(Origin):
    """What is signed."""

    payload: Stretch
    index: Stretch
    counts: Mapping[str, Size]
    """Records by part and sort: `vault version`, `ledger entry`, ..."""
    ledger: LedgerHead | None = None
    checkpoint: str = ""
    """The audit log's newest, when it was backed up."""


@dataclass
class Facts:
    """What the records tell of themselves on their way into the file."""

    counts: Counter[str] = field(default_factory=Counter)
    ledger: LedgerHead | None = None
    checkpoint: str = ""

    def note(self, record: Record) -> None:
        self.counts[f"{record.part} {record.what}"] += 1
        if (record.part, record.id) == (LEDGER, HEAD):
            head = ledger_heads.read_head(record.raw)
            self.ledger = LedgerHead(serial=head.serial, fence=head.fence)
        elif (record.part, record.id) == (AUDIT, HEAD):
            self.checkpoint = log_heads.read_head(record.raw).note


def manifest_of(origin: Origin, payload: Stretch, index: Stretch, facts: Facts) -> Manifest:
    return Manifest(
        **origin.model_dump(), payload=payload, index=index, counts=facts.counts, ledger=facts.ledger, checkpoint=facts.checkpoint
    )


def write_note(manifest: Manifest, signer: Signer) -> str:
    return signed(f"{FORMAT}\n{manifest.model_dump_json()}\n", [signer])


def read_manifest(note: str, trusted: Sequence[Verifier]) -> tuple[Manifest, Verifier]:
    """The manifest, and whose signature it bears. Raises Damaged: unsigned, foreign, forged, expired."""
    try:
        text, by = verified(note, trusted)
    except NoteError as error:
        remedy = "" if error.sort != "foreign" else " (if it is yours, name the key that signed it in `audit: {trusted: ...}`)"
        raise Damaged("signature", f"{error}{remedy}") from None
    begin, _, rest = text.partition("\n")
    try:
        found = Manifest.model_validate_json(rest)
        made = datetime.datetime.fromisoformat(found.made).date()
    except (ValidationError, ValueError):
        found, made = None, datetime.date.min
    if found is None or begin != FORMAT:
        raise Damaged("manifest", f"it is none of {FORMAT} (a newer reconciler may have written it)")
    if by.until is not None and made > by.until:
        raise Damaged("signature", f"it was made on {made}, by a key that is trusted until {by.until}")
    return found, by
