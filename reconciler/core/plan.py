"""A plan: the ordered changes from live to desired, why it may be refused, and what could not be known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, NamedTuple

from .address import Address, Place
from .change import Action, Change, Field
from .guard import Refusal
from .resource import dump
from .secret import CHANGED, NOT_COMPARED, SHOWN, Secret
from .values import hash_of

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
    unmanaged: tuple[Address, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    notes: tuple[str, ...] = ()
    access: tuple[Mapping[str, Any], ...] = ()
    # Dumping ten thousand specs takes a third of a second, and the digest and the JSON both need them.
    _shown: list[Mapping[str, Any]] = field(default_factory=list, init=False, repr=False, compare=False)

    @property
    def complete(self) -> bool:
        return not self.unknown

    @property
    def summary(self) -> dict[str, int]:
        counts = Counter(change.action for change in self.changes)
        return {**{action.value: counts[action] for action in Action}, "unchanged": self.unchanged, "unmanaged": len(self.unmanaged)}

    @property
    def shown(self) -> Sequence[Mapping[str, Any]]:
        """The changes as plan JSON has them, in order."""
        if not self._shown:
            self._shown.extend(map(change_json, self.changes))
        return self._shown

    @property
    def digest(self) -> str:
        """The SHA-256 of what would be done: without commit, origin and time, and without what only some logins can compare."""
        compared = []
        for change, shown in zip(self.changes, self.shown, strict=True):
            sources = _new_sources(change)
            if sources or comparable(shown):
                sides = [shown["before"], shown["after"]]  # the fields follow from them
                compared.append([shown["address"], shown["action"], *sides, shown["irreversible"], sources])
        compared.sort(key=itemgetter(0))
        return "sha256:" + hash_of([self.header.project, self.header.environment, self.complete, compared])


def _new_sources(change: Change[Any]) -> dict[str, str]:
    """Where the secrets of a change will come from, by field, as far as that is new: every login knows it, whatever it may read."""
    before = change.before.__dict__ if change.before is not None else {}
    after = change.after.__dict__ if change.after is not None else {}
    secrets = {name: (before.get(name), value) for name, value in after.items() if isinstance(value, Secret)}
    return {name: new.source for name, (old, new) in secrets.items() if not isinstance(old, Secret) or old.source != new.source}


def comparable(change: Mapping[str, Any]) -> dict[str, Any] | None:
    """A change as two logins see it alike: an `env:` or `file:` secret is compared by the apply role alone.

    None for a change that is about nothing else.
    """
    hidden = (CHANGED, NOT_COMPARED)
    fields = [one for one in change["fields"] if not (one["before"] == SHOWN and one["after"] in hidden)]
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
        "changes": list(plan.shown),
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
