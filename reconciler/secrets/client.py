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
from functools import partial
from pathlib import Path
from typing import Literal, TypeVar

from ..core.breaker import FAILURES, PAUSE_SECONDS
from ..core.errors import BackendError, Missing, Unavailable
from .failover import LAST_SECONDS, LEFT_AFTER, Ask, Chain, Health
from .revealed import Known, Listed, Revealed
from .rollout import FOLDER, pending_for, report
from .store import Held, SecretStore, checked_path

R = TypeVar("R")

CACHED = 10_000  # secrets kept in memory at most
_OVERTAKEN = 5  # how often copies are written again because somebody else wrote meanwhile


class PartlyWritten(BackendError):
    """Some stores have the new state and others do not. The same call again puts it right."""

    exit_code = 5


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
        first, *copies = self.written(store)
        try:
            version = self._chain.write(first, lambda one: one.put(path, value, expected))
            if copies:
                self._copy(path, Held(value, version), first, copies)
        finally:
            self._forget(path)
        return version

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
        first, *copies = self.written(store)
        try:
            # The first store last: until it is gone there it is there, and the delete can be done again.
            self._each(path, copies, lambda one: one.delete(path), f"is still in {first}")
            self._chain.write(first, lambda one: one.delete(path))
        finally:
            self._forget(path)

    def destroy(self, path: str, version: str, *, store: str = "") -> None:
        """Make one version unreadable for good, in `store` or in the first one."""
        self._chain.write(self._chain.order(store)[0], lambda one: one.destroy(path, version))
        self._forget(path)

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

    def report(self, path: str, *, consumer: str, good: bool) -> None:
        """Say how the new value of a secret does at a consumer while it is rolled out: one failure takes it back."""
        name = self._chain.order("")[0]
        self._chain.write(name, lambda one: report(one, checked_path(path), consumer, good=good))

    def health(self) -> tuple[Health, ...]:
        """Ask each store how it is, all at once, within two seconds."""
        return self._chain.health()

    def close(self) -> None:
        """End logins and connections, and forget every value."""
        with self._lock:
            self._cache.clear()
        self._close()

    def __enter__(self) -> SecretClient:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _get_version(self, path: str, store: str, version: str) -> Revealed:
        held = self._chain.last(store, lambda one: one.get(path, version))
        if held is None:
            remedy = "versions are a store's own: name another one with `store`"
            raise Missing(f"{path}: {store} has no version {version} of it ({remedy})", path=path)
        return Revealed(held.value, held.version, store)

    def _rolled_out(self, path: str, consumer: str, found: Revealed) -> Revealed:
        try:
            document = self._chain.once(found.store, lambda one: one.get(FOLDER + path), LAST_SECONDS)
        except BackendError:
            return found  # who may not or cannot see the rollout takes no part in it: what it has is never wrong
        pending = pending_for(document.value, path, consumer) if document else None
        return found if pending is None else Revealed(pending, "pending", found.store)

    def _copy(self, path: str, held: Held, first: str, copies: Sequence[str]) -> None:
        """Write what the first store has to the others, until it is still that: a later put must not be overtaken by its copies."""
        for _ in range(_OVERTAKEN):
            self._each(path, copies, partial(_put, path=path, value=held.value), f"is in {first}")
            now = self._chain.write(first, lambda one: one.get(path))
            if now is None or now.version == held.version:
                return
            held = now

    def _each(self, path: str, names: Sequence[str], do: Ask[object], done: str) -> None:
        failures: dict[str, str] = {}
        for name in names:
            try:
                self._chain.write(name, do)
            except BackendError as error:
                failures[name] = str(error)
        if failures:
            reasons = "; ".join(f"{name}: {why}" for name, why in failures.items())
            raise PartlyWritten(f"{path}: {done}, but not as it should be everywhere: {reasons} (do the same again)", path=path)

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


def _put(store: SecretStore, path: str, value: Mapping[str, str]) -> str:
    return store.put(path, value)
