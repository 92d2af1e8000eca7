"""Works events off: claims a subject, has it looked at in a thread, and ends or puts off its events.

Threads and not coroutines: a look waits for git, a forge and child processes, all of which block.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

from ..core.errors import ReconcilerError, Unavailable, bug
from .events import Claim, Events

log = logging.getLogger(__name__)

Look = Callable[[Claim], str]
"""Looks at a claimed subject and returns what came of it, in a few words. Raises Later, Stopped, or any error: then it is tried again."""

POLL_SECONDS = 1.0  # what other replicas were told is seen this late
FIRST_PAUSE = 5.0
LONGEST_PAUSE = 600.0
MOST_ATTEMPTS = 20  # over two hours: an outage that lasts longer ends with somebody's new event


class Later(ReconcilerError):
    """Nothing is wrong, but it is too early."""

    def __init__(self, seconds: float, why: str) -> None:
        super().__init__(why)
        self.seconds = seconds


class Stopped(ReconcilerError):
    """The server ends: somebody else shall look."""


class Looked(NamedTuple):
    """One look that ended, for whoever counts them."""

    subject: str
    outcome: str
    seconds: float
    failed: bool


class Workers:
    """`count` looks at once, of which one is kept free for the `urgent` subject. `looks` by the first part of a subject."""

    def __init__(
        self,
        events: Events,
        looks: Mapping[str, Look],
        *,
        count: int = 2,
        urgent: str = "branch",
        told: Callable[[Looked], None] = lambda _looked: None,
    ) -> None:
        self._events = events
        self._looks = looks
        self._told = told
        self._count = count
        self._urgent = urgent
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._active: dict[str, Claim] = {}
        self._pool = ThreadPoolExecutor(count, "look")
        self._threads = [threading.Thread(target=run, name=run.__name__.strip("_")) for run in (self._dispatch, self._renew)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def alive(self) -> bool:
        """Whether looks are still begun; else only a new start helps."""
        return self._threads[0].is_alive()

    def wake(self) -> None:
        """There may be something to do. Safe from anywhere."""
        self._wake.set()

    def stop(self) -> None:
        """Begin no more looks. What is under way goes on."""
        self._stopping.set()
        self._wake.set()

    def join(self) -> None:
        """Wait until every look has ended and is recorded."""
        self._threads[0].join()
        self._pool.shutdown(wait=True)
        self._threads[1].join()

    def _dispatch(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()  # before it is looked for: what comes in between is seen in the next round
            claim = self._next()
            if claim is None:
                self._wake.wait(POLL_SECONDS)
                continue
            with self._lock:
                self._active[claim.token] = claim
            look = self._looks.get(claim.subject.partition("/")[0], _nobody)
            began = time.monotonic()
            self._pool.submit(look, claim).add_done_callback(partial(self._ended, claim, began))

    def _next(self) -> Claim | None:
        """The last free place is for the urgent subject: pull requests may be many, and their plans long."""
        with self._lock:
            free = self._count - len(self._active)
        if free <= 0:
            return None
        return self._take(self._urgent if free == 1 and self._count > 1 else "")

    def _take(self, only: str) -> Claim | None:
        try:
            return self._events.take(only)
        except Unavailable as error:
            log.warning("events: %s", error)
            return None

    def _ended(self, claim: Claim, began: float, future: Future[str]) -> None:
        error = future.exception()
        try:
            self._record(claim, future, error)
        except Unavailable as failed:
            # Its lease ends by itself, and then somebody looks again: more than needed is harmless.
            log.warning("%s: what came of it could not be kept: %s", claim.subject, failed)
        with self._lock:
            del self._active[claim.token]
        outcome = future.result() if error is None else _words(error)
        failed_ = error is not None and not isinstance(error, Later | Stopped)
        (log.warning if failed_ else log.info)("%s: %s", claim.subject, outcome)
        self._told(Looked(claim.subject, outcome, time.monotonic() - began, failed_))
        self._wake.set()

    def _record(self, claim: Claim, future: Future[str], error: BaseException | None) -> None:
        if error is None:
            self._events.finish(claim, future.result())
        elif isinstance(error, Stopped):
            self._events.give_back(claim)
        elif isinstance(error, Later):
            self._events.put_off(claim, error.seconds, str(error))
        elif claim.attempts + 1 >= MOST_ATTEMPTS:
            self._events.finish(claim, f"given up: {_words(error)}")
        else:
            self._events.put_off(claim, min(FIRST_PAUSE * 2.0**claim.attempts, LONGEST_PAUSE), _words(error))

    def _renew(self) -> None:
        """Hold every claim that is worked on, to the end of the last look."""
        while not self._stopping.wait(self._events.lease / 3) or self._threads[0].is_alive() or self._active:
            with self._lock:
                held = list(self._active.values())
            for claim in held:
                try:
                    if not self._events.renew(claim):
                        log.warning("%s: somebody else looks at it now, since this server was too slow", claim.subject)
                except Unavailable as error:
                    log.warning("%s: its claim could not be renewed: %s", claim.subject, error)
            if self._stopping.is_set():
                time.sleep(min(0.1, self._events.lease / 3))


def _words(error: BaseException) -> str:
    return str(error) if isinstance(error, ReconcilerError) else bug(error)


def _nobody(claim: Claim) -> str:
    return f"nothing to do about {claim.subject}"
