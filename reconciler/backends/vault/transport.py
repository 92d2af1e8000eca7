"""Requests to one instance that outlast what passes: sealed and standby servers, rate limits, 5xx, dropped connections.

What is sent again, and when:

* A read is sent again after anything that may pass.
* A write is a whole spec, so doing it twice is doing it once, and it is sent again as well, unless it is `once` (a
  check-and-set): the first may have been done although its answer was lost, and the second would be refused for the
  very version that the first made. That is a Conflict; the caller reads again. Where the request cannot have arrived,
  it is sent again even so.
* 500 is Vault's answer to many requests that will never work (an entry too large for raft, a database that refuses
  its password), so it is tried three times and then reported as what it is, not waited out.
* A server that has never answered is more often a wrong address than a passing fault: there the limit is lower.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...core.errors import Conflict, Unavailable
from .connection import Connection
from .faults import server_words
from .pool import Circle, Gate, Pool, Request, always_open
from .wire import Answer, Dropped

if TYPE_CHECKING:
    from tenacity import RetryCallState

READ_SECONDS = 60.0  # a list of 100,000 policies takes a server seconds
WRITE_SECONDS = 20.0  # must fit into a lease of 60 s with room for its renewal
RETRY_SECONDS = 30.0  # an election takes a cluster about ten
FIRST_CONTACT_SECONDS = 5.0
ATTEMPTS_500 = 3
FIRST_PAUSE = 0.1
_GATEWAY = "see the server's log and what stands before it"
_NEW_MOUNT = b"Upgrading from non-versioned to versioned data"
_NO_LEADER = ("local node not active", "active cluster node not found", "no active")


class _Passing(Exception):
    """Something that may pass."""

    def __init__(self, what: str, remedy: str, *, wait: float = 0.0, answer: Answer | None = None, lost: bool = False) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy
        self.wait = wait  # seconds the server asked for
        self.answer = answer  # a 500: returned in the end, since its text says more than ours
        self.lost = lost  # it may have been done


class Transport:
    """All requests of one run to one instance. Safe to use from many threads.

    `sleep` is injected by tests; `retry_seconds` is the stated limit after which Unavailable is raised.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        retry_seconds: float = RETRY_SECONDS,
        read_seconds: float = READ_SECONDS,
        write_seconds: float = WRITE_SECONDS,
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        self.pool = Pool(connection, read_seconds, write_seconds)
        self.retry_seconds = retry_seconds
        self._closed = threading.Event()
        # Waiting on the event, not in time.sleep: close() must not have to wait for a back-off to end.
        self._pause = sleep or self._closed.wait

    @property
    def requests(self) -> int:
        """How many requests were sent, with those sent again."""
        return self.pool.requests

    @property
    def address(self) -> str:
        return str(self.pool.host)

    def send(self, request: Request, gate: Gate = always_open, *, patient: bool = True) -> Answer:
        """Send, follow, and if patient retry. Returns the server's last word, whatever its status.

        Raises Unavailable, Conflict (a `once` request whose answer was lost), BackendError, or what `gate` raises.
        """
        try:
            return self._attempt(request, gate)
        except _Passing as passing:
            return self._again(request, gate, passing) if patient else self._give_up(request, [passing], 0.0)

    def _attempt(self, request: Request, gate: Gate) -> Answer:
        try:
            answer = self.pool.exchange(request, gate)
        except Dropped as dropped:
            if dropped.sent and request.once:
                raise _lost(request) from None
            remedy = "check that the server runs and that the address, the network and the proxy lead to it"
            raise _Passing(str(dropped), remedy, lost=dropped.sent) from None
        except Circle:
            raise _Passing("standbys redirect to each other", "see whether the cluster has an active server") from None
        if answer.status == 429 or answer.status >= 472 or (answer.status == 400 and _NEW_MOUNT in answer.body):
            _judge(request, answer)
        return answer

    def _again(self, request: Request, gate: Gate, first: _Passing) -> Answer:
        from tenacity import Retrying, retry_if_exception_type, wait_exponential, wait_random  # it imports asyncio: only when needed

        limit = self.retry_seconds if self.pool.round_trip else min(self.retry_seconds, FIRST_CONTACT_SECONDS)
        began = time.monotonic()
        failures = [first]
        back_off = wait_exponential(multiplier=2 * FIRST_PAUSE, max=5.0) + wait_random(0, FIRST_PAUSE)

        def attempt() -> Answer:
            try:
                return self._attempt(request, gate)
            except _Passing as passing:
                failures.append(passing)
                raise

        def pause(state: RetryCallState) -> float:
            return failures[-1].wait or back_off(state)

        def enough(state: RetryCallState) -> bool:
            if failures[-1].answer and len(failures) >= ATTEMPTS_500:
                return True
            # Slept time counts beside the clock's: the sleep of a test takes no time.
            return max(state.idle_for, time.monotonic() - began) + state.upcoming_sleep > limit or self._closed.is_set()

        if (first.wait or FIRST_PAUSE) > limit:
            return self._give_up(request, failures, 0.0)
        self._sleep(first.wait or FIRST_PAUSE)
        retrying = Retrying(retry=retry_if_exception_type(_Passing), wait=pause, stop=enough, sleep=self._sleep, reraise=True)
        try:
            answer = retrying(attempt)
        except _Passing:
            return self._give_up(request, failures, time.monotonic() - began)
        if request.mutating and answer.status == 400 and any(failure.lost for failure in failures):
            raise _lost(request)  # "already exists", to a create whose first sending did it
        return answer

    def _give_up(self, request: Request, failures: list[_Passing], seconds: float) -> Answer:
        last = failures[-1]
        if last.answer:
            return last.answer
        tries = "once" if len(failures) == 1 else f"{len(failures)} times in {seconds:.0f} s"
        raise Unavailable(f"{self.address}: {last.what}; tried {tries} ({last.remedy})", path=request.path) from None

    def _sleep(self, seconds: float) -> None:
        self._pause(seconds)

    def close(self) -> None:
        """End every wait and close idle connections. Requests under way end by themselves."""
        self._closed.set()
        self.pool.close()


