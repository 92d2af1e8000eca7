"""Stores in their declared order, each behind a breaker: who is asked, how long, how often, and what their silence means."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, TypeVar

from ..core.breaker import FAILURES, PAUSE_SECONDS, Breaker, Open
from ..core.errors import BackendError, Denied, Missing, Unavailable, Usage
from .store import PROBE_SECONDS, SecretStore
from .within import within

log = logging.getLogger(__name__)

R = TypeVar("R")
Ask = Callable[[SecretStore], R]

LEFT_AFTER = 2.0  # seconds for a store that another one stands behind
LAST_SECONDS = 10.0  # seconds an attempt for the last one, which is worth waiting for
RETRIES = (0.2, 0.5, 1.0)  # pauses between attempts at the last store, in seconds


class Health(NamedTuple):
    """One store: its breaker, and what its probe said (empty: it is well)."""

    store: str
    breaker: str
    problem: str


class Chain:
    """Safe to use from many threads. `failures` in a row open a store's breaker for `pause` seconds."""

    def __init__(
        self,
        stores: Sequence[SecretStore],
        *,
        failures: int = FAILURES,
        pause: float = PAUSE_SECONDS,
        left_after: float = LEFT_AFTER,
        ticks: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        if not stores:
            raise Usage("no store of secrets is declared (write `stores: {vault: {mount: MOUNT}}` in the environment's file)")
        self._stores: dict[str, SecretStore] = {}
        for store in stores:
            if store.name in self._stores:
                raise Usage(f"two stores are called {store.name} (give each a name of its own)")
            self._stores[store.name] = store
        self._breakers = {name: Breaker(name, failures, pause, ticks) for name in self._stores}
        self._left_after = left_after
        self._sleep = sleep

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._stores)

    def store(self, name: str) -> SecretStore:
        return self._stores[name]

    def order(self, only: str = "") -> tuple[str, ...]:
        """All stores, or the one that was named. Raises Usage for one that is not declared."""
        if only and only not in self._stores:
            raise Usage(f"the environment declares no store {only!r} (it has {', '.join(self._stores)})")
        return (only,) if only else self.names

    def first(self, path: str, only: str, ask: Ask[R | None]) -> tuple[str, R]:
        """The first answer that is not None, and whose it is. Raises Missing if all answered None, else why not all could."""
        order = self.order(only)
        silent: dict[str, BackendError] = {}
        for name in order:
            try:
                answer = self.last(name, ask) if name == order[-1] else self.once(name, ask, self._left_after)
            except BackendError as error:
                silent[name] = error
                if name != order[-1] and not isinstance(error, Open):
                    log.warning("%s: %s could not be read, going on to the next store: %s", path, name, error)
                continue
            if answer is not None:
                return name, answer
        raise _unanswered(path, [name for name in order if name not in silent], silent)

    def once(self, name: str, ask: Ask[R], seconds: float) -> R:
        """Ask one store once. Raises what it does, Unavailable when it takes longer, Open when it is not to be asked."""
        store = self._stores[name]
        return self._breakers[name].call(lambda: within(name, seconds, lambda: ask(store)))

    def last(self, name: str, ask: Ask[R]) -> R:
        """Ask a store that no other stands behind: what may pass is tried again."""
        store = self._stores[name]
        return self._patiently(name, lambda: within(name, LAST_SECONDS, lambda: ask(store)))

    def write(self, name: str, ask: Ask[R]) -> R:
        """Have a store do something. It is waited for as long as the store waits itself: what was sent cannot be left."""
        store = self._stores[name]
        return self._patiently(name, lambda: ask(store))

    def _patiently(self, name: str, attempt: Callable[[], R]) -> R:
        def again() -> R:
            for pause in RETRIES:
                try:
                    return attempt()
                except Unavailable:
                    self._sleep(pause)
            return attempt()

        return self._breakers[name].call(again)  # all attempts are one failure

    def health(self) -> tuple[Health, ...]:
        """Ask each store how it is, all at once, within two seconds."""
        with ThreadPoolExecutor(len(self._stores), "probe") as pool:
            return tuple(pool.map(self._health, self._stores))

    def _health(self, name: str) -> Health:
        try:
            problem = within(name, PROBE_SECONDS, self._stores[name].probe)
        except BackendError as error:
            problem = str(error)
        return Health(name, self._breakers[name].state.value, problem)


def _unanswered(path: str, without: Iterable[str], silent: Mapping[str, BackendError]) -> BackendError:
    absent = ", ".join(without)
    if not silent:
        return Missing(f"{path}: there is no such secret in {absent}", path=path)
    reasons = "; ".join(f"{name}: {error}" for name, error in silent.items())
    text = f"{path}: no store could answer: {reasons}" + (f" (it is not in {absent})" if absent else "")
    denied = [error for error in silent.values() if isinstance(error, Denied)]
    if len(denied) == len(silent):
        return Denied(text, path=path, capability=denied[0].capability)
    return Unavailable(text, path=path)
