"""Signed notes and checkpoints as C2SP has them (signed-note, tlog-checkpoint): text, a blank line, signatures.

Other tools read them too: a checkpoint of ours can be verified, and witnessed, by whoever speaks that format.
"""

from __future__ import annotations

import base64
import binascii
import datetime
import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple, Protocol

from ..core.errors import ReconcilerError

ED25519 = 1
KEY_BYTES = 32
SIGNATURE_BYTES = 64
ID_BYTES = 4
MOST_SIGNATURES = 100  # a note with more is being used to waste time
_DASH = "\N{EM DASH} "
_NAME = re.compile(r"[^\s+]+")
_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")


class NoteError(ReconcilerError):
    """A note that says nothing: malformed, not signed, or not by whom it should be. `sort` is which of these."""

    def __init__(self, sort: str, what: str) -> None:
        super().__init__(what)
        self.sort = sort


class Verifier(NamedTuple):
    """A public key that is trusted, and until when: what it signs for later moments counts for nothing."""

    name: str
    public: bytes
    until: datetime.date | None = None

    @property
    def id(self) -> bytes:
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([ED25519]) + self.public).digest()[:ID_BYTES]

    @property
    def vkey(self) -> str:
        """The key as one line of text: `NAME+ID+KEY`."""
        return f"{self.name}+{self.id.hex()}+{_text(bytes([ED25519]) + self.public)}"

    def accepts(self, text: bytes, signature: bytes) -> bool:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text)
        except (InvalidSignature, ValueError):
            return False
        return True


class Signer(Protocol):
    """Whoever can sign: a file, Vault's transit engine, an HSM."""

    @property
    def verifier(self) -> Verifier: ...

    def sign(self, text: bytes) -> bytes:
        """64 bytes of Ed25519. Raises ReconcilerError."""
        ...


class Signature(NamedTuple):
    """One signature line, of whatever sort."""

    name: str
    id: bytes
    content: bytes


class Note(NamedTuple):
    """A text and its signatures; nothing is verified yet."""

    text: str
    signatures: tuple[Signature, ...]


def read_vkey(vkey: str, until: datetime.date | None = None) -> Verifier:
    """The key that a line of text is. Raises ValueError."""
    name, _, rest = vkey.partition("+")
    id, _, key = rest.partition("+")
    raw = _bytes(key)
    if not _NAME.fullmatch(name) or raw is None or len(raw) != KEY_BYTES + 1 or raw[0] != ED25519:
        raise ValueError("a public key is written NAME+ID+KEY, of Ed25519 (reconcile audit key prints it)")
    found = Verifier(name, raw[1:], until)
    if found.id.hex() != id:
        raise ValueError("the id of the public key does not belong to it: a part of it was altered")
    return found


def signed(text: str, signers: Sequence[Signer]) -> str:
    """A text with signatures below it."""
    if not text.endswith("\n"):
        raise ValueError("the text of a note ends in a line end")
    lines = [f"{_DASH}{one.verifier.name} {_text(one.verifier.id + one.sign(text.encode()))}\n" for one in signers]
    return f"{text}\n{''.join(lines)}"


def read_note(note: str) -> Note:
    """Take a note apart. Raises NoteError where it is none."""
    text, blank, below = note.rpartition("\n\n")
    lines = below.split("\n")
    if not blank or lines[-1] or not text or any(ord(one) < 0x20 and one != "\n" for one in note):
        raise NoteError("malformed", "it is no signed note")
    if len(lines) - 1 > MOST_SIGNATURES:
        raise NoteError("malformed", f"it has more than {MOST_SIGNATURES} signatures")
    return Note(text + "\n", tuple(map(_signature, lines[:-1])))


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_DASH).partition(" ")
    raw = _bytes(encoded)
    if not line.startswith(_DASH) or not _NAME.fullmatch(name) or raw is None or len(raw) <= ID_BYTES:
        raise NoteError("malformed", "it has a signature line that is none")
    return Signature(name, raw[:ID_BYTES], raw[ID_BYTES:])


def verified(note: str, trusted: Iterable[Verifier]) -> tuple[str, Verifier]:
    """The text of a note, and the first trusted key that signed it. Raises NoteError: unsigned, foreign, forged.

    A signature by an unknown key is passed over, as the format wants it: witnesses add theirs. A wrong one by a known key
    spoils the note.
    """
    found = read_note(note)
    known = {(one.name, one.id): one for one in trusted}
    by: Verifier | None = None
    for signature in found.signatures:
        key = known.get((signature.name, signature.id))
        if key is not None and not key.accepts(found.text.encode(), signature.content):
            raise NoteError("forged", f"the signature of {key.name} is not of this text: it was altered after it was signed")
        by = by or key
    if by is None:
        raise _unknown(found.signatures, known)
    return found.text, by


def _unknown(signatures: Sequence[Signature], known: Iterable[tuple[str, bytes]]) -> NoteError:
    if not signatures:
        return NoteError("unsigned", "nobody signed it")
    theirs = ", ".join(f"{one.name}+{one.id.hex()}" for one in signatures)
    ours = ", ".join(f"{name}+{id.hex()}" for name, id in known) or "none"
    return NoteError("foreign", f"it is signed by {theirs}, and the trusted keys are {ours}")


class Checkpoint(NamedTuple):
    """The head of a tree at one size. `origin` names the log."""

    origin: str
    size: int
    root: bytes

    @property
    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{_text(self.root)}\n"


def read_checkpoint(text: str) -> Checkpoint:
    """Read the text of a checkpoint; further lines are others' extensions. Raises NoteError."""
    origin, size, root, *_ = [*text.split("\n"), "", ""]
    raw = _bytes(root)
    if not origin or not _SIZE.fullmatch(size) or raw is None or len(raw) != KEY_BYTES:
        raise NoteError("malformed", "it is no checkpoint: origin, size and root are its first three lines")
    return Checkpoint(origin, int(size), raw)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(encoded: str) -> bytes | None:
    """What base64 says, in its one right spelling: two spellings of a signature would be two notes."""
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if _text(raw) == encoded else None
