"""Values that were replaced long ago: which versions of which secrets in a store go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Protocol, runtime_checkable

from ..core.errors import ReconcilerError
from ..core.keeping import LegalHold
from ..rotation.state import FOLDER, State, read_state, sibling
from ..secrets.aws_store import HISTORY, STAGED
from ..secrets.store import SecretStore, Version
from .due import Due, Stays, Thing, divided

WORKERS = 8
PREVIOUS = "AWSPREVIOUS"
FREE = frozenset({PREVIOUS, STAGED})
"""Labels that say nothing of who needs a version: AWS and our store move them by themselves. So it is with those of HISTORY."""


@runtime_checkable
class Enumerates(Protocol):
    """A store that tells of deleted secrets too: what they were may still be readable by its version."""

    def paths(self) -> Iterable[str]: ...


def paths_of(store: SecretStore) -> tuple[str, ...]:
    """Every path of a store that may have old versions."""
    return tuple(store.paths()) if isinstance(store, Enumerates) else store.list()


def look(store: SecretStore, paths: Sequence[str], before: str, holds: Sequence[LegalHold]) -> Due:
    """What was replaced before a moment in one store."""

    def one(path: str) -> Due:
        try:
            return look_at(store, path, before, holds)
        except ReconcilerError as error:
            return Due(unread=(f"{path} in {store.name}: {error}",))

    with ThreadPoolExecutor(WORKERS, thread_name_prefix="retention") as pool:
        found = list(pool.map(one, paths))
    return Due(
        tuple(thing for due in found for thing in due.going),
        tuple(stays for due in found for stays in due.staying),
        tuple(words for due in found for words in due.unread),
    )


def look_at(store: SecretStore, path: str, before: str, holds: Sequence[LegalHold]) -> Due:
    """The same for one secret. Raises ReconcilerError."""
    versions = store.versions(path)
    old = tuple(_replaced_before(store.name, path, versions, before))
    if not old:
        return Due()
    needed = _needed(store, path)
    if isinstance(needed, str):
        return Due(staying=tuple(Stays(thing, needed) for thing in old))
    labels = {one.id: [label for label in one.labels if label not in FREE and not label.startswith(HISTORY)] for one in versions}
    reasons = {
        thing: "its rotation needs it" if thing.version in needed else f"is labelled {', '.join(labels[thing.version])}"
        for thing in old
        if thing.version in needed or labels[thing.version]
    }
    free = divided([thing for thing in old if thing not in reasons], holds)
    return free | Due(staying=tuple(Stays(thing, reason) for thing, reason in reasons.items()))


def _replaced_before(store: str, path: str, versions: Sequence[Version], before: str) -> Iterator[Thing]:
    """Readable versions whose successor was made before that. The newest is what readers get; without a date nobody knows."""
    for newer, one in pairwise(versions):
        # In AWS a value that never became what readers get may be younger than the one that is.
        replaced = max(newer.made, one.made)
        if PREVIOUS in one.labels and one.made > newer.made:
            continue  # somebody went back from it to an older one, and nobody knows when
        if one.readable and newer.made and one.made and replaced < before:
            yield Thing("secret_versions", store, path, one.id, one.made, replaced)


def _needed(store: SecretStore, path: str) -> frozenset[str] | str:
    """Versions that the rotation of a secret names; or why that cannot be told."""
    if path.startswith(FOLDER):
        return frozenset()
    try:
        held = store.get(sibling(path))
        return frozenset(_named(read_state(held.value, held.version, path))) if held else frozenset()
    except ReconcilerError as error:
        return f"whether its rotation needs it cannot be told: {error}"


def _named(state: State) -> Iterator[str]:
    yield state.old_version
    for one in (state.pending, state.previous, *state.exposed, *state.strays):
        if one is not None and one.version:
            yield one.version
