"""The lock of an environment: one entry on the shelf, changed only by check-and-set.

A lock is held for a lease of a minute at most, which its holder renews. When is it free?

* **The holder says so**: it released it, or somebody broke it.
* **The holder is dead**: it was a process of this machine, in these namespaces, and is gone. Taken at once.
* **Same machine, alive, lease over**: both sides read the same clock, so the lease's own end counts.
* **Another machine**: clocks differ, so a timestamp proves nothing by itself. Either this side has watched the entry
  unchanged for a whole lease on its own clock (the holder counts from before its write, so its lease ended earlier),
  or the lease ended longer ago than clocks of machines that can still log in may differ (`SKEW`).

The fence counts acquisitions. The ledger refuses a save with an older fence than the head has.
The lock's shelf must be of clients without a gate: it is what the gate stands on.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable

from ..core.errors import Conflict, LockHeld
from . import head
from .clock import Clock, SystemClock, iso
from .holder import KEY, Holder, LockEntry, read_entry, write_entry
from .lease import MARGIN_SHARE, Background, Lease, in_background, moment, renewed
from .machine import Process, is_gone, this_process
from .shelf import Entry, Shelf

LEASE_SECONDS = 60.0
# Kerberos and AWS refuse requests of machines whose clocks differ by more: they could not have applied anything.
SKEW = datetime.timedelta(minutes=5)
POLL_SECONDS = 1.0


class Lock:
    """One environment's lock. `background` runs what renews a lease; tests renew by hand."""

    def __init__(
        self,
        shelf: Shelf,
        clock: Clock | None = None,
        *,
        lease: float = LEASE_SECONDS,
        process: Callable[[], Process] = this_process,
        background: Background = in_background,
    ) -> None:
        self._shelf = shelf
        self._clock = clock or SystemClock()
        self._lease = min(lease, LEASE_SECONDS)
        self._process = process
        self._background = background

    def acquire(self, owner: str, run: str, timeout: float = 0.0) -> Lease:
        """Take the lock, or wait up to `timeout` seconds for it. Raises LockHeld, saying by whom."""
        start = self._clock.ticks()
        seen, since = b"", start
        while True:
            found = self._shelf.get(KEY)
            entry = read_entry(found.content) if found else LockEntry(self._first_fence())
            now = self._clock.ticks()
            if found and found.content != seen:
                seen, since = found.content, now
            if entry.holder is None or self._free(entry.holder, now - since):
                lease = self._take(owner, run, entry, found)
                if lease:
                    return lease
                continue  # somebody was quicker, and is looked at anew
            if now - start >= timeout:
                raise LockHeld(_held(entry.holder))
            self._clock.sleep(min(POLL_SECONDS, timeout - (now - start)))

    def status(self) -> Holder | None:
        """Who holds the lock. A holder whose lease is over may be shown until somebody takes the lock."""
        found = self._shelf.get(KEY)
        return read_entry(found.content).holder if found else None

    def break_(self) -> Holder | None:
        """Free the lock, whoever holds it; return who did. For a holder that is known to be gone.

        One that lives learns of it at its next renewal, within a third of its lease. Raises Conflict if the lock moved.
        """
        found = self._shelf.get(KEY)
        entry = read_entry(found.content) if found else LockEntry()
        if found and entry.holder:
            self._shelf.put(KEY, write_entry(LockEntry(entry.fence, entry.beat + 1)), found.version)
        return entry.holder

    def _free(self, holder: Holder, watched: float) -> bool:
        here = self._process()
        lease = min(holder.lease, LEASE_SECONDS)
        if holder.process.world and holder.process.world == here.world:
            return is_gone(holder.process, here) or self._clock.ticks() > holder.ticks
        until = datetime.datetime.fromisoformat(holder.until)
        return watched > lease * (1 + MARGIN_SHARE) or self._clock.now() > until + SKEW

    def _take(self, owner: str, run: str, entry: LockEntry, found: Entry | None) -> Lease | None:
        began = moment(self._clock)
        now = iso(self._clock.now())
        holder = Holder(owner, run, now, now, self._lease, began[0], self._process())
        # Beats go on over fences, so that even a fence that begins anew repeats no content.
        ours = renewed(LockEntry(entry.fence + 1, entry.beat), holder, self._clock)
        content = write_entry(ours)
        try:
            version = self._shelf.put(KEY, content, found.version if found else "")
        except Conflict:
            # The answer to our own write may have been lost, and a second attempt refused.
            now_there = self._shelf.get(KEY)
            if now_there is None or now_there.content != content:
                return None
            version = now_there.version
        lease = Lease(self._shelf, self._clock, holder, (ours, version), began)
        self._background(f"lease-{run}", lease.keep)
        return lease

    def _first_fence(self) -> int:
        """A lock whose entry somebody deleted must not count from one again: the ledger would refuse its holders."""
        found = self._shelf.get(head.KEY)
        return head.read_head(found.content).fence if found else 0


def _held(holder: Holder) -> str:
    return (
        f"locked by {holder.owner} on {holder.process.host} (run {holder.run}) since {holder.since}, until {holder.until} unless renewed "
        "(wait with --lock-timeout 2m, or, if that run is gone for good, `reconcile lock break`)"
    )


__all__ = ["LEASE_SECONDS", "SKEW", "Holder", "Lease", "Lock"]
