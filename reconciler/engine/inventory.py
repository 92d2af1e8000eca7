"""The inventory: everything that lives in an environment's instances and that some kind knows. What adopting chooses from.

Unlike a survey, which answers for names, it goes wherever the login may go: all namespaces below an instance's own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from reconciler.core.address import Address, Place
from reconciler.core.errors import BackendError, Denied, ReconcilerError
from reconciler.core.kind import AnyKind, Gap, Kinds, Names, Reading
from reconciler.core.order import NAMESPACE

from .survey import READERS
from .world import Clients, Progress

UNLISTED = "vault.object"  # any path: no server lists what has no kind of its own
IAM = "aws.iam_"  # these have no region: two instances on one account show the same ones
_NO_NAMESPACES = frozenset({400, 404, 405})  # what servers answer that have none


class Territory(NamedTuple):
    """One instance, and what of it is another's to tell."""

    backend: str
    instance: str
    without: frozenset[str] = frozenset()  # namespaces below its own that are another instance's own
    iam: bool = True  # no earlier instance is on the same account


class Inventory(NamedTuple):
    """What was found, and which instances could not be asked at all, with the reason."""

    readings: Mapping[tuple[str, Place], Reading[Any]]
    unreached: Mapping[tuple[str, str], str] = {}


def take_inventory(
    kinds: Kinds, territories: Iterable[Territory], clients: Clients, known: Collection[Address], progress: Progress
) -> Inventory:
    """Read all of these kinds everywhere. `known`: declared names, in whose spelling the server's are returned."""
    readings: dict[tuple[str, Place], Reading[Any]] = {}
    unreached: dict[tuple[str, str], str] = {}
    with ThreadPoolExecutor(READERS, thread_name_prefix="inventory") as pool:
        keys: list[tuple[AnyKind, Place]] = []
        for territory in territories:
            try:
                places = _places(kinds, territory, clients, readings)
            except ReconcilerError as error:
                unreached[territory.backend, territory.instance] = str(error)
                continue
            keys += [(kind, place) for place in places for kind in _told(kinds, territory)]
        names = _names(known)
        started = {
            (kind.name, place): pool.submit(_read, kind, clients, place, names.get((kind.name, place), frozenset())) for kind, place in keys
        }
        for done, (key, reading) in enumerate(started.items(), 1):
            readings[key] = reading.result()
            progress("reading", done, len(started))
    return Inventory(readings, unreached)


def _told(kinds: Kinds, territory: Territory) -> Iterator[AnyKind]:
    """The kinds that a territory is asked for. Namespaces were read on the way."""
    for kind in kinds.values():
        ours = kind.backend == territory.backend and not kind.declared and kind.name not in (NAMESPACE, UNLISTED)
        if ours and (territory.iam or not kind.name.startswith(IAM)):
            yield kind


def _names(known: Iterable[Address]) -> Mapping[tuple[str, Place], frozenset[str]]:
    found: dict[tuple[str, Place], set[str]] = {}
    for address in known:
        found.setdefault((address.kind, address.place), set()).add(address.name)
    return {key: frozenset(names) for key, names in found.items()}


def _places(kinds: Kinds, territory: Territory, clients: Clients, readings: dict[tuple[str, Place], Reading[Any]]) -> list[Place]:
    """The instance's own place and every namespace below. Raises ReconcilerError where the instance cannot be reached."""
    places = [Place(territory.instance)]
    for place in places:  # grows while it is walked
        client = clients.client(territory.backend, place)
        if territory.backend == "aws":
            _ = client.account  # asked first: without a login every kind would fail in the same words
            continue
        reading = _below(kinds[NAMESPACE], client)
        outside = {name for name in reading.live if f"{place.namespace}/{name}".strip("/") in territory.without}
        live = {name: found for name, found in reading.live.items() if name not in outside}
        readings[NAMESPACE, place] = Reading(live, reading.gaps)
        places += [Place(territory.instance, f"{place.namespace}/{name}".strip("/")) for name in sorted(live)]
    return places


def _below(kind: AnyKind, client: Any) -> Reading[Any]:
    try:
        reading: Reading[Any] = kind.read(client, Names(frozenset(), everything=True))
    except BackendError as error:
        if error.status not in _NO_NAMESPACES:
            raise
        return Reading({})
    return reading


def _read(kind: AnyKind, clients: Clients, place: Place, wanted: frozenset[str]) -> Reading[Any]:
    try:
        reading: Reading[Any] = kind.read(clients.client(kind.backend, place), Names(wanted, everything=True))
    except Denied as denied:
        return Reading({}, (Gap("", denied.path, denied.capability),))
    except ReconcilerError as error:
        # One engine that is broken must not hide the rest of the server.
        return Reading({}, (Gap("", str(place), "", str(error)),))
    return reading