def _lost(request: Request) -> Conflict:
    return Conflict(f"{request.path}: the answer to a write was lost, so it may or may not have been done (plan again)", path=request.path)


def _judge(request: Request, answer: Answer) -> None:
    """Raise _Passing for a status that may pass; return for one that is the server's last word."""
    status = answer.status
    wait = _retry_after(answer.header("retry-after"))
    if status == 429:
        raise _Passing("it limits the rate of requests (status 429)", "raise its rate limit quota for this login, or run later", wait=wait)
    if status == 400:  # only for a mount that is being made; the request was not looked at
        raise _Passing("a new KV v2 mount is not ready yet", "try again in a moment")
    if status in (472, 473):
        raise _Passing(f"it is a standby that serves no requests (status {status})", "set the address to the active server")
    if status < 500 or status == 501:
        return
    words = server_words(answer.body)
    if status == 503:
        sealed = "sealed" in words
        remedy = "unseal it: bao operator unseal" if sealed else _GATEWAY
        raise _Passing("it is sealed" if sealed else "it is not ready (status 503)", remedy, wait=wait)
    if status == 500 and any(text in words for text in _NO_LEADER):
        raise _Passing("it is a standby and the cluster has no active server", "see whether the cluster has a quorum")
    if status != 500 and request.once:
        raise _lost(request)  # a gateway's answer: the server behind it may have done it
    if request.once:
        return
    raise _Passing(f"it answered with status {status}", _GATEWAY, wait=wait, answer=answer if status == 500 else None, lost=status != 500)


def _retry_after(text: str) -> float:
    # The other form, a date, is never sent by Vault; without a number the back-off decides.
    return float(text) if text.isdigit() else 0.0
