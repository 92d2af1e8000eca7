"""References to what a commit does not declare: will it be there when the plan is done?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reconciler.core.address import Address, Place
from reconciler.core.change import Action, Change
from reconciler.core.diff import Survey
from reconciler.core.errors import Invalid, Problem
from reconciler.core.kind import Kinds, Ref
from reconciler.core.order import Index
from reconciler.core.resource import ServerValue

from .world import Wish


def check_references(
    kinds: Kinds,
    wish: Wish,
    dangling: Iterable[tuple[Address, Ref]],
    readings: Survey,
    values: Mapping[Address, tuple[ServerValue, ...]],
    changes: Mapping[Address, Change[Any]],
) -> list[str]:
    """Look up on the server what the commit does not answer. Returns notes; raises Invalid."""
    dangling = tuple(dangling)
    if not dangling and not values:
        return []
    going = {address for address, change in changes.items() if change.action is Action.DELETE}
    there = (Address(kind, name, place) for (kind, place), reading in readings.items() for name in {*reading.live, *reading.seen})
    index = Index(address for address in there if address not in going)
    problems, notes = [], []
    for address, ref in dangling:
        if _stands(kinds, readings, index, address.place, ref):
            continue
        what = f"{ref.field} names {ref.kind}/{ref.name}, which {_fate(Index(going).find(address.place, ref))}"
        if ref.soft and not wish.strict:
            notes.append(f"{address}: {what}")
        else:
            origin = wish.resources[address].origin
            problems.append(Problem(str(origin), str(address), what, f"declare it, or correct {ref.field}"))
    for address, found in values.items():
        for value in found:
            live = readings[value.address.kind, value.address.place].live if value.address.kind in kinds else {}
            if value.address not in wish.resources and (value.address.name not in live or value.address in going):
                origin = wish.resources[address].origin
                what = f"{value} names an object that {_fate(value.address if value.address in going else None)}"
                problems.append(Problem(str(origin), str(address), what, "declare it, or correct the address"))
    if problems:
        raise Invalid(problems)
    return notes


def _fate(going: Address | None) -> str:
    return "this plan deletes" if going else "neither the commit nor the server has"


def _stands(kinds: Kinds, readings: Survey, index: Index, place: Place, ref: Ref) -> bool:
    kind, reading = kinds.get(ref.kind), readings.get((ref.kind, place))
    if kind is None or reading is None:
        return False
    if kind.is_builtin(ref.name) or index.find(place, ref):
        return True
    return any(gap.covers(ref.name) or gap.covers(f"{ref.name}/") for gap in reading.gaps)
