"""Lines of the payload, and of the index that says of each what it is, with its keyed fingerprint."""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from .damage import Damaged

What = Literal["entry", "version", "metadata", "snapshot"]
"""An entry of a shelf; a version of a secret; what people may know of a secret; a piece of a server's own snapshot."""
LEDGER = "ledger"
AUDIT = "audit"
SNAPSHOT = "snapshot"
HEAD = "head"
"""What a ledger and an audit log call theirs. It comes after all that it names."""
KEY_BYTES = 32
_DIGITS = 32  # of a fingerprint: 128 bits


class Record(NamedTuple):
    """One thing that was backed up."""

    what: What
    part: str
    """`ledger`, `audit`, the name of a store, or `snapshot`."""
    id: str
    """A key of the shelf, the path of a secret, the name of an instance."""
    content: Mapping[str, str] | bytes
    version: str = ""
    """A store's own word for it, or the number of a piece."""
    made: str = ""

    def __repr__(self) -> str:
        # A value in a repr is a value in a log.
        return f"Record({self.what}, {self.part}, {self.id!r}, {self.version!r})"

    @property
    def value(self) -> dict[str, str]:
        """The content of a version, or of metadata. Raises Damaged."""
        if isinstance(self.content, bytes):
            raise Damaged("payload", f"{self.id} is not what its line says")
        return dict(self.content)

    @property
    def raw(self) -> bytes:
        """The content of an entry, or of a piece. Raises Damaged."""
        if not isinstance(self.content, bytes):
            raise Damaged("payload", f"{self.id} is not what its line says")
        return self.content


class Entry(NamedTuple):
    """A line of the index."""

    what: str
    part: str
    id: str
    version: str
    fp: str


def key_line(key: bytes) -> bytes:
    """The first line of a payload."""
    return _json({"key": key.hex()}).encode() + b"\n"


def read_key(line: bytes) -> bytes:
    try:
        key = bytes.fromhex(json.loads(line)["key"])
    except (ValueError, TypeError, KeyError):
        key = b""
    if len(key) != KEY_BYTES:
        raise Damaged("payload", "it does not begin with the key of its fingerprints")
    return key


def line_of(record: Record) -> bytes:
    """A record as a line. The same record is always the same line, so that its fingerprint can be made again."""
    content = record.content
    shown: Any = base64.b64encode(content).decode() if isinstance(content, bytes) else dict(content)
    return _json([record.what, record.part, record.id, record.version, record.made, shown]).encode() + b"\n"


def read_line(line: bytes) -> Record:
    """Raises Damaged."""
    try:
        what, part, id, version, made, shown = json.loads(line)
        content = shown if isinstance(shown, dict) else base64.b64decode(shown, validate=True)
    except (ValueError, TypeError, binascii.Error):
        raise Damaged("payload", "a line of it is none of a backup") from None
    return Record(what, part, id, content, version, made)


def fingerprint(key: bytes, line: bytes) -> str:
    return hmac.digest(key, line, "sha256").hex()[:_DIGITS]


def index_line(record: Record, fp: str) -> bytes:
    return _json([record.what, record.part, record.id, record.version, fp]).encode() + b"\n"


def read_index_line(line: bytes) -> Entry:
    """Raises Damaged."""
    try:
        return Entry(*map(str, json.loads(line)))
    except (ValueError, TypeError):
        raise Damaged("index", "a line of it is none of a backup") from None


def _json(value: Any) -> str:
    # ASCII, since others may have written half characters into a store, which UTF-8 has no bytes for.
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
