"""Desired against live: which objects change, and how. Pure; `==` on canonical specs decides."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .address import Address, Place
from .change import Action, Change
from .kind import AnyKind, Kinds, Live, Reading
from .order import Index
from .owned import Claim, Owned
from .resource import Resource, Spec, default_of, fingerprint, plain
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


def diff(
    kinds: Kinds,
    desired: Mapping[Address, Resource[Any]],
    survey: Survey,
    owned: Mapping[Address, Owned],
    claims: Mapping[Address, Claim] | None = None,
) -> Difference:
    """Compare everything that is desired, owned or claimed with what the survey read."""
    claims = claims or {}
    changes: dict[Address, Change[Any]] = {}
    unknown, notes = set(), []
    # Sorted at the end: of ten thousand objects few are changes.
    for address in {*desired, *owned, *claims}:
        kind, reading = kinds.get(address.kind), survey.get((address.kind, address.place))
        if kind is None or reading is None or _hidden(reading, address.name):
            unknown.add(address)
            continue
        resource, live = desired.get(address), reading.live.get(address.name)
        memory, claim = owned.get(address), claims.get(address)
        if resource is not None:
            change = _declared(kind, resource, live, memory, claim)
        else:
            change, note = _removed(kind, address, live, memory, claim)
            notes.extend([note] if note else [])
        if change is not None:
            changes[address] = change
    changes |= _lost_with_mounts(kinds, desired, survey, changes)
    return Difference(
        tuple(changes[address] for address in sorted(changes)),
        len(desired.keys() - changes.keys() - unknown),
        tuple(_unmanaged(kinds, survey, desired, owned, changes)),
        tuple(sorted(unknown)),
        tuple(sorted(notes)),
    )


def _hidden(reading: Reading[Any], name: str) -> bool:
    return bool(reading.gaps) and name not in reading.live and any(gap.covers(name) for gap in reading.gaps)


def _declared(
    kind: AnyKind, resource: Resource[Any], live: Live[Any] | None, owned: Owned | None, claim: Claim | None
) -> Change[Any] | None:
    address, lifecycle, origin = resource.address, resource.lifecycle, resource.origin
    if live is None:
        return Change(address, Action.CREATE, None, resource.spec, origin=origin, lifecycle=lifecycle)
    memory = owned or _claimed(kind, resource, live, claim)
    desired, before = settle(kind, resource, live, memory)
    if desired.__dict__ == before.__dict__:
        if owned is not None:
            return None
        return Change(address, Action.ADOPT, before, desired, live.version, origin=origin, lifecycle=lifecycle)
    replaces = _replaces(kind, desired, before)
    return Change(
        address,
        Action.REPLACE if replaces else Action.UPDATE,
        before,
        desired,
        live.version,
        loses=_loss(kind, address.name, live.spec, memory) if replaces else _lowered(kind, desired, before),
        origin=origin,
        lifecycle=lifecycle,
        taken_over=memory is None,
    )


def _removed(
    kind: AnyKind, address: Address, live: Live[Any] | None, owned: Owned | None, claim: Claim | None
) -> tuple[Change[Any] | None, str]:
    """What becomes of an object that the commit no longer declares, and what is to be said of it."""
    memory = owned or _claimed(kind, None, live, claim)
    if memory is None:
        return None, ""  # a claim that came to nothing, or the object of somebody else
    lifecycle = memory.lifecycle
    if live is None:
        return Change(address, Action.FORGET, None, None, lifecycle=lifecycle), ""
    stays = "on_remove: forget" if lifecycle.on_remove == "forget" else kind.undeletable or kind.stays(address.name, live.spec)
    if stays:
        return Change(address, Action.FORGET, live.spec, None, lifecycle=lifecycle), f"{address} stays on the server: {stays}"
    loses = _loss(kind, address.name, live.spec, memory)
    return Change(address, Action.DELETE, live.spec, None, live.version, loses=loses, lifecycle=lifecycle), ""


def _lost_with_mounts(
    kinds: Kinds, desired: Mapping[Address, Resource[Any]], survey: Survey, changes: Mapping[Address, Change[Any]]
) -> dict[Address, Change[Any]]:
    """Creates for what lies below a mount that is replaced: the server deletes it with the mount."""
    replaced = {change.address for change in changes.values() if change.action is Action.REPLACE and kinds[change.address.kind].mount}
    if not replaced:
        return {}
    live = (Address(name, leaf, place) for (name, place), reading in survey.items() if kinds[name].mount for leaf in reading.live)
    mounts = Index({*live, *(address for address in desired if address.kind in kinds and kinds[address.kind].mount)})
    lost = {}
    for address, resource in desired.items():
        refs = kinds[address.kind].refs(address.name, resource.spec) if address.kind in kinds and address not in replaced else ()
        if any(ref.within and mounts.find(address.place, ref) in replaced for ref in refs):
            lost[address] = Change(
                address,
                Action.CREATE,
                None,
                resource.spec,
                origin=resource.origin,
                lifecycle=resource.lifecycle,
                falls=address.name in survey.get((address.kind, address.place), Reading({})).live,
            )
    return lost


def settle(kind: AnyKind, resource: Resource[Any], found: Live[Any], memory: Owned | None) -> tuple[Any, Any]:
    """Bring (desired, live) to what may be compared: ignored and runtime-owned fields, and fields that no server returns."""
    desired, live, ignore = resource.spec, found.spec, resource.lifecycle.ignore
    if memory is not None and memory.lifecycle.ignore:
        ignore = (*ignore, *memory.lifecycle.ignore)
    updates: dict[str, Any] = {name: None for name in kind.runtime if getattr(desired, name) is None}
    for name in (*kind.kept, *kind.secrets):
        # Nothing is known of an object to adopt: it is not rewritten for a field that nobody can see.
        updates[name] = _remembered(kind, name, desired, live, memory) if memory is not None else getattr(desired, name)
    updates |= {name: None if not held else updates[name] or Secret.remembered("", "") for name, held in found.held.items()}
    if updates:
        live = live.model_copy(update=updates)
    live = kind.align(desired, live)
    if ignore:
        desired = desired.model_copy(update={name: getattr(live, name) for name in ignore if name in kind.spec.model_fields})
    return desired, live


def _remembered(kind: AnyKind, name: str, desired: Spec, live: Spec, memory: Owned) -> Any:
    """The value that counts as live for a field that no server returns."""
    wish, last = getattr(desired, name), memory.kept.get(name)
    if last is None:
        return getattr(live, name)
    if name not in kind.secrets:
        return wish if last == kept_value(wish) else last
    held = Secret.remembered(last["source"], last["mark"])
    if isinstance(wish, Secret) and wish.source == held.source and wish.mark in ("", held.mark):
        return wish  # an empty mark means that this login cannot compare
    return held


def kept_value(value: Any) -> Any:
    """What a ledger keeps of a field that no server returns."""
    return {"source": value.source, "mark": value.mark} if isinstance(value, Secret) else plain(value)


def _replaces(kind: AnyKind, desired: Spec, live: Spec) -> bool:
    changed = any(getattr(desired, name) != getattr(live, name) for name in kind.immutable)
    off = any(getattr(live, name) is True and getattr(desired, name) is False for name in kind.one_way)
    return changed or off or kind.replaces(live, desired)


def _lowered(kind: AnyKind, desired: Spec, live: Spec) -> str:
    for name in sorted(kind.lowers):
        new, old = getattr(desired, name), getattr(live, name)
        if new is not None and old is not None and new < old:
            return f"{name} {old} (would be {new})"
    return ""


def _loss(kind: AnyKind, name: str, live: Any, memory: Owned | None) -> str:
    """The stricter of what the last apply remembered and what the living object says."""
    return kind.loses(name, live) or (memory.loses if memory else "")


def leave_out(kind: AnyKind) -> frozenset[str]:
    """Fields that say nothing about who made an object."""
    return kind.secrets | kind.kept | kind.runtime


def _claimed(kind: AnyKind, resource: Resource[Any] | None, live: Live[Any] | None, claim: Claim | None) -> Owned | None:
    """A claim is ownership if live is what was claimed, or an unfinished part of it.

    What the killed run did with secrets is not known, so none is remembered: they are written again.
    """
    if claim is None or live is None:
        return None
    unseen = leave_out(kind)
    if resource is None or fingerprint(resource.spec, unseen) != claim.fingerprint:
        return Owned() if fingerprint(live.spec, unseen) == claim.fingerprint else None
    aligned = kind.align(resource.spec, live.spec)
    if not all(_on_the_way(resource.spec, aligned, name) for name in kind.spec.model_fields if name not in unseen):
        return None
    return Owned(resource.lifecycle, kept={name: kept_value(getattr(resource.spec, name)) for name in kind.kept})


def _on_the_way(claimed: Spec, live: Spec, name: str) -> bool:
    """Killed between two calls of one create, a field still has its default, or only some of its entries."""
    want, have = getattr(claimed, name), getattr(live, name)
    if isinstance(want, Mapping) and isinstance(have, Mapping):
        return all(want.get(key) == entry for key, entry in have.items())
    if isinstance(want, tuple) and isinstance(have, tuple):
        return all(entry in want for entry in have)
    return bool(have == want or have == default_of(type(claimed), name))


def _unmanaged(
    kinds: Kinds, survey: Survey, desired: Mapping[Address, Any], owned: Mapping[Address, Any], changes: Mapping[Address, Any]
) -> Iterator[Address]:
    for (name, place), reading in sorted(survey.items()):
        kind = kinds[name]
        for leaf in sorted(reading.live.keys() | reading.seen):
            key = (name, leaf, place)  # finds an address without making one: a mount may hold a hundred thousand
            if key not in desired and key not in owned and key not in changes and not kind.is_builtin(leaf):
                yield Address(*key)
