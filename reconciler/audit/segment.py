"""A segment: the lines of one process, in a file that only it appends to. Whoever records waits for the disk.

* **Group commit.** Threads that wait at the same time wait for one fsync: the first of them writes the lines of all.
* **Single writer.** The file is locked for as long as its writer lives, so that others can tell a segment that was left
  behind from one that is slow. Each process has a file of its own: one that is stopped holds up nobody.
* **Fail-closed.** After any failure nothing is appended any more, since nobody knows what a failed fsync has kept. That
  the file is the one that was opened, and ends where it was left, is looked at before every append.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from ..core.errors import ReconcilerError
from .chain import GAP_SECONDS
from .event import NO_LINE, Cleans, Event, Stamp, line_of, moment
from .merkle import Frontier, leaf_hash

SUFFIX = ".jsonl"
LAG = 256  # outcomes that may wait for the next fsync; more are not kept back


class Unloggable(ReconcilerError):
    """Nothing can be recorded, so nothing may be done."""


class Written(NamedTuple):
    """What a segment came to."""

    id: str
    leaves: tuple[bytes, ...]
    begun: float
    ended: float


class Segment:
    """An open segment. Safe to use from many threads."""

    def __init__(self, path: Path, writer: str, now: Callable[[], float], clean: Cleans) -> None:
        self.path = path
        self.writer = writer
        self._now = now
        self._clean = clean
        self._turn = threading.Condition()
        self._pending: list[bytes] = []
        self._leaves: list[bytes] = []
        self._tree = Frontier()
        self._prev = NO_LINE
        self._kept = 0  # lines that are on the disk
        self._size = 0  # bytes of them
        self._flushing = False
        self._broken = ""
        self.last = self._begun = 0.0
        self._file = _create(path)

    @property
    def count(self) -> int:
        """Lines so far."""
        return len(self._leaves)

    def append(self, events: Iterable[Event], *, wait: bool = True) -> None:
        """Record events, in this order. Returns when they are on the disk; without `wait`, when they will be with the next.

        Raises Unloggable.
        """
        with self._turn:
            self._must_work()
            self._own_up()
            for event in events:
                self._add(event)
            if wait or len(self._pending) >= LAG:
                self._flush()

    def tree(self) -> Frontier:
        """The tree over all lines, once they are on the disk. Raises Unloggable."""
        with self._turn:
            self._must_work()
            self._flush()
            self._tree.extend(self._leaves[self._tree.size :])
            return self._tree.copy()

    def finish(self) -> Written:
        """Flush, and take no more lines. Others still see that somebody looks after the file. Raises Unloggable."""
        with self._turn:
            self._must_work()
            self._flush()
            self._broken = "the segment is finished"
        return Written(self.path.name.removesuffix(SUFFIX), tuple(self._leaves), self._begun, self.last)

    def abandon(self) -> None:
        """Let go of the file as it is: the next process looks after it."""
        with self._turn:
            self._broken = self._broken or "the segment is abandoned"
            if self._file >= 0:
                os.close(self._file)
                self._file = -1

    def _own_up(self) -> None:
        """Say so where nothing was recorded for a while, because the machine slept: else it would look as if lines were missing."""
        idle = self._now() - self.last
        if self._leaves and idle > GAP_SECONDS:
            self._add(Event("recovery", action="audit.gap", code="gap", phase=f"{idle:.0f} s"))

    def _add(self, event: Event) -> None:
        # A clock that was set back must not make lines that contradict each other.
        self.last = max(self._now(), self.last)
        self._begun = self._begun or self.last
        line = line_of(event, Stamp(len(self._leaves), moment(self.last), self.writer, self._prev), self._clean)
        leaf = leaf_hash(line)
        self._pending.append(line + b"\n")
        self._leaves.append(leaf)
        self._prev = leaf.hex()

    def _flush(self) -> None:
        """Return when all lines up to now are on the disk, whoever writes them. Called with the lock held."""
        wanted = len(self._leaves)
        while self._kept < wanted:
            self._must_work()
            if self._flushing:
                self._turn.wait()
            else:
                self._lead(b"".join(self._pending), len(self._leaves))

    def _lead(self, batch: bytes, count: int) -> None:
        """Write for everybody who waits, and let others add lines meanwhile."""
        self._pending, self._flushing = [], True
        self._turn.release()
        trouble = "a write was interrupted"
        try:
            trouble = self._keep(batch)
        finally:
            self._turn.acquire()
            self._flushing = False
            self._broken = self._broken or trouble
            self._kept = self._kept if self._broken else count
            self._turn.notify_all()

    def _keep(self, batch: bytes) -> str:
        """Append and sync; the reason where that failed."""
        try:
            here, there = os.fstat(self._file), os.stat(self.path)
            if (here.st_dev, here.st_ino) != (there.st_dev, there.st_ino):
                return "another file was put in its place"
            if here.st_size != self._size:
                return "somebody else wrote to it" if here.st_size > self._size else "somebody cut it"
            left = memoryview(batch)
            while left:
                left = left[os.write(self._file, left) :]
            os.fsync(self._file)
        except OSError as error:
            return error.strerror or type(error).__name__
        self._size += len(batch)
        return ""

    def _must_work(self) -> None:
        if self._broken:
            raise Unloggable(f"{self.path}: the audit log cannot be written, so nothing is changed: {self._broken}")


def _create(path: Path) -> int:
    """Make and lock the file. Raises Unloggable."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        sync_folder(path.parent)
    except OSError as error:
        raise Unloggable(f"{path}: the audit log cannot be written, so nothing is changed: {error.strerror}") from None
    return file


def sync_folder(folder: Path) -> None:
    """Without this, a power failure may take a new file away again."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
