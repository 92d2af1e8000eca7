"""Ask everything that an environment needs whether it is there, all at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from reconciler.core.errors import Denied, ReconcilerError, Unavailable
from reconciler.core.health import Health, State


class Probe(NamedTuple):
    """What to ask: `first` is timed and says how it is; `login` only has to work."""

    name: str
    first: Callable[[], tuple[State, Mapping[str, Any]]]
    login: Callable[[], object] = bool
    optional: bool = False  # nobody declared it: it counts where it answers


def ask_all(probes: Sequence[Probe]) -> tuple[Health, ...]:
    """Ask in parallel, since one that is down takes seconds to be sure of."""
    with ThreadPoolExecutor(len(probes) or 1, "health") as pool:
        found = list(pool.map(_ask, probes))
    return tuple(health for probe, health in zip(probes, found, strict=True) if health.healthy or not probe.optional)


def _ask(probe: Probe) -> Health:
    began = time.monotonic()
    try:
        state, facts = probe.first()
    except ReconcilerError as error:
        return Health(probe.name, _state_of(error), error=str(error))
    health = Health(probe.name, state, facts, time.monotonic() - began)
    if not health.healthy:
        return health
    try:
        probe.login()
    except ReconcilerError as error:
        return health._replace(state=_state_of(error, answered=True), error=str(error))
    return health


def _state_of(error: ReconcilerError, *, answered: bool = False) -> State:
    refused = isinstance(error, Denied) or (answered and not isinstance(error, Unavailable))
    return State.REFUSED if refused else State.DOWN
