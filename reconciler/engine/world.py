"""What the verbs are handed: clients, ledger, clock. All of it is built in one place, `reconciler.wiring`."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from reconciler.core.address import Address, Place
from reconciler.core.guard import Approval, Limits
from reconciler.core.kind import Kinds, Ref
from reconciler.core.resource import Resource
from reconciler.core.secret import Secret
from reconciler.ledger.ledger import Ledger


class Clients(Protocol):
    """Hands out the client of a backend, bound to a place. Logins happen on first use, once a run."""

    def client(self, backend: str, place: Place) -> Any: ...

    def has(self, backend: str, instance: str) -> bool: ...


class Sources(Protocol):
    """Where the values of write-only fields come from."""

    def marks(self, wanted: Iterable[Secret]) -> Mapping[str, str]:
        """Marks by source; "" where this login cannot tell."""

    def reveal(self, secret: Secret) -> str:
        """The value, made now if it is to be generated and is not there yet."""

    def used_mark(self, secret: Secret) -> str:
        """The mark of the value that was last revealed; "" if none was."""

    def made(self, secret: Secret) -> str:
        """The version that was written when the value was last revealed; "" where it was there already."""


class Progress(Protocol):
    """Told how far long work is; draws nothing where nobody looks."""

    def __call__(self, label: str, done: int, total: int) -> None: ...


@dataclass(frozen=True, slots=True)
class World:
    """The outside, as far as one environment reaches."""

    kinds: Kinds
    clients: Clients
    ledger: Ledger
    sources: Sources
    now: Callable[[], datetime.datetime]
    progress: Progress


class Wish(NamedTuple):
    """What a commit asks for, as the verbs need it."""

    project: str
    environment: str
    commit: str
    resources: Mapping[Address, Resource[Any]]
    dangling: tuple[tuple[Address, Ref], ...] = ()  # references to nothing that the commit declares
    expressive: frozenset[Address] = frozenset()  # the only ones whose specs may name values of the server
    approvals: tuple[Approval, ...] = ()
    instances: frozenset[tuple[str, str]] = frozenset()
    limits: Limits = Limits()
    strict: bool = False  # a soft reference to nothing is an error
    dirty: bool = False  # planned from a work tree with uncommitted changes
    unsaved: bool = False  # such changes exist beside the commit that is to be applied
    astray: Callable[[str], str] = lambda _last: ""  # why the commit does not descend from the last applied one
    notes: tuple[str, ...] = ()
    apply_roles: Mapping[str, Address] = {}  # the role that the apply login of a Vault instance is given by, where it is known
    own_tokens: frozenset[str] = frozenset()  # instances on which this very run has the apply login
    aws_roles: Mapping[str, Address] = {}  # the role that applies on an AWS instance, where the environment names it
    own_aws: frozenset[str] = frozenset()  # AWS instances on which this very run is who applies
    ledger: tuple[str, str] = ("", "")  # instance and mount, where the ledger is in a Vault
