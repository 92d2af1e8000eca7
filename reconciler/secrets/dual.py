"""Writing to several stores: the first of them decides, the others are copies of what it has.

No two stores can be written as one, so a write ends by looking at the first store again: what somebody else wrote or
deleted there meanwhile is copied once more, and nobody's late copy outlives it. A writer that is killed in between leaves
copies that differ until the next write; reads ask the first store first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

from ..core.errors import BackendError, Denied, ReconcilerError
from .failover import Ask, Chain
from .store import Held, SecretStore

_OVERTAKEN = 5  # how often copies are written again because somebody else wrote meanwhile


class PartlyWritten(BackendError):
    """Some stores have the new state and others do not. The same call again puts it right."""

    exit_code = 5


def put(chain: Chain, names: Sequence[str], path: str, value: Mapping[str, str], expected: str | None) -> str:
    """Write to the first store with its check-and-set, then to the others. Returns the first one's version. Raises PartlyWritten."""
    first, *copies = names
    for name in names:  # what one of them can never hold must not be in any
        chain.store(name).check(path, value)
    version = chain.write(first, lambda one: one.put(path, value, expected))
    _copy(chain, path, Held(value, version), first, copies)
    return version


def delete(chain: Chain, names: Sequence[str], path: str) -> None:
    """Take a secret away from all of them. Raises PartlyWritten."""
    first, *copies = names
    # The first store last: until it is gone there it is there, and the delete can be done again.
    _each(chain, path, copies, partial(_be, path=path, held=None), f"is still in {first}")
    chain.write(first, lambda one: one.delete(path))
    _copy(chain, path, None, first, copies)


def _copy(chain: Chain, path: str, held: Held | None, first: str, copies: Sequence[str]) -> None:
    """Make the others be what the first store is, until it is still that."""
    for _ in range(_OVERTAKEN if copies else 0):
        done = f"is in {first}" if held else f"is gone from {first}"
        _each(chain, path, copies, partial(_be, path=path, held=held), done)
        try:
            now = chain.write(first, lambda one: one.get(path))
        except Denied:
            return  # a login that may only write
        except ReconcilerError as error:
            places = ", ".join((first, *copies))
            state = "is in" if held else "is gone from"
            raise PartlyWritten(
                f"{path}: {state} all of {places}, but whether somebody else wrote it meanwhile is not known: {error} (do the same again)",
                path=path,
            ) from None
        if (now and now.version) == (held and held.version):
            return
        held = now


def _be(store: SecretStore, path: str, held: Held | None) -> None:
    if held is None:
        store.delete(path)
    else:
        store.put(path, held.value)


def _each(chain: Chain, path: str, names: Sequence[str], do: Ask[object], done: str) -> None:
    failures: dict[str, str] = {}
    for name in names:
        try:
            chain.write(name, do)
        except ReconcilerError as error:
            failures[name] = str(error)
    if failures:
        reasons = "; ".join(f"{name}: {why}" for name, why in failures.items())
        raise PartlyWritten(f"{path}: {done}, but not as it should be everywhere: {reasons} (do the same again)", path=path)
