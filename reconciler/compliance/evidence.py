"""What checks look at: gathered once, frozen, without secrets.

Each part that comes from outside the desired state is a `Part`: what was found, and what of it could not be read, in words.
"""

from __future__ import annotations

import datetime
import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from reconciler.audit.search import Row
from reconciler.core.address import Address
from reconciler.core.complying import Thresholds
from reconciler.core.findings import Excepted
from reconciler.core.resource import Origin, Resource
from reconciler.core.standing import Standing

from .seen import UNREAD, Certificate, Clock, Commit, Drift, Known, LiveKey, LogPlace, Read, Reads, Shares, Sinks, Stock, Tallied, Verified

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """A part of the evidence. Where something is unread, no check that needs it can pass."""

    found: tuple[T, ...] = ()
    unread: tuple[str, ...] = ()


def absent(reason: str) -> Part[Any]:
    """A part that is not there at all."""
    return Part((), (reason,))


OFFLINE = absent("only the desired state was looked at")


class Lift(NamedTuple):
    """An `exception` document: one finding that somebody accepted until a day."""

    check: str
    pattern: str
    excepted: Excepted

    def covers(self, check: str, address: str) -> bool:
        return self.check == check and fnmatch.fnmatchcase(address, self.pattern)


class Declared(NamedTuple):
    """A declared secret."""

    address: str
    origin: Origin
    path: str
    type: str
    owner: str
    interval: int | None
    """Seconds; None where it is rotated by hand only."""
    length: int | None
    """Characters of what is generated; None where nothing is."""
    bits: float
    store: str = ""
    rotates: str = ""
    """The address of the key that it stands for, where it is a key's."""


class Endpoint(NamedTuple):
    """A server that is talked to. `url`: empty where it is not known. `checked`: its certificate is."""

    address: str
    url: str
    checked: bool = True
    origin: Origin | None = None


class Sealed(NamedTuple):
    """How a store keeps its secrets at rest."""

    address: str
    how: str
    kdf: str = ""
    work: int = 0
    """Rounds of PBKDF2, or KiB of memory of Argon2id."""


class Retained(NamedTuple):
    """What the retention document says, or what holds without one. Seconds."""

    address: str
    origin: Origin | None
    audit_log: int
    secret_versions: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that was gathered of one environment at one moment."""

    project: str
    environment: str
    commit: str
    at: datetime.datetime
    thresholds: Thresholds
    exceptions: tuple[Lift, ...] = ()
    resources: Mapping[Address, Resource[Any]]
    secrets: tuple[Declared, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    sealed: tuple[Sealed, ...] = ()
    retained: Retained
    mounts: tuple[tuple[str, str], ...] = ()
    """Instance and mount of the stores that are in a Vault."""
    inventory: Part[Known] = OFFLINE
    drift: Part[Drift] = OFFLINE
    stock: Part[Stock] = OFFLINE
    standings: Part[Standing] = OFFLINE
    rows: Part[Row] = OFFLINE
    """Entries of the audit log: those that `record.matters` says a check asks about."""
    entries: Read = UNREAD
    verified: Part[Verified] = OFFLINE
    tallied: Part[Tallied] = OFFLINE
    access: Part[tuple[Address, Any]] = OFFLINE
    sinks: Part[Sinks] = OFFLINE
    places: Part[LogPlace] = OFFLINE
    clocks: Part[Clock] = OFFLINE
    shares: Part[Shares] = OFFLINE
    certificates: Part[Certificate] = OFFLINE
    keys: Part[LiveKey] = OFFLINE
    commits: Part[Commit] = OFFLINE
    reads: Part[Reads] = OFFLINE
