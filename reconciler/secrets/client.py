"""`SecretClient`: one front for all stores, for programs that need secrets and for the command line.

* Reads go through the stores in their declared order. One that refuses or hangs is left within two seconds, and one that
  keeps failing is not asked for a while; only the last has its failures retried, since nothing comes after it. That a
  store has no such secret is an answer, not a failure: the next is asked, and only when all have said so is it absent.
* Writes go to the first store (`primary`) or to all (`dual`). In `dual` the first one decides: its check-and-set is the
  check-and-set, the others are copies that are written after it.
* A value is kept for `cache` seconds in memory. What cannot be answered is an error, and never an old or empty value.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from ..core.breaker import FAILURES, PAUSE_SECONDS
from ..core.errors import BackendError, Missing, Unavailable
from . import dual
from .failover import LAST_SECONDS, LEFT_AFTER, Chain, Health
from .revealed import Known, Listed, Revealed
from .rollout import FOLDER, pending_for, report
from .store import SecretStore, checked_path

R = TypeVar("R")

CACHED = 10_000  # secrets kept in memory at most


async def _in_thread(call: Callable[..., R], *given: object, **named: object) -> R:
    import asyncio  # slow to import, and programs that need it have it already

    return await asyncio.to_thread(call, *given, **named)


class SecretClient:
    """Secrets by path. Safe to use from many threads; `aget`, `aput` and so on are the same for asyncio.

    `failures` in a row open a store's breaker for `pause` seconds. `ticks` and `sleep` are injected by tests.
    """

    def __init__(
        self,
        stores: Sequence[SecretStore],
        *,
        write: Literal["primary", "dual"] = "primary",
        cache: float = 2.0,
        failures: int = FAILURES,
        pause: float = PAUSE_SECONDS,
        left_after: float = LEFT_AFTER,
        ticks: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self._chain = Chain(stores, failures=failures, pause=pause, left_after=left_after, ticks=ticks, sleep=sleep)
        self._written = self._chain.names if write == "dual" else self._chain.names[:1]
        self._cache_seconds = cache
        self._left_after = left_after
        self._ticks = ticks
        self._close = close
        self._lock = threading.Lock()
        self._cache: dict[tuple[str, str, str], tuple[float, Revealed]] = {}
        self._era = 0  # counts writes

    @classmethod
    def from_environment(cls, repo: str | Path = ".", environment: str | None = None) -> SecretClient:
        """The stores that a repository's environment declares. Logins and passphrases come from the process's environment."""
        from ..wiring.stores import secret_client_at

        return secret_client_at(Path(repo), environment)

    def get(self, path: str, *, consumer: str = "", store: str = "", version: str = "") -> Revealed:
        """The secret as it is now. Raises Missing where every store says there is none, Unavailable or Denied where one cannot say.

        `consumer`: who asks, so that a staged rollout reaches it in its turn. `version`: of `store`, else of the first one.
        """
        if version:
            return self._get_version(checked_path(path), self._chain.order(store)[0], version)
        key = (checked_path(path), store, consumer)
        with self._lock:
            until, kept = self._cache.get(key, (0.0, None))
            era = self._era
        began = self._ticks()
        if kept is not None and began < until:
            return kept
        name, held = self._chain.first(path, store, lambda one: one.get(path))
        found = Revealed(held.value, held.version, name)
        found = self._rolled_out(path, consumer, found) if consumer else found
        self._keep(key, era, began + self._cache_seconds, found)  # an answer is as old as its question
        return found

    def put(self, path: str, value: Mapping[str, str], expected: str | None = None, *, store: str = "") -> str:
        """Write a secret as a whole. Returns its version in the first store that is written to. Raises Conflict, PartlyWritten.

        `expected`: the version that it replaces, "" for none yet; without it, whatever is there.
        """
        try:
            return dual.put(self._chain, self.written(store), path, value, expected)
        finally:
            self._forget(path)

    def list(self, prefix: str = "", *, store: str = "") -> tuple[str, ...]:
        """Paths below a prefix, of all stores. Raises Unavailable where one cannot answer: a list with holes is no list."""
        found = self.survey(prefix, store=store)
        if found.unread:
            raise Unavailable("; ".join(f"{name}: {why}" for name, why in found.unread.items()))
        return found.paths

    def survey(self, prefix: str = "", *, store: str = "") -> Listed:
        """Paths below a prefix of all stores that answer, and why the others do not."""
        paths: set[str] = set()
        unread: dict[str, str] = {}
        for name in self._chain.order(store):
            try:
                paths.update(self._chain.once(name, lambda one: one.list(prefix), LAST_SECONDS))
            except BackendError as error:
                unread[name] = str(error)
        return Listed(tuple(sorted(path for path in paths if not path.startswith(FOLDER))), unread)

    def versions(self, path: str, *, store: str = "") -> Known:
        """The versions of a secret in the first store that has any, newest first. Raises as `get` does."""
        return Known(*self._chain.first(checked_path(path), store, lambda one: one.versions(path) or None))

    def delete(self, path: str, *, store: str = "") -> None:
        """Take a secret away from its readers, in each store that is written to. Raises PartlyWritten."""
        try:
            dual.delete(self._chain, self.written(store), checked_path(path))
        finally:
            self._forget(path)

    def destroy(self, path: str, version: str, *, store: str = "") -> None:
        """Make one version unreadable for good, in `store` or in the first one."""
        try:
            self._chain.write(self._chain.order(store)[0], lambda one: one.destroy(path, version))
        finally:
            self._forget(path)

    @property
    def stores(self) -> tuple[str, ...]:
        """The names of all stores, in the order in which they are read."""
        return self._chain.names

    def written(self, store: str = "") -> tuple[str, ...]:
        """The stores that writes go to, the deciding one first."""
        return self._chain.order(store) if store else self._written

    async def aget(self, path: str, *, consumer: str = "", store: str = "", version: str = "") -> Revealed:
        return await _in_thread(self.get, path, consumer=consumer, store=store, version=version)

    async def aput(self, path: str, value: Mapping[str, str], expected: str | None = None, *, store: str = "") -> str:
        return await _in_thread(self.put, path, value, expected, store=store)

    async def alist(self, prefix: str = "", *, store: str = "") -> tuple[str, ...]:
        return await _in_thread(self.list, prefix, store=store)

    async def aversions(self, path: str, *, store: str = "") -> Known:
        return await _in_thread(self.versions, path, store=store)

    async def adelete(self, path: str, *, store: str = "") -> None:
        await _in_thread(self.delete, path, store=store)

    async def areport(self, path: str, *, consumer: str, good: bool) -> None:
        await _in_thread(self.report, path, consumer=consumer, good=good)

    async def ahealth(self) -> tuple[Health, ...]:
        return await _in_thread(self.health)

    def report(self, path: str, *, consumer: str, good: bool) -> None:
        """Say how the new value of a secret does at a consumer while it is rolled out: one failure takes it back."""
        try:
            # To the store that the rotation is in, which need not be the first.
            name, _ = self._chain.first(checked_path(path), "", lambda one: one.get(FOLDER + path))
        except Missing:
            return
        self._chain.write(name, lambda one: report(one, path, consumer, good=good))

    def health(self) -> tuple[Health, ...]:
        """Ask each store how it is, all at once, within two seconds."""
        return self._chain.health()

    def close(self) -> None:
        """End logins and connections, and forget every value."""
        with self._lock:
            self._era += 1
            self._cache.clear()
        self._close()

    def __enter__(self) -> SecretClient:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    async def __aenter__(self) -> SecretClient:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await _in_thread(self.close)  # it says goodbye to servers

    def _get_version(self, path: str, store: str, version: str) -> Revealed:
        held = self._chain.last(store, lambda one: one.get(path, version))
        if held is None:
            remedy = "versions are a store's own: name another one with `store`"
            raise Missing(f"{path}: {store} has no version {version} of it ({remedy})", path=path)
        return Revealed(held.value, held.version, store)

    def _rolled_out(self, path: str, consumer: str, found: Revealed) -> Revealed:
        try:
            document = self._chain.once(found.store, lambda one: one.get(FOLDER + path), self._left_after)
        except BackendError:
            return found  # who may not or cannot see the rollout takes no part in it: what it has is never wrong
        pending = pending_for(document.value, path, consumer) if document else None
        return found if pending is None else Revealed(pending, "pending", found.store)

    def _keep(self, key: tuple[str, str, str], era: int, until: float, found: Revealed) -> None:
        with self._lock:
            if era != self._era:
                return  # something was written since the question: this may be what was there before
            self._cache.pop(key, None)
            if len(self._cache) >= CACHED:
                del self._cache[next(iter(self._cache))]  # the one that was read longest ago
            self._cache[key] = until, found

    def _forget(self, path: str) -> None:
        with self._lock:
            self._era += 1
            for key in [key for key in self._cache if key[0] == path]:
                del self._cache[key]
