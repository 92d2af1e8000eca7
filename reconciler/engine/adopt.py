"""Adopt: which living objects are nobody's yet, and how each would be declared so that applying that changes nothing.

Pure: an inventory goes in, resources come out. Every resource is held against its living object by the differ itself,
so what is written here can only be planned as `adopt`.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from pydantic import BaseModel, ValidationError

from reconciler.core.address import Address, Place
from reconciler.core.change import Action
from reconciler.core.diff import diff
from reconciler.core.kind import AnyKind, Kinds, Live, Reading
from reconciler.core.order import ENGINE, NAMESPACE, Index
from reconciler.core.plan import Unknown
from reconciler.core.resource import ORDINARY, Lifecycle, Origin, Resource, default_of
from reconciler.core.secret import Secret

from .inventory import Inventory
from .survey import grant

HERE = Origin("adopted", 0)
_UNUSUAL = re.compile(r"[^\w.-]", re.ASCII)
_MASKED = ":xxxxx@"


class Blank(NamedTuple):
    """A write-only field whose value no server returns: a person must say where it comes from."""

    address: Address
    field: str
    source: str


class Left(NamedTuple):
    """An object that cannot be declared, and why."""

    address: Address
    why: str


class Choice(NamedTuple):
    """What is to be adopted, and what is somebody's already."""

    kinds: frozenset[str] = frozenset()  # empty: all
    glob: str = ""  # of names or addresses; empty: all
    taken: frozenset[Address] = frozenset()  # declared, owned, or the reconciler's own
    held: frozenset[Address] = frozenset()  # mounts of which nothing is ours to adopt: the ledger's
    strict: bool = False  # a soft reference to nothing would fail the next plan
    blank: str = "vault"  # the scheme of sources to fill in


