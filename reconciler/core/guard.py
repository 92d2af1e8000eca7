"""Guards: safety rules that refuse a plan until a person lifts them, singly, by name or by an approval document."""

from __future__ import annotations

import datetime
import fnmatch
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple

from .address import Address
from .change import Action, Change
from .kind import Kinds
from .owned import Owned
from .resource import dump, dump_fingerprint


class Guard(StrEnum):
    """The rules, by the name that `--allow` takes."""

    DELETE_SHARE = "delete_share"
    MAX_DELETES = "max_deletes"
    EMPTY = "empty"
    IRREVERSIBLE = "irreversible"
    REPLACE = "replace"
    TAKEOVER = "takeover"
    PROTECTED = "protected"
    SELF_LOCKOUT = "self_lockout"
    DIRTY = "dirty"
    ANCESTRY = "ancestry"
    ROLLED_BACK = "rolled_back"
    INCOMPLETE = "incomplete"
    INSTANCE_REMOVED = "instance_removed"


class Refusal(NamedTuple):
    """One reason a guard says no. `address` is empty where it is about the plan as a whole."""

    guard: Guard
    address: str
    message: str


class Approval(NamedTuple):
    """A dated, reviewed lift of one guard for the addresses that a glob matches."""

    name: str
    guard: str
    pattern: str
    expires: datetime.date
    approver: str = ""
    reason: str = ""

    def lifts(self, refusal: Refusal, today: datetime.date) -> bool:
        return self.guard == refusal.guard and today <= self.expires and fnmatch.fnmatchcase(refusal.address, self.pattern)


class Limits(NamedTuple):
    """How much one plan may delete. The stricter of what was last applied and what is asked now counts."""

    delete_share: float = 0.3  # of a kind's owned objects
    share_from: int = 10  # smaller kinds have no share worth the name; at least 1
    max_deletes: int = 50

    def stricter(self, other: Limits) -> Limits:
        return Limits(
            min(self.delete_share, other.delete_share), min(self.share_from, other.share_from), min(self.max_deletes, other.max_deletes)
        )


