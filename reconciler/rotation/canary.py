"""The rollout to a share of the consumers: who is in it, and who reports that the new value fails.

A consumer that reads through the client says who it is, and gets the pending value while its bucket is within the share;
the client does that by itself, and carries what the consumer reports.
"""

from __future__ import annotations

from collections.abc import Iterable

from ..secrets.rollout import REPORTS, bucket, reports_of
from ..secrets.store import SecretStore
from .state import Phase, State


def covered(state: State, path: str, consumers: Iterable[str]) -> int:
    """How many of the declared consumers have the new value."""
    consumers = tuple(consumers)
    if state.phase in (Phase.CANARY, Phase.PROMOTING) and state.stage:  # clients go by the stage until the secret itself is written
        return sum(bucket(state.rid, path, one) < state.stage.percent for one in consumers)
    return len(consumers) if state.phase in (Phase.OVERLAP, Phase.RETIRING, Phase.IDLE) else 0


def complaints(store: SecretStore, path: str, rid: str) -> tuple[str, ...]:
    """Consumers that say that this rotation's new value fails."""
    said = reports_of(store.get(REPORTS + path), rid)
    return tuple(sorted(consumer for consumer, words in said.items() if words.endswith(" bad")))
