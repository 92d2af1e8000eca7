"""What the ledger says is managed, kept in memory and up to date, so that no page waits for the ledger."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice

from reconciler.core.address import Place, parse_address
from reconciler.core.errors import ReconcilerError, Unavailable
from reconciler.core.run import AppliedVersion
from reconciler.ledger.ledger import Ledger
from reconciler.ledger.records import State
from reconciler.ledger.shelf import Shelf
from reconciler.server.pages.sources import Resource

from .sight import ENGINE, METHOD

log = logging.getLogger(__name__)

VERSIONS_SHOWN = 20
LOOK_SECONDS = 3.0  # how late a run of somebody else is seen
STALE_SECONDS = 60.0  # how long the last known is shown while the ledger does not answer
JOIN_SECONDS = 5.0


class Managed:
    """Safe to use from many threads. Raises ReconcilerError where nothing is known, or it was too long ago."""

    def __init__(self, shelf: Callable[[], Shelf], ticks: Callable[[], float] = time.monotonic) -> None:
        self._shelf = shelf
        self._ticks = ticks
        self._lock = threading.Lock()
        self._mark: object = None
        self._rows: Sequence[Resource] = ()
        self._mounts: Mapping[tuple[str, Place], Collection[str]] = {}
        self._at = float("-inf")
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._keep_up, name="managed", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def wake(self) -> None:
        """A run may have ended."""
        self._wake.set()

    def stop(self) -> None:
        self._stopping.set()
        self._wake.set()

    def join(self) -> None:
        """Wait for what is under way, for a while: a ledger that hangs must not hold up the end."""
        self._thread.join(JOIN_SECONDS)

    def resources(self) -> Sequence[Resource]:
        """Every object that is managed, by address."""
        if self._at == float("-inf"):
            self.look()
        if self._ticks() - self._at > STALE_SECONDS:
            raise Unavailable("the ledger has not answered for a while", path="ledger")
        return self._rows

    def mounts(self, kind: str, place: Place) -> Collection[str]:
        """The mounts of a kind that are managed in a place, whatever else is known of them by now."""
        return self._mounts.get((kind, place), ())

    def versions(self, named: str) -> Sequence[AppliedVersion]:
        """The latest versions of an object, newest first."""
        try:
            address = parse_address(named)
        except ValueError:
            return ()
        return tuple(islice(Ledger(self._shelf()).versions(address), VERSIONS_SHOWN))

    def look(self) -> None:
        """Read what is managed, where a run has changed it since."""
        with self._lock:  # whoever comes while it is read waits for the same
            ledger = Ledger(self._shelf())
            newest = next(ledger.runs(), None)
            if newest is None or newest != self._mark:
                state = ledger.load()[0]
                self._rows, self._mounts, self._mark = _rows(state), _mounts(state), newest
            self._at = self._ticks()

    def _keep_up(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()  # before it is read: a run that ends in between is seen in the next round
            try:
                self.look()
            except ReconcilerError as error:
                log.warning("what is managed cannot be told: %s", error)
            self._wake.wait(LOOK_SECONDS)


def _rows(state: State) -> Sequence[Resource]:
    owned = [Resource(str(address), address.kind, one.run, one.lifecycle.protect) for address, one in state.owned.items()]
    declared = [Resource(str(address), address.kind) for address in state.declared if address not in state.owned]
    return tuple(sorted(owned + declared))


def _mounts(state: State) -> Mapping[tuple[str, Place], Collection[str]]:
    found: dict[tuple[str, Place], set[str]] = {}
    for address in state.owned:
        if address.kind in (ENGINE, METHOD):
            found.setdefault((address.kind, address.place), set()).add(address.name)
    return found
