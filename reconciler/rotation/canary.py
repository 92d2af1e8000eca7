"""The rollout to a share of the consumers: who is in it, and who reports that the new value fails.

A consumer that reads through the client says who it is, and gets the pending value while its bucket is within the share;
the client does that by itself. What it reports lies in a document of its own, so that reports never meet the fence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..core.errors import Conflict
from ..secrets.rollout import bucket
from ..secrets.store import SecretStore
from .state import FOLDER, Phase, State

REPORTS = f"{FOLDER}_reports/"
ATTEMPTS = 20  # fifty consumers may report in the same second


def covered(state: State, path: str, consumers: Iterable[str]) -> int:
    """How many of the declared consumers have the new value."""
    consumers = tuple(consumers)
    if state.phase is Phase.CANARY and state.stage:
        return sum(bucket(state.rid, path, one) < state.stage.percent for one in consumers)
    return len(consumers) if state.phase in (Phase.OVERLAP, Phase.RETIRING, Phase.IDLE) else 0


def report(store: SecretStore, path: str, rid: str, consumer: str, *, good: bool) -> None:
    """Say how the new value does at one consumer. What it said last counts. Raises Conflict where all write at once."""
    where = REPORTS + path
    for left in range(ATTEMPTS, 0, -1):
        held = store.get(where)
        said = {**_of(held.value if held else {}, rid), consumer: f"{rid} {'good' if good else 'bad'}"}
        try:
            store.put(where, said, held.version if held else "")
        except Conflict:
            if left == 1:
                raise
        else:
            return


def complaints(store: SecretStore, path: str, rid: str) -> tuple[str, ...]:
    """Consumers that say that this rotation's new value fails."""
    held = store.get(REPORTS + path)
    return tuple(sorted(consumer for consumer, said in _of(held.value if held else {}, rid).items() if said.endswith(" bad")))


def _of(reports: Mapping[str, str], rid: str) -> dict[str, str]:
    """What was said of this rotation; earlier ones are over."""
    return {consumer: said for consumer, said in reports.items() if said.startswith(f"{rid} ")}
