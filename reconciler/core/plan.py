"""A plan: the ordered changes from live to desired, why it may be refused, and what could not be known."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from .address import Place
from .change import Action, Change, Field
from .guard import Refusal
from .resource import dump
from .secret import CHANGED, NOT_COMPARED, SHOWN
from .values import canonical_json

FORMAT_VERSION = 1


class Unknown(NamedTuple):
    """Names that could not be read, what the login lacks, and the smallest policy that grants it."""

    kind: str
    place: Place
    prefix: str
    missing: str
    policy: str


class Header(NamedTuple):
    """What a plan is about."""

    project: str
    environment: str
    commit: str
    dirty: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that a reader, a reviewer or an apply has to know."""

    header: Header
    changes: tuple[Change[Any], ...]
    unchanged: int = 0
    unmanaged: int = 0
    refusals: tuple[Refusal, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    notes: tuple[str, ...] = ()
    access: tuple[Mapping[str, Any], ...] = ()

    @property
    def complete(self) -> bool:
        return not self.unknown

    @property
    def summary(self) -> dict[str, int]:
        counts = Counter(change.action for change in self.changes)
        return {**{action.value: counts[action] for action in Action}, "unchanged": self.unchanged, "unmanaged": self.unmanaged}

    @property
    def digest(self) -> str:
        """The SHA-256 of what would be done: without commit, origin and time, and without what only some logins can compare."""
        compared = [entry for entry in map(comparable, map(change_json, self.changes)) if entry]
        content = [self.header.project, self.header.environment, self.complete, compared]
        return "sha256:" + hashlib.sha256(canonical_json(content).encode()).hexdigest()


def comparable(change: Mapping[str, Any]) -> dict[str, Any] | None:
    """A change as two logins see it alike: an `env:` or `file:` secret is compared by the apply role alone.

    None for a change that is about nothing else.
    """
    hidden = (CHANGED, NOT_COMPARED)
    fields = [field for field in change["fields"] if not (field["before"] == SHOWN and field["after"] in hidden)]
    if change["fields"] and not fields:
        return None
    return {**{key: value for key, value in change.items() if key != "origin"}, "fields": fields}


def change_json(change: Change[Any]) -> dict[str, Any]:
    """One change as plan JSON has it."""
    return {
        "address": str(change.address),
        "action": change.action.value,
        "before": dump(change.before) if change.before is not None else None,
        "after": dump(change.after) if change.after is not None else None,
        "fields": [field_json(field) for field in change.fields()],
        "irreversible": bool(change.loses),
        "origin": str(change.origin) if change.origin else None,
    }


def field_json(field: Field) -> dict[str, Any]:
    return {"path": field.path, "before": field.before, "after": field.after}


def plan_json(plan: Plan) -> dict[str, Any]:
    """The JSON of `plan -o json` and of saved plans."""
    return {
        "format_version": FORMAT_VERSION,
        "project": plan.header.project,
        "environment": plan.header.environment,
        "commit": plan.header.commit or None,
        "dirty": plan.header.dirty,
        "complete": plan.complete,
        "digest": plan.digest,
        "summary": plan.summary,
        "changes": [change_json(change) for change in plan.changes],
        "access": [dict(entry) for entry in plan.access],
        "refusals": [{"guard": one.guard.value, "address": one.address, "message": one.message} for one in plan.refusals],
        "unknown": [{**one._asdict(), "place": str(one.place)} for one in plan.unknown],
        "notes": list(plan.notes),
    }


def stale_addresses(saved: Iterable[Mapping[str, Any]], fresh: Iterable[Mapping[str, Any]]) -> list[str]:
    """Addresses whose saved change does not come out of the fresh plan identical."""
    now = {change["address"]: comparable(change) for change in fresh}
    stale = []
    for change in saved:
        expected = comparable(change)
        if expected is not None and now.get(change["address"]) != expected:
            stale.append(change["address"])
    return stale