USUAL = Limits()


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What guards need to know beside the changes."""

    kinds: Kinds
    owned: Mapping[Address, Owned]
    limits: Limits = USUAL
    desired: int = 1  # how many objects the commit declares
    undone: Mapping[Address, Collection[str]] = field(default_factory=dict)  # what rollbacks took back, by fingerprint ("" = absence)
    instances: Collection[tuple[str, str]] = ()  # (backend, instance) that the environment declares
    complete: bool = True
    dirty: bool = False
    astray: str = ""  # why the commit does not descend from the last applied one
    locked_out: tuple[Refusal, ...] = ()


def refusals(changes: Iterable[Change[Any]], about: Circumstances) -> tuple[Refusal, ...]:
    """Every reason not to apply, guard by guard."""
    changes = tuple(changes)
    found = [*_whole(changes, about), *_shares(changes, about)]
    for change in changes:
        found.extend(_single(change, about))
    return (*found, *about.locked_out)


def standing(
    found: Iterable[Refusal], allowed: Collection[str], approvals: Iterable[Approval], today: datetime.date
) -> tuple[Refusal, ...]:
    """The refusals that neither `--allow` nor an approval lifts."""
    approvals = tuple(approvals)
    return tuple(one for one in found if one.guard not in allowed and not any(approval.lifts(one, today) for approval in approvals))


def lifted(found: Iterable[Refusal], approvals: Iterable[Approval], today: datetime.date) -> Iterator[str]:
    """What approval documents lift, for the reviewer, who would otherwise see a plan that nothing is wrong with."""
    approvals = tuple(approvals)
    by_approval: dict[Approval, list[str]] = {}
    for refusal in found:
        for approval in approvals:
            if approval.lifts(refusal, today):
                by_approval.setdefault(approval, []).append(refusal.address or "the whole plan")
    for approval, addresses in by_approval.items():
        more = f" and {len(addresses) - 1:,} more" if len(addresses) > 1 else ""
        about = f"{approval.approver}: {approval.reason}, until {approval.expires}"
        yield f"approval {approval.name} ({about}) lifts {approval.guard} for {addresses[0]}{more}"


def _whole(changes: tuple[Change[Any], ...], about: Circumstances) -> Iterator[Refusal]:
    deletes = sum(change.action is Action.DELETE for change in changes)
    if deletes and not about.desired:
        yield Refusal(Guard.EMPTY, "", f"the commit declares nothing, and {deletes} owned objects would be deleted")
    counted = sum(_deleted(changes).values())
    if counted > about.limits.max_deletes:
        yield Refusal(Guard.MAX_DELETES, "", f"{counted} objects would be deleted; at most {about.limits.max_deletes} may be at once")
    if about.dirty:
        yield Refusal(Guard.DIRTY, "", "the work tree has changes that are not committed; only commits are applied")
    if about.astray:
        yield Refusal(Guard.ANCESTRY, "", about.astray)
    if not about.complete:
        yield Refusal(Guard.INCOMPLETE, "", "some objects could not be read, so nothing certain can be said of them")
    yield from _removed_instances(about)


def _removed_instances(about: Circumstances) -> Iterator[Refusal]:
    if not about.instances:
        return
    lost: dict[tuple[str, str], int] = {}
    for address in about.owned:
        kind = about.kinds.get(address.kind)
        place = (kind.backend, address.place.instance) if kind else None
        if place and kind and not kind.declared and place not in about.instances:
            lost[place] = lost.get(place, 0) + 1
    for (backend, instance), count in sorted(lost.items()):
        text = f"{backend} instance {instance} left the environment while {count} objects on it are owned"
        yield Refusal(Guard.INSTANCE_REMOVED, f"{backend}/{instance}", text)


def _shares(changes: tuple[Change[Any], ...], about: Circumstances) -> Iterator[Refusal]:
    total = Counter(address.kind for address in about.owned)
    for kind, count in sorted(_deleted(changes).items()):
        of = total[kind]
        # Divided, not multiplied: 0.29 * 100 is less than 29.
        if of >= about.limits.share_from and count / of > about.limits.delete_share:
            most = f"at most {about.limits.delete_share * 100:g}% of a kind may be at once"
            yield Refusal(Guard.DELETE_SHARE, kind, f"{count} of {of} owned {kind} objects would be deleted; {most}")


def _deleted(changes: Iterable[Change[Any]]) -> Counter[str]:
    """How many objects of each kind go. One that only gets another name stays in spirit."""
    changes = tuple(changes)
    moved = {change.lifecycle.moved_from for change in changes if change.after is not None}
    return Counter(change.address.kind for change in changes if change.takes and change.address not in moved)


def _single(change: Change[Any], about: Circumstances) -> Iterator[Refusal]:
    address = str(change.address)
    memory = about.owned.get(change.address)
    if change.loses:
        yield Refusal(Guard.IRREVERSIBLE, address, f"{change.action} loses for good: {change.loses}")
    if change.action is Action.REPLACE:
        yield Refusal(
            Guard.REPLACE, address, f"cannot be changed in place ({_why(change, about.kinds)}): it would be deleted and created anew"
        )
    if change.taken_over:
        yield Refusal(Guard.TAKEOVER, address, "exists, differs, and no applied commit declared it")
    if change.takes and (change.lifecycle.protect or (memory and memory.lifecycle.protect)):
        what = "the replacement of its mount" if change.falls else change.action
        yield Refusal(Guard.PROTECTED, address, f"is protected (lifecycle.protect); {what} would remove it")
    if change.action not in (Action.ADOPT, Action.FORGET) and _after(change) in about.undone.get(change.address, ()):
        yield Refusal(Guard.ROLLED_BACK, address, "would restore what a rollback undid")


def _why(change: Change[Any], kinds: Kinds) -> str:
    """The fields that ask for a replace, by name; all that differ where the kind has a reason of its own."""
    kind = kinds[change.address.kind]
    names = sorted({field.path.split("/")[1] for field in change.fields()})
    return ", ".join([name for name in names if name in kind.immutable | kind.one_way] or names)


def _after(change: Change[Any]) -> str:
    return dump_fingerprint(dump(change.after) if change.after is not None else None)
