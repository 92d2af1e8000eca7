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
from reconciler.ledger.records import State

from .world import Clients, Progress, World

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


def silent(label: str, done: int, total: int) -> None:
    """Progress where nobody looks."""


def _joined(errors: list[ReconcilerError]) -> ReconcilerError:
    return errors[0] if len(errors) == 1 else BackendError("\n".join(map(str, errors)))


def _read(kind: AnyKind, clients: Clients, place: Place, names: Names) -> Reading[Any]:
    if not clients.has(kind.backend, place.instance):
        # Nobody can look there any more, so what is owned there is forgotten, once the guard `instance_removed` is lifted.
        return Reading({})
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
                found.append(Unknown(key[0], key[1], gap.prefix, missing, grant(kinds[key[0]], gap)))
    return tuple(found)


def grant(kind: AnyKind, gap: Gap) -> str:
    """The smallest policy that closes a gap."""
    if gap.reason:
        return ""
    if kind.backend == "aws":
        return f'{{"Effect": "Allow", "Action": "{gap.capability}", "Resource": "*"}}'
    return f'path "{gap.path}" {{\n  capabilities = ["{gap.capability}"]\n}}'


class Ahead:
    """Reads what is owned while the desired state is still being parsed: two thirds of a plan is waiting for servers.

    Only for plans: an apply reads under its lock. What turns out to be desired besides is read afterwards.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")
        self._read = self._pool.submit(self._start)

    def _start(self) -> tuple[State, Mapping[tuple[str, Place], Names], Survey]:
        state, _ = self._world.ledger.load()
        names = wanted(self._world.kinds, (*state.owned, *state.claims))
        return state, names, survey(self._world.kinds, names, self._world.clients, state.declared, silent)

    def state(self) -> State:
        """The ledger as it was read. Raises what reading raised."""
        return self._read.result()[0]

    def survey(self, names: Mapping[tuple[str, Place], Names]) -> Survey:
        """The readings that answer for these names: those read ahead, and what they lack."""
        state, known, early = self._read.result()
        missing = {key: lacking for key, asked in names.items() if (lacking := _lacking(asked, known.get(key), early.get(key)))}
        late = survey(self._world.kinds, missing, self._world.clients, state.declared, self._world.progress)
        return {key: _joined_readings(early.get(key), late.get(key)) for key in names}

    def close(self) -> None:
        """Wait for nothing: the clients are closed next, which ends what still runs."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _lacking(asked: Names, known: Names | None, early: Reading[Any] | None) -> Names | None:
    """What an early reading does not answer; None where it answers all."""
    if known is None or early is None:
        return asked
    unanswered = asked.wanted - known.wanted - early.live.keys()
    return asked._replace(wanted=frozenset(unanswered)) if unanswered else None


def _joined_readings(early: Reading[Any] | None, late: Reading[Any] | None) -> Reading[Any]:
    if early is None or late is None:
        return early or late or Reading({})
    live = {**early.live, **late.live}
    return Reading(live, tuple(dict.fromkeys((*early.gaps, *late.gaps))), (early.seen | late.seen) - live.keys())
