"""A lease: the right to write for a while. It renews itself, and is over for good once it was over."""

from __future__ import annotations

import datetime
import logging
import threading
from collections.abc import Callable

from ..core.errors import BackendError, Conflict, LeaseLost
from .clock import Clock, iso
from .holder import KEY, Holder, LockEntry, write_entry
from .shelf import Shelf

log = logging.getLogger(__name__)

# Of a lease of 60 s: a request must end 5 s before the lease does, which pays for a stalled machine and for clocks
# that run at different speeds.
MARGIN_SHARE = 1 / 12
RENEWALS = 3  # a lease
RETRIES = 30  # a lease: how often a renewal that failed is tried again
GATE_POLL_SECONDS = 0.05

Background = Callable[[str, Callable[[], None]], None]


def in_background(name: str, work: Callable[[], None]) -> None:
    threading.Thread(target=work, name=name, daemon=True).start()


class Lease:
    """What `Lock.acquire` hands out. A context manager: leaving it releases the lock. Safe to use from many threads."""

    def __init__(self, shelf: Shelf, clock: Clock, holder: Holder, written: tuple[LockEntry, str], began: tuple[float, float]) -> None:
        self._shelf = shelf
        self._clock = clock
        self._holder = holder
        self._entry, self._version = written
        # Ticks and calendar of the moment before the write that made or renewed it: it never ends later than others see.
        self._began = began
        self._sent: dict[bytes, tuple[float, float]] = {}  # renewals whose answer we do not know
        self._lost = ""
        self._writing = threading.Lock()
        self._ended = threading.Event()

    @property
    def fence(self) -> int:
        return self._entry.fence

    @property
    def margin(self) -> float:
        return self._holder.lease * MARGIN_SHARE

    def __enter__(self) -> Lease:
        return self

    def __exit__(self, *_error: object) -> None:
        self.release()

    def gate(self, timeout: float) -> None:
        """Return when a request that takes up to `timeout` seconds may start; wait for a renewal that is late.

        Raises LeaseLost once the lease is over, or was taken or broken.
        """
        while self._remaining() <= timeout + self.margin or self._lost:
            if self._over() or timeout + self.margin >= self._holder.lease:
                raise LeaseLost(f"run {self._holder.run} lost the lock: {self._lost or 'a request would outlast it'}; nothing more is sent")
            self._clock.sleep(GATE_POLL_SECONDS)

    def renew(self) -> bool:
        """Renew now. False: the attempt failed, and the lease goes on as it was, or is lost."""
        with self._writing:
            if self._over() or self._ended.is_set():
                return False
            began = moment(self._clock)
            entry = renewed(self._entry, self._holder, self._clock)
            content = write_entry(entry)
            self._sent[content] = began
            self._entry = self._entry._replace(beat=entry.beat)  # another attempt must differ from this one
            try:
                self._confirm(entry, self._shelf.put(KEY, content, self._version), began)
            except Conflict:
                return self._look()
            except BackendError as error:
                log.warning("lock: a renewal failed, trying again: %s", error)
                return False
            return True

    def release(self) -> None:
        """Give the lock back. A lease that is over is left alone; so is a lock that cannot be reached: it runs out."""
        self._ended.set()
        with self._writing:
            if self._over():
                return
            free = write_entry(LockEntry(self.fence, self._entry.beat + 1))
            try:
                self._put_free(free)
            except BackendError as error:
                log.warning("lock: could not be released, it is free in at most %.0f s: %s", self._holder.lease, error)
            self._lost = self._lost or "it was released"

    def keep(self) -> None:
        """Renew until released or lost. What the background thread does."""
        pause = self._holder.lease / RENEWALS
        while not self._ended.wait(pause):
            pause = self._holder.lease / (RENEWALS if self.renew() else RETRIES)
            if self._lost:
                return

    def _put_free(self, free: bytes) -> None:
        try:
            self._shelf.put(KEY, free, self._version)
        except Conflict:
            if self._look():
                self._shelf.put(KEY, free, self._version)

    def _look(self) -> bool:
        """After a refused renewal: an earlier one whose answer was lost may have been ours."""
        try:
            found = self._shelf.get(KEY)
        except BackendError:
            return False
        began = self._sent.get(found.content) if found else None
        if found is None or began is None:
            self._lost = "another run took it, or somebody broke it"
            return False
        self._confirm(self._entry, found.version, began)
        return True

    def _confirm(self, entry: LockEntry, version: str, began: tuple[float, float]) -> None:
        self._entry, self._version, self._began = entry, version, began
        self._sent.clear()

    def _remaining(self) -> float:
        began_ticks, began_calendar = self._began
        ticks, calendar = moment(self._clock)
        # A virtual machine that was paused may not count the pause in ticks; its calendar is set right soon after.
        return self._holder.lease - max(ticks - began_ticks, calendar - began_calendar)

    def _over(self) -> bool:
        """Once over, over for good: nobody may come back from sleep and go on."""
        if not self._lost and self._remaining() <= 0:
            self._lost = "its lease ran out (this machine slept, or the ledger could not be reached)"
        return bool(self._lost)


def moment(clock: Clock) -> tuple[float, float]:
    """Ticks and calendar seconds of now."""
    return clock.ticks(), clock.now().timestamp()


def renewed(entry: LockEntry, holder: Holder, clock: Clock) -> LockEntry:
    """The next entry of a holder, with a whole lease from now on."""
    until = iso(clock.now() + datetime.timedelta(seconds=holder.lease))
    return LockEntry(entry.fence, entry.beat + 1, holder._replace(until=until, ticks=clock.ticks() + holder.lease))