@dataclass(frozen=True, slots=True)
class Adopted:
    """What can be declared, in the order of addresses, and what is to be said of the rest."""

    resources: Mapping[Address, Resource[Any]]
    blanks: tuple[Blank, ...] = ()
    left: tuple[Left, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        return not self.unknown and not self.left


def adopt(kinds: Kinds, inventory: Inventory, choice: Choice) -> Adopted:
    """Declare everything that is chosen and nobody's."""
    resources: dict[Address, Resource[Any]] = {}
    blanks: list[Blank] = []
    left: list[Left] = []
    for address, kind, live in _chosen(kinds, inventory, choice):
        try:
            resource, asked = _declared(kind, address, live, choice.blank)
        except ValidationError as error:
            left.append(Left(address, f"the model does not take {_fields(error)} as the server has it"))
            continue
        why = _refusal(kind, resource, live)
        if why:
            left.append(Left(address, why))
        else:
            resources[address] = resource
            blanks += asked
    dangling = list(_dangling(kinds, inventory, choice, resources))
    for address, why in {address: why for address, why, hard in dangling if hard}.items():
        left.append(Left(address, why))
        del resources[address]
    return Adopted(
        resources,
        tuple(sorted(blank for blank in blanks if blank.address in resources)),
        tuple(sorted(left)),
        tuple(_unknown(kinds, inventory, choice)),
        tuple(sorted([*_masked(resources), *(f"{address}: {why}" for address, why, _ in dangling if address in resources)])),
    )


def _masked(resources: Mapping[Address, Resource[Any]]) -> Iterator[str]:
    for address, resource in resources.items():
        for name, value in resource.spec.__dict__.items():
            if isinstance(value, str) and _MASKED in value:
                yield f"{address}: the server hides the password in its {name}; made anew from this document it would not connect"


def _chosen(kinds: Kinds, inventory: Inventory, choice: Choice) -> Iterator[tuple[Address, AnyKind, Live[Any]]]:
    taken = {whole(address) for address in choice.taken}
    found = {
        whole(Address(kind, name, place)): live
        for (kind, place), reading in inventory.readings.items()
        for name, live in reading.live.items()
        if not kinds[kind].is_builtin(name)
    }
    for address in sorted(found):
        kind, live = kinds[address.kind], found[address]
        if address not in taken and _asked_for(address, choice) and not _lies_in(kind, address, live, choice.held):
            yield address, kind, live


def whole(address: Address) -> Address:
    """One address for one namespace: its path from the instance's own, where it could be named from any on the way."""
    if address.kind != NAMESPACE or not address.place.namespace:
        return address
    return Address(NAMESPACE, f"{address.place.namespace}/{address.name}", Place(address.place.instance))


def _asked_for(address: Address, choice: Choice) -> bool:
    if choice.kinds and address.kind not in choice.kinds:
        return False
    return not choice.glob or any(fnmatch.fnmatchcase(name, choice.glob) for name in (address.name, str(address)))


def _lies_in(kind: AnyKind, address: Address, live: Live[Any], held: Collection[Address]) -> bool:
    """Whether an object is one of the mounts that are held, or lies in one."""
    if address in held:
        return True
    mounts = [mount.name for mount in held if mount.place == address.place]
    names = [ref.name for ref in kind.refs(address.name, live.spec) if ref.kind == ENGINE] if mounts else ()
    return any(name == mount or name.startswith(f"{mount}/") for name in names for mount in mounts)


def _declared(kind: AnyKind, address: Address, live: Live[Any], scheme: str) -> tuple[Resource[Any], list[Blank]]:
    """The resource that declares an object, and what is left to fill in. Raises ValidationError."""
    asked = {*kind.asks(live.spec), *(name for name, held in live.held.items() if held)}
    blanks = [Blank(address, name, _source(scheme, address, name)) for name in sorted(asked)]
    fields = {name: value for name, value in minimal(live.spec).items() if name not in kind.runtime}
    fields = _without_derived(kind, dict(kind.spell(fields)))
    spec = kind.spec.model_validate({**fields, **{blank.field: {"from": blank.source} for blank in blanks}})
    return Resource(address, spec, HERE), blanks


def _source(scheme: str, address: Address, field: str) -> str:
    """A place that is easy to find and holds nothing: until it is filled in, writing the field fails in words."""
    parts = f"{address.kind.partition('.')[2]}/{address.place.namespace}/{address.name}".split("/")
    name = "/".join(_UNUSUAL.sub("-", part) for part in parts if part.strip("."))
    return f"vault:FILL_IN/data/{name}#{field}" if scheme == "vault" else f"aws:FILL_IN/{name}#{field}"


def minimal(model: BaseModel) -> dict[str, Any]:
    """The fields of a model that differ from their default, nested models alike."""
    return {
        name: _minimal(value)
        for name, value in model.__dict__.items()
        if value != default_of(type(model), name)  # type: ignore[arg-type]  # asks for nothing but the fields of a model
    }


def _minimal(value: Any) -> Any:
    if isinstance(value, Secret):
        return {"from": value.source}
    if isinstance(value, BaseModel):
        return minimal(value)
    if isinstance(value, Mapping):
        return {key: _minimal(entry) for key, entry in value.items()}
    return [_minimal(entry) for entry in value] if isinstance(value, tuple | list) else value


def _without_derived(kind: AnyKind, fields: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the model itself derives from the other fields (`X | None = None`)."""
    optional = [name for name in fields if default_of(kind.spec, name) is None]
    if not optional:
        return fields
    spec = kind.spec.model_validate(fields)
    for name in optional:
        fewer = {key: value for key, value in fields.items() if key != name}
        if kind.spec.model_validate(fewer) == spec:
            fields = fewer
    return fields


def _fields(error: ValidationError) -> str:
    return ", ".join(sorted({str(one["loc"][0]) for one in error.errors() if one["loc"]})) or "it"


def _refusal(kind: AnyKind, resource: Resource[Any], live: Live[Any]) -> str:
    """Why a declaration would not do: a rule of the kind, or a plan that would not be `adopt`."""
    problem = next(iter(kind.check(resource.address.name, resource.spec)), "")
    return problem or ("" if adopts(kind, resource, live) else "its declaration would be planned as a change (please report it)")


def adopts(kind: AnyKind, resource: Resource[Any], live: Live[Any]) -> bool:
    """Whether the next plan would only claim the object."""
    address = resource.address
    survey = {(kind.name, address.place): Reading({address.name: live})}
    return [change.action for change in diff({kind.name: kind}, {address: resource}, survey, {}).changes] == [Action.ADOPT]


def _dangling(
    kinds: Kinds, inventory: Inventory, choice: Choice, resources: Mapping[Address, Resource[Any]]
) -> Iterator[tuple[Address, str, bool]]:
    """Objects that name what is not there: (which, how, whether the next plan would fail for it)."""
    readings = inventory.readings
    index = Index({*(whole(Address(kind, name, place)) for (kind, place), one in readings.items() for name in one.live), *choice.taken})
    for address, resource in resources.items():
        for ref in kinds[address.kind].refs(address.name, resource.spec):
            reading = readings.get((ref.kind, address.place))
            if ref.hint or reading is None or index.find(address.place, ref) or kinds[ref.kind].is_builtin(ref.name):
                continue
            if not any(gap.covers(ref.name) for gap in reading.gaps):
                strictly = " (an error by guards.strict_references)" if ref.soft and choice.strict else ""
                yield address, f"{ref.field} names {ref.kind}/{ref.name}, which is not there{strictly}", not ref.soft or choice.strict


def _unknown(kinds: Kinds, inventory: Inventory, choice: Choice) -> Iterator[Unknown]:
    """What could not be read of the kinds that were asked for."""
    for (kind, place), reading in sorted(inventory.readings.items()):
        for gap in reading.gaps if not choice.kinds or kind in choice.kinds or kind == NAMESPACE else ():
            yield Unknown(kind, place, gap.prefix, gap.reason or f"{gap.capability} on {gap.path}", grant(kinds[kind], gap))
    for (backend, instance), why in sorted(inventory.unreached.items()):
        yield Unknown(f"{backend}.*", Place(instance), "", why, "")


def without(adopted: Adopted, kinds: Kinds, hidden: Mapping[Address, Collection[str]]) -> Adopted:
    """Take fields out of declarations that must not hold them, and let the next plans ignore those fields."""
    resources = dict(adopted.resources)
    left = list(adopted.left)
    for address, names in hidden.items():
        kind, resource = kinds[address.kind], resources.pop(address)
        kept = {name: value for name, value in minimal(resource.spec).items() if name not in names}
        if names and not any(kind.spec.model_fields[name].is_required() for name in names):
            resources[address] = replace_spec(kind, resource, kept, Lifecycle(ignore=tuple(names)))
        else:
            left.append(Left(address, "it holds what looks like a credential, or an expression, where it cannot be left out"))
    ordered = {address: resources[address] for address in sorted(resources)}
    return replace(adopted, resources=ordered, left=tuple(sorted(left)), blanks=_still(adopted.blanks, ordered))


def replace_spec(kind: AnyKind, resource: Resource[Any], fields: Mapping[str, Any], lifecycle: Lifecycle = ORDINARY) -> Resource[Any]:
    """The same resource with other fields. Raises ValidationError."""
    return resource._replace(spec=kind.spec.model_validate(fields), lifecycle=lifecycle)


def _still(blanks: Iterable[Blank], resources: Collection[Address]) -> tuple[Blank, ...]:
    return tuple(blank for blank in blanks if blank.address in resources)
