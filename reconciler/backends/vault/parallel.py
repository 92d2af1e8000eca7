"""Do one thing to many inputs in a few threads, and yield what comes out as it comes.

A queue, not `concurrent.futures.wait`: waiting over 10,000 futures looks at all of them for each that is done.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future
from queue import SimpleQueue
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

# Results travel in handfuls: waking the consumer for each costs a switch of the interpreter lock per request.
_HANDFUL = 32


def in_parallel(executor: Executor, width: int, work: Callable[[T], R], inputs: Sequence[T]) -> Iterator[R]:
    """Yield `work(each)` for all inputs, in no order. The first error is raised here and ends the rest.

    Leaving the loop early, an exception in it or Ctrl-C stop the workers after the input each is at.
    """
    waiting = deque(inputs)  # popleft is atomic: no lock
    results: SimpleQueue[list[R] | Future[None]] = SimpleQueue()

    def drain() -> None:
        handful: list[R] = []
        while True:
            try:
                each = waiting.popleft()
            except IndexError:
                break
            handful.append(work(each))
            if len(handful) >= _HANDFUL:
                results.put(handful)
                handful = []
        results.put(handful)

    workers = min(width, len(waiting))
    try:
        for _ in range(workers):
            executor.submit(drain).add_done_callback(results.put)
        while workers:
            got = results.get()
            if isinstance(got, Future):
                workers -= 1
                got.result()  # raises what ended the worker
            else:
                yield from got
    finally:
        waiting.clear()
