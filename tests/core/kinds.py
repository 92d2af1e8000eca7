"""Small kinds without a server: pure values to compare, order and refuse."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NoReturn

from reconciler.core.address import HOME, Address, Place
from reconciler.core.change import Action, Change
from reconciler.core.kind import Kind, Live, Reading, Ref, registry
from reconciler.core.order import NAMESPACE
from reconciler.core.resource import ORDINARY, Lifecycle, Origin, Resource, Spec
from reconciler.core.secret import Secret
from reconciler.core.values import Seconds, StringMap, StringSet

ORIGIN = Origin("desired-state/boxes.yaml", 3)


class BoxSpec(Spec):
    """One field of every sort that the differ treats in its own way."""

    tags: StringSet = ()
    labels: StringMap = {}
    ttl: Seconds = 0
    material: str = "wood"  # immutable
    sealed: bool = False  # one way
    floor: int | None = None  # runtime-owned, and not to be lowered
    waiting: Seconds = 30  # returned by no server
    password: Secret | None = None
    inside: str = ""
    likes: StringSet = ()
    needs: StringSet = ()


class ShelfSpec(Spec):
    note: str = ""
    fixed: str = ""


class LooseSpec(Spec):
    """Compared only where the declared keys are."""

    data: dict[str, Any] = {}


def unreachable(*_: object) -> NoReturn:
    raise AssertionError("the core asked a server")


def _box_refs(name: str, spec: BoxSpec) -> Iterator[Ref]:
    yield Ref("name", "test.shelf", name, within=True)
    yield from (Ref("needs", "test.box", other) for other in spec.needs)
    yield from (Ref("likes", "test.box", other, soft=True) for other in spec.likes)
    if spec.inside:
        yield Ref("inside", "test.shelf", spec.inside, within=True)


def _declared_keys(desired: LooseSpec, live: LooseSpec) -> LooseSpec:
    return LooseSpec(data={key: value for key, value in live.data.items() if key in desired.data})


BOX = Kind(
    name="test.box",
    backend="vault",
    spec=BoxSpec,
    read=unreachable,
    write=unreachable,
    refs=_box_refs,
    builtin=("root", "system/*"),
    immutable=frozenset({"material"}),
    one_way=frozenset({"sealed"}),
    runtime=frozenset({"floor"}),
    lowers=frozenset({"floor"}),
    kept=frozenset({"waiting"}),
)
SHELF = Kind(
    name="test.shelf",
    backend="vault",
    spec=ShelfSpec,
    read=unreachable,
    write=unreachable,
    loses=lambda name, _spec: f"every box on {name}/",
    replaces=lambda live, desired: live.fixed == "v2" and desired.fixed == "v1",
    mount=True,
)
LOOSE = Kind(name="test.loose", backend="aws", spec=LooseSpec, read=unreachable, write=unreachable, align=_declared_keys)
STONE = Kind(
    name="test.stone", backend="vault", spec=ShelfSpec, read=unreachable, write=unreachable, undeletable="the server has no DELETE for it"
)
LETTER = Kind(name="test.letter", backend="ledger", spec=ShelfSpec, read=unreachable, write=unreachable, declared=True)
SPACE = Kind(name=NAMESPACE, backend="vault", spec=ShelfSpec, read=unreachable, write=unreachable)
KINDS = registry((BOX, SHELF, LOOSE, STONE, LETTER, SPACE))


def secret(source: str = "env:WORD", mark: str = "") -> Secret:
    return Secret.remembered(source, mark)


def box(name: str, place: Place = HOME) -> Address:
    return Address("test.box", name, place)


def shelf(name: str, place: Place = HOME) -> Address:
    return Address("test.shelf", name, place)


def space(name: str, place: Place = HOME) -> Address:
    return Address(NAMESPACE, name, place)


def wish(*pairs: tuple[Address, Spec], lifecycle: Lifecycle = ORDINARY) -> dict[Address, Resource[Any]]:
    """Declare specs."""
    return {address: Resource(address, spec, ORIGIN, lifecycle) for address, spec in pairs}


def reading(*pairs: tuple[Address, Spec]) -> dict[tuple[str, Place], Reading[Any]]:
    """A complete survey of home in which just these objects live."""
    live: dict[tuple[str, Place], dict[str, Live[Any]]] = {(kind, HOME): {} for kind in KINDS}
    for address, spec in pairs:
        live.setdefault((address.kind, address.place), {})[address.name] = Live(spec, version="7")
    return {key: Reading(found) for key, found in live.items()}


def change(address: Address, before: Spec | None, after: Spec | None, action: Action | None = None, **more: Any) -> Change[Any]:
    """A change whose action follows from its sides, if not given."""
    usual = Action.CREATE if before is None else Action.DELETE if after is None else Action.UPDATE
    return Change(address, action or usual, before, after, **more)
