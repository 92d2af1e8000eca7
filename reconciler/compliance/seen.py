"""What was seen of an environment from outside its desired state: small values, without secrets."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from typing import NamedTuple

from reconciler.core.resource import Origin


class Known(NamedTuple):
    """One object or secret: whether it is declared, and whether it is there."""

    address: str
    declared: bool
    there: bool
    origin: Origin | None = None


class Strayed(NamedTuple):
    """Something that is not as the last applied commit left it."""

    address: str
    action: str
    fields: tuple[str, ...]
    origin: Origin | None


class Drift(NamedTuple):
    """The comparison of live with the last applied commit."""

    compared: int
    strayed: tuple[Strayed, ...]


class Kept(NamedTuple):
    """One version of a secret, without its value."""

    id: str
    made: datetime.datetime | None
    readable: bool


class Stock(NamedTuple):
    """One secret in a store, newest version first."""

    store: str
    path: str
    versions: tuple[Kept, ...]


class Read(NamedTuple):
    """How many entries of the audit log were looked at, and from when to when they are."""

    number: int = 0
    first: str = ""
    last: str = ""


UNREAD = Read()


class Verified(NamedTuple):
    """What verifying the audit log came to."""

    entries: int
    problems: tuple[str, ...]
    newest: str


class Tallied(NamedTuple):
    """What comparing the stores' versions with the audit log's outcomes came to."""

    versions: int
    problems: tuple[tuple[str, str], ...]
    """(address, what is wrong)"""


class Sinks(NamedTuple):
    """The audit devices of a server, by their paths."""

    instance: str
    devices: tuple[str, ...]


class LogPlace(NamedTuple):
    """Where the audit log lies, and whether reading it there is itself recorded."""

    address: str
    place: str
    recorded: bool


class Clock(NamedTuple):
    """How far a server's clock is from ours, in seconds."""

    instance: str
    apart: float


class Shares(NamedTuple):
    """How many of how many people unseal a server."""

    instance: str
    seal: str
    threshold: int
    of: int


class Certificate(NamedTuple):
    """A certificate that is in use."""

    address: str
    subject: str
    not_after: datetime.datetime
    algorithm: str
    bits: int
    signature: str = ""


class LiveKey(NamedTuple):
    """A transit key on a server."""

    address: str
    made: Mapping[int, datetime.datetime]
    """When each version was."""
    oldest: int
    """The oldest version that still decrypts."""
    exportable: bool
    deletable: bool
    plain_backup: bool = False
    """Whether a backup of it may be taken, which has it in plain text."""


class Commit(NamedTuple):
    """A commit that was applied."""

    id: str
    authors: frozenset[str]
    approvers: frozenset[str]
    signature: str
    """good, bad, none, or unknown where this machine cannot check it."""


class Reads(NamedTuple):
    """When secrets of a store were last read by others than us, as the server's own audit log tells it."""

    store: str
    since: datetime.datetime
    last: Mapping[str, datetime.datetime]
