"""The survey: read live state in bulk, and say exactly what could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from reconciler.core.address import Address, Place
from reconciler.core.diff import Survey
from reconciler.core.errors import BackendError, Denied, ReconcilerError
from reconciler.core.kind import AnyKind, Gap, Kinds, Live, Names, Reading
from reconciler.core.plan import Unknown

from .world import Clients, Progress

# Kinds wait for the network, not for the processor; the client's own pool limits what reaches a server.
READERS = 16


def wanted(kinds: Kinds, addresses: Iterable[Address]) -> dict[tuple[str, Place], Names]:
    """Group addresses into readings: every name of one kind in one place, and the mounts that names may start with."""
    names: dict[tuple[str, Place], set[str]] = {}
    for address in addresses:
        if address.kind in kinds:
            names.setdefault((address.kind, address.place), set()).add(address.name)
    mounts: dict[Place, set[str]] = {}
    for (kind, place), found in names.items():
        if kinds[kind].mount:
            mounts.setdefault(place, set()).update(found)
    return {(kind, place): Names(frozenset(found), tuple(sorted(mounts.get(place, ())))) for (kind, place), found in sorted(names.items())}


def survey(
    kinds: Kinds, names: Mapping[tuple[str, Place], Names], clients: Clients, declared: Mapping[Address, Any], progress: Progress
) -> Survey:
    """Read all of it in parallel. Raises ReconcilerError when a whole instance cannot be reached."""
    readings: dict[tuple[str, Place], Reading[Any]] = {}
    failures: dict[str, ReconcilerError] = {}

    def read(key: tuple[str, Place]) -> Reading[Any]:
        kind = kinds[key[0]]
        if kind.declared:
            return _from_ledger(kind, key[1], declared)
        return _read(kind, clients, key[1], names[key])

    with ThreadPoolExecutor(READERS, thread_name_prefix="survey") as pool:
        started = {key: pool.submit(read, key) for key in names}
        for done, (key, reading) in enumerate(started.items(), 1):
            try:
                readings[key] = reading.result()
            except ReconcilerError as error:
                failures[str(error)] = error  # the same outage of one server is one message
            progress("reading", done, len(started))
    if failures:
        raise _joined(list(failures.values()))
    return readings


def _joined(errors: list[ReconcilerError]) -> ReconcilerError:
    return errors[0] if len(errors) == 1 else BackendError("\n".join(map(str, errors)))


def _read(kind: AnyKind, clients: Clients, place: Place, names: Names) -> Reading[Any]:
    if not clients.has(kind.backend, place.instance):
        # The guard `instance_removed` says it in words; until it is lifted nothing is known there.
        return Reading({}, (Gap("", place.instance, "instance", "the environment no longer declares this instance"),))
    try:
        reading: Reading[Any] = kind.read(clients.client(kind.backend, place), names)
    except Denied as denied:
        return Reading({}, (Gap("", denied.path, denied.capability),))
    return reading


def _from_ledger(kind: AnyKind, place: Place, declared: Mapping[Address, Any]) -> Reading[Any]:
    mine = {address.name: spec for address, spec in declared.items() if address.kind == kind.name and address.place == place}
    return Reading({name: Live(kind.spec.model_validate(spec)) for name, spec in mine.items()})


def unknowns(kinds: Kinds, readings: Survey, needed: Iterable[Address]) -> tuple[Unknown, ...]:
    """The gaps that touch a desired or owned object, each with what the login lacks and the policy that grants it."""
    by_reading: dict[tuple[str, Place], list[str]] = {}
    for address in needed:
        by_reading.setdefault((address.kind, address.place), []).append(address.name)
    found = []
    for key, names in sorted(by_reading.items()):
        reading = readings.get(key, Reading({}))
        for gap in reading.gaps:
            if any(name not in reading.live and gap.covers(name) for name in names):
                missing = gap.reason or f"{gap.capability} on {gap.path}"
                found.append(Unknown(key[0], key[1], gap.prefix, missing, _grant(kinds[key[0]], gap)))
    return tuple(found)


def _grant(kind: AnyKind, gap: Gap) -> str:
    """The smallest policy that closes a gap."""
    if gap.reason:
        return ""
    if kind.backend == "aws":
        return f'{{"Effect": "Allow", "Action": "{gap.capability}", "Resource": "*"}}'
    return f'path "{gap.path}" {{\n  capabilities = ["{gap.capability}"]\n}}'
