"""Lints of policies as notes of a plan: of what the plan writes, since what stands was looked at before it was applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from reconciler.access.holders import POLICY, SUBJECTS, VAULT_KINDS, Holders
from reconciler.access.lints import findings, notes
from reconciler.core.address import Address, Place
from reconciler.core.change import Action, Change
from reconciler.core.diff import Survey
from reconciler.core.order import ENGINE, NAMESPACE
from reconciler.core.resource import Resource

METHOD = "vault.auth_method"
_READ = frozenset({*VAULT_KINDS, ENGINE, METHOD, NAMESPACE})


def lint_notes(resources: Mapping[Address, Resource[Any]], readings: Survey, changes: Iterable[Change[Any]]) -> list[str]:
    """Look at the policies, roles, groups and entities that a plan writes, and at policies that lose a holder."""
    scope = {change.address for change in changes if change.address.kind in (POLICY, *SUBJECTS) and change.action is not Action.ADOPT}
    if not scope:
        return []
    specs = {address: resource.spec for address, resource in resources.items() if address.kind in _READ}
    scope |= set(_once_named(scope, readings))

    def origin(address: Address, _rule: str) -> str | None:
        return str(resources[address].origin) if address in resources else None

    places = {address.place for address in scope}
    return notes(findings(specs, scope, {place: found for place in places if (found := _mounts(place, specs, readings))}), origin)


def _once_named(scope: Iterable[Address], readings: Survey) -> Iterator[Address]:
    """Policies that a changed subject named so far."""
    before = {}
    for address in scope:
        reading = readings.get((address.kind, address.place))
        live = reading.live.get(address.name) if reading is not None else None
        if live is not None and address.kind in SUBJECTS:
            before[address] = live.spec
    holders = Holders(before)
    for subject in before:
        yield from holders.direct(subject)


def _mounts(place: Place, specs: Mapping[Address, Any], readings: Survey) -> set[str]:
    """Every mount of a place, if the survey read all of them."""
    found = set()
    for kind, prefix in ((ENGINE, ""), (METHOD, "auth/")):
        reading = readings.get((kind, place))
        if reading is None or reading.gaps:
            return set()
        declared = {address.name for address in specs if (address.kind, address.place) == (kind, place)}
        found |= {f"{prefix}{name}" for name in {*reading.live, *reading.seen, *declared}}
    namespaces = readings.get((NAMESPACE, place))
    return found | ({*namespaces.live, *namespaces.seen} if namespaces is not None else set())
