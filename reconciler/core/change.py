"""A change: what one object was, and what it shall be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic, NamedTuple

from pydantic import BaseModel

from .address import Address
from .resource import ORDINARY, Lifecycle, Origin, S, Spec, plain, shown_fields
from .secret import CHANGED, NOT_COMPARED, SHOWN, Secret


class Action(StrEnum):
    """What happens to an object. `adopt` and `forget` change only who owns it."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"
    ADOPT = "adopt"
    FORGET = "forget"


class Field(NamedTuple):
    """One changed leaf: an RFC 6901 path and its two values; an absent side is None."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True, slots=True)
class Change(Generic[S]):
    """One object's way from `before` (live) to `after` (desired). Derived, never edited."""

    address: Address
    action: Action
    before: S | None
    after: S | None
    version: str = ""
    """The live version that was compared, for check-and-set."""
    loses: str = ""
    """What is destroyed for good; empty where the change can be undone."""
    origin: Origin | None = None
    lifecycle: Lifecycle = ORDINARY
    taken_over: bool = False
    """Nobody declared it before, and it differs: the guard `takeover` asks."""
    falls: bool = False
    """It is there, and goes with its mount, which is replaced: this creates it anew."""

    @property
    def deletes(self) -> bool:
        """Whether writing it begins with a delete."""
        return self.action in (Action.DELETE, Action.REPLACE)

    @property
    def takes(self) -> bool:
        """Whether what is there now goes, by this change or by that of its mount."""
        return self.deletes or self.falls

    def fields(self) -> tuple[Field, ...]:
        """The leaves that differ: maps are descended, lists and sets are leaves."""
        if self.action in (Action.ADOPT, Action.FORGET):
            return ()
        return tuple(differences(self.before, self.after))


Side = Spec | Mapping[str, Any] | None
"""A spec, the dump of one that a ledger recorded, or nothing."""


def differences(before: Side, after: Side) -> Iterator[Field]:
    """Every leaf in which two specs differ, by path; secrets are compared by mark and never shown."""
    if isinstance(before, Spec) and isinstance(after, Spec):
        yield from _compare("", before.__dict__, after.__dict__)
    else:
        yield from _compare("", _fields(before), _fields(after))


def _fields(side: Side) -> Mapping[str, Any]:
    return shown_fields(side) if isinstance(side, Spec) else side or {}


def _compare(path: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Field]:
    for key in sorted({*before, *after}):
        old, new = before.get(key), after.get(key)
        if old == new:
            continue
        here = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
        if isinstance(old, _SCALARS) and isinstance(new, _SCALARS):
            yield Field(here, old, new)
            continue
        old, new = _open(old), _open(new)
        if isinstance(old, Mapping | None) and isinstance(new, Mapping | None) and (old or new):
            yield from _compare(here, old or {}, new or {})
        elif isinstance(old, Secret) or isinstance(new, Secret):
            yield Field(here, old and SHOWN, new and _shown(old, new))
        else:
            yield Field(here, plain(old), plain(new))


_SCALARS = (str, int, float, type(None))  # asked first, since most leaves are


def _open(value: Any) -> Any:
    """Nested models are compared as the maps they are."""
    return value.__dict__ if isinstance(value, BaseModel) and not isinstance(value, Secret) else value


def _shown(old: Any, new: Secret) -> str:
    if not isinstance(old, Secret):
        return SHOWN
    return CHANGED if new.mark and old.mark else NOT_COMPARED if old.source == new.source else CHANGED
