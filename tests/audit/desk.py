"""A log in a folder, with a key in hand: what the tests of the audit log write at."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from reconciler.audit.log import Log
from reconciler.audit.note import Verifier
from reconciler.audit.people import People
from reconciler.audit.redaction import Masks
from reconciler.audit.scribe import About, Scribe
from reconciler.audit.verdict import Verdict
from reconciler.audit.verify import verify
from reconciler.ledger.file import FileShelf

ORIGIN = "reconciler.example/genesis/dev"
BEGAN = 1_800_000_000.0


class Pen(NamedTuple):
    """A signer with its key in hand."""

    name: str
    key: Ed25519PrivateKey

    @property
    def verifier(self) -> Verifier:
        return Verifier(self.name, self.key.public_key().public_bytes_raw())

    def sign(self, text: bytes) -> bytes:
        return self.key.sign(text)


def pen(name: str = "genesis/dev", seed: bytes = b"s" * 32) -> Pen:
    return Pen(name, Ed25519PrivateKey.from_private_bytes(seed))


@dataclass
class Desk:
    """A log, its clock, and its pen."""

    folder: Path
    pen: Pen = field(default_factory=pen)
    trusted: Sequence[Verifier] = ()
    place: Path | None = None
    """Where the log is shipped to."""
    now: float = BEGAN
    masks: Masks = field(default_factory=Masks)

    @property
    def book(self) -> Log:
        shelf, spare = FileShelf(self.place or self.folder), FileShelf(self.folder / "spare") if self.place else None
        keys = tuple(self.trusted) or (self.pen.verifier,)
        return Log(self.folder, ORIGIN, shelf, People(shelf, spare), lambda: self.pen, lambda: keys, shipped=self.place is not None)

    def clock(self) -> float:
        self.now += 0.001
        return self.now

    def scribe(self, **options: bool | float) -> Scribe:
        about = About("ada@example.com", "machine", "c" * 40, "apply", "genesis/dev", rid="run1")
        beat = float(options.pop("beat", 3600))
        return Scribe(self.book, about, self.masks, now=self.clock, beat=beat, **options)  # type: ignore[arg-type]  # checked by the call

    def run(self, changes: int = 3, first: int = 0) -> None:
        """A process that changes some objects and ends: one line for its beginning and two for each change."""
        with self.scribe() as scribe:
            for number in range(first, first + changes):
                scribe.outcome(scribe.intent("apply.update", f"vault.policy/p{number}"), "applied")
        self.now += 60

    def killed(self, changes: int = 1, *, sealed: bool = False, open_intent: str = "") -> Path:
        """A process that is killed after some changes; its segment is left behind."""
        scribe = self.scribe()
        for number in range(changes):
            scribe.outcome(scribe.intent("apply.create", f"vault.policy/k{number}"), "applied")
        if open_intent:
            scribe.intent("apply.delete", open_intent)
        if sealed:
            scribe.decision("guard.lifted", "vault.policy/k0", code="irreversible")
        kill(scribe)
        self.now += 60
        return self.book.unfinished()[-1]

    def verdict(self, **options: object) -> Verdict:
        return verify(self.book, **options)  # type: ignore[arg-type]  # checked by the call

    def segments(self) -> list[Path]:
        return sorted((self.folder / "segments").glob("*.jsonl"))

    def lines(self) -> list[bytes]:
        return [line for _, line in self.book.read()]


def kill(scribe: Scribe) -> None:
    """What a killed process leaves: its files as they are, and no lock."""
    segment = scribe._segment
    assert segment is not None
    segment.abandon()
    scribe._ended.set()


def rewrite(path: Path, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Change the lines of a file, whatever its mode."""
    path.chmod(0o600)
    lines = path.read_bytes().split(b"\n")[:-1]
    path.write_bytes(b"".join(line + b"\n" for line in change(lines)))


def pairs(count: int) -> Iterator[tuple[int, int]]:
    return itertools.combinations(range(count), 2)
