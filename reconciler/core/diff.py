"""Desired against live: which objects change, and how. Pure; `==` on canonical specs decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from .address import Address, Place
from .change import Action, Change
from .kind import AnyKind, Kinds, Live, Reading
from .owned import Claim, Owned
from .resource import Resource, Spec, dump, fingerprint
from .secret import Secret

Survey = Mapping[tuple[str, Place], Reading[Any]]


@dataclass(frozen=True, slots=True)
class Difference:
    """What diffing found. `unknown` are desired or owned addresses that could not be read: nothing is planned for them."""

    changes: tuple[Change[Any], ...]
    unchanged: int
    unmanaged: tuple[Address, ...]
    unknown: tuple[Address, ...]
    notes: tuple[str, ...]


class _Sides(NamedTuple):
    """Both specs, brought to what may be compared."""

    desired: Spec
    live: Spec


def diff(
    kinds: Kinds,
    desired: Mapping[Address, Resource[Any]],
    survey: Survey,
    owned: Mapping[Address, Owned],
    claims: Mapping[Address, Claim] | None = None,
) -> Difference:
    """Compare everything that is desired, owned or claimed with what the survey read."""
    claims = claims or {}
    changes, unknown, notes = [], [], []
    unchanged = 0
    for address in sorted({*desired, *owned, *claims}):
        kind = kinds.get(address.kind)
        reading = survey.get((address.kind, address.place))
        if kind is None or reading is None:
            unknown.append(address)
            continue
        live = reading.live.get(address.name)
        if live is None and any(gap.covers(address.name) for gap in reading.gaps):
            unknown.append(address)
            continue
        resource = desired.get(address)
        memory = owned.get(address) or _claimed(kind, resource, live, claims.get(address))
        if resource is not None:
            change = _declared(kind, resource, live, memory)
            unchanged += change is None
        else:
            change, note = _removed(kind, address, live, memory)
            notes.extend([note] if note else [])
        if change is not None:
            changes.append(change)
    return Difference(tuple(changes), unchanged, tuple(_unmanaged(kinds, survey, desired, owned)), tuple(unknown), tuple(notes))


def _declared(kind: AnyKind, resource: Resource[Any], live: Live[Any] | None, memory: Owned | None) -> Change[Any] | None:
    address, lifecycle = resource.address, resource.lifecycle
    if live is None:
        return Change(address, Action.CREATE, None, resource.spec, origin=resource.origin, lifecycle=lifecycle)
    sides = settle(kind, resource, live.spec, memory)
    if sides.desired.__dict__ == sides.live.__dict__:
        if memory is not None:
            return None
        return Change(address, Action.ADOPT, sides.live, sides.desired, live.version, origin=resource.origin, lifecycle=lifecycle)
    replaces = _replaces(kind, sides)
    return Change(
        address,
        Action.REPLACE if replaces else Action.UPDATE,
        sides.live,
        sides.desired,
        live.version,
        loses=_loss(kind, address.name, live.spec, memory) if replaces else _lowered(kind, sides),
        origin=resource.origin,
        lifecycle=lifecycle,
        taken_over=memory is None,
    )


def _removed(kind: AnyKind, address: Address, live: Live[Any] | None, memory: Owned | None) -> tuple[Change[Any] | None, str]:
    if memory is None:
        return None, ""  # a claim that came to nothing, or was made by somebody else
    if live is None:
        return Change(address, Action.FORGET, None, None, lifecycle=memory.lifecycle), ""
    if memory.lifecycle.on_remove == "forget":
        return Change(
            address, Action.FORGET, live.spec, None, lifecycle=memory.lifecycle
        ), f"{address} stays on the server (on_remove: forget)"
    if kind.undeletable:
        return Change(
            address, Action.FORGET, live.spec, None, lifecycle=memory.lifecycle
        ), f"{address} stays on the server: {kind.undeletable}"
    # How a delete is to be done (a waiting time) is what was last applied: the server does not know it.
    before = live.spec.model_copy(update={name: memory.kept[name] for name in kind.kept if name in memory.kept})
    loses = _loss(kind, address.name, before, memory)
    return Change(address, Action.DELETE, before, None, live.version, loses=loses, lifecycle=memory.lifecycle), ""


def settle(kind: AnyKind, resource: Resource[Any], live: Any, memory: Owned | None) -> _Sides:
    """Bring both sides to what may be compared: ignored and runtime-owned fields, and fields that no server returns."""
    desired, ignore = resource.spec, resource.lifecycle.ignore
    if memory is not None and memory.lifecycle.ignore:
        ignore = (*ignore, *memory.lifecycle.ignore)
    updates: dict[str, Any] = {name: None for name in kind.runtime if getattr(desired, name) is None}
    for name in (*kind.kept, *kind.secrets):
        updates[name] = _remembered(getattr(desired, name), memory, name)
    if updates:
        live = live.model_copy(update=updates)
    live = kind.align(desired, live)
    if ignore:
        desired = desired.model_copy(update={name: getattr(live, name) for name in ignore if name in kind.spec.model_fields})
    return _Sides(desired, live)


def _remembered(desired: Any, memory: Owned | None, name: str) -> Any:
    """The value that counts as live for a field that no server returns."""
    if memory is None:
        return desired  # nothing is known of it: an object to adopt is not rewritten for a field nobody can see
    last = memory.kept.get(name)
    if isinstance(last, Mapping) and set(last) == {"source", "mark"}:
        held = Secret(source=last["source"], mark=last["mark"])
        if isinstance(desired, Secret) and desired.source == held.source and (not desired.mark or desired.mark == held.mark):
            return desired  # an empty mark means that this login cannot compare
        return held
    return desired if last == kept_value(desired) else last


def kept_value(value: Any) -> Any:
    """What a ledger keeps of a field that no server returns."""
    if isinstance(value, Secret):
        return {"source": value.source, "mark": value.mark}
    return dump(value) if isinstance(value, Spec) else list(value) if isinstance(value, tuple) else value


def _replaces(kind: AnyKind, sides: _Sides) -> bool:
    desired, live = sides
    changed = any(getattr(desired, name) != getattr(live, name) for name in kind.immutable)
    off = any(getattr(live, name) is True and getattr(desired, name) is False for name in kind.one_way)
    return changed or off or kind.replaces(live, desired)


def _lowered(kind: AnyKind, sides: _Sides) -> str:
    desired, live = sides
    for name in sorted(kind.lowers):
        new, old = getattr(desired, name), getattr(live, name)
        if new is not None and old is not None and new < old:
            return f"{name} goes down from {old} to {new}"
    return ""


def _loss(kind: AnyKind, name: str, live: Any, memory: Owned | None) -> str:
    """The stricter of what the last apply remembered and what the living object says."""
    return kind.loses(name, live) or (memory.loses if memory else "")


def leave_out(kind: AnyKind) -> frozenset[str]:
    """Fields that say nothing about who made an object."""
    return kind.secrets | kind.kept | kind.runtime


def _claimed(kind: AnyKind, resource: Resource[Any] | None, live: Live[Any] | None, claim: Claim | None) -> Owned | None:
    """A claim is ownership if live is what was claimed, or an unfinished part of it."""
    if claim is None or live is None:
        return None
    unseen = leave_out(kind)
    if resource is not None and fingerprint(resource.spec, unseen) == claim.fingerprint:
        live_side = kind.align(resource.spec, live.spec)
        made = all(_on_the_way(kind, resource.spec, live_side, name) for name in kind.spec.model_fields if name not in unseen)
        return (
            Owned(resource.lifecycle, kept={n: kept_value(getattr(resource.spec, n)) for n in (*kind.kept, *kind.secrets)})
            if made
            else None
        )
    return Owned() if fingerprint(live.spec, unseen) == claim.fingerprint else None


def _on_the_way(kind: AnyKind, claimed: Spec, live: Spec, name: str) -> bool:
    """Killed between two calls of one create, a field still has its default, or only some of its entries."""
    want, have = getattr(claimed, name), getattr(live, name)
    if isinstance(want, Mapping) and isinstance(have, Mapping):
        return all(want.get(key) == entry for key, entry in have.items())
    if isinstance(want, tuple) and isinstance(have, tuple):
        return set(map(repr, have)) <= set(map(repr, want))
    return bool(have == want or have == kind.spec.model_fields[name].get_default(call_default_factory=True, validated_data={}))


def _unmanaged(kinds: Kinds, survey: Survey, desired: Mapping[Address, Any], owned: Mapping[Address, Any]) -> Iterator[Address]:
    for (name, place), reading in sorted(survey.items()):
        kind = kinds[name]
        for leaf in sorted({*reading.live, *reading.seen}):
            address = Address(name, leaf, place)
            if address not in desired and address not in owned and not kind.is_builtin(leaf):
                yield address
