"""Carry out changes in parallel along their order. One change fails alone: what does not need it goes on."""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from graphlib import TopologicalSorter
from typing import Any, NamedTuple

from reconciler.core.address import Address
from reconciler.core.change import Change
from reconciler.core.errors import ReconcilerError, bug
from reconciler.core.order import Graph

WRITERS = 16
"""Writes under way at once: more gains nothing on one server and makes a failure wider."""


AHEAD = 64
"""Changes that are announced at once, and under way while the next are: more than there are writers, so that none waits."""
INTERRUPTED = "interrupted before it began"


class Outcome(StrEnum):
    """What became of a change."""

    APPLIED = "applied"
    FAILED = "failed"
    SKIPPED = "skipped"
    UNDONE = "undone"


class Result(NamedTuple):
    """A change and what became of it."""

    change: Change[Any]
    outcome: Outcome
    error: str = ""


def execute(
    changes: Sequence[Change[Any]],
    order: Graph,
    write: Callable[[Change[Any]], Change[Any]],
    *,
    announce: Callable[[Sequence[Change[Any]]], None] = lambda _changes: None,
    stopping: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[Result, ...]:
    """Do every change after those it waits for; `write` returns it as it was done.

    `announce` is told of changes before they begin, some at a time; what it refuses fails. Once `stopping`, those in flight
    finish and the rest is skipped.
    """
    by_address = {change.address: change for change in changes}
    results: dict[Address, Result] = {}
    finished: queue.SimpleQueue[Result] = queue.SimpleQueue()
    waiting: deque[Change[Any]] = deque()
    under_way = 0
    sorter = _sorter(by_address, order)

    def attempt(change: Change[Any]) -> None:
        # Asked again here: many changes wait in the pool when the person presses Ctrl-C.
        finished.put(Result(change, Outcome.SKIPPED, INTERRUPTED) if stopping() else _attempt(change, write))

    with ThreadPoolExecutor(WRITERS, thread_name_prefix="apply") as pool:
        while sorter.is_active():
            for address in sorter.get_ready():
                failed = next((before for before in sorted(order.get(address, ())) if _failed(results.get(before))), None)
                if failed is None:
                    waiting.append(by_address[address])
                else:
                    under_way += 1
                    finished.put(Result(by_address[address], Outcome.SKIPPED, f"needs {failed}, which was not done"))
            while waiting and under_way <= AHEAD:
                some = [waiting.popleft() for _ in range(min(AHEAD, len(waiting)))]
                under_way += len(some)
                for change, refused in _announced(some, announce, stopping):
                    pool.submit(attempt, change) if refused is None else finished.put(refused)
            result = finished.get()
            under_way -= 1
            results[result.change.address] = result
            sorter.done(result.change.address)
            progress(len(results), len(by_address))
    return tuple(results[change.address] for change in changes)


def _sorter(addresses: Collection[Address], order: Graph) -> TopologicalSorter[Address]:
    sorter = TopologicalSorter({address: order.get(address, set()).intersection(addresses) for address in addresses})
    sorter.prepare()
    return sorter


def _announced(
    some: Sequence[Change[Any]], announce: Callable[[Sequence[Change[Any]]], None], stopping: Callable[[], bool]
) -> Iterator[tuple[Change[Any], Result | None]]:
    """Announce changes; with each, the result of those that may not begin."""
    refused: tuple[Outcome, str] | None = None
    if stopping():
        refused = Outcome.SKIPPED, INTERRUPTED
    else:
        try:
            announce(some)
        except ReconcilerError as error:
            refused = Outcome.FAILED, str(error)
    return ((change, Result(change, *refused) if refused else None) for change in some)


def _failed(result: Result | None) -> bool:
    return result is not None and result.outcome is not Outcome.APPLIED


def _attempt(change: Change[Any], write: Callable[[Change[Any]], Change[Any]]) -> Result:
    try:
        done = write(change)
    except ReconcilerError as error:
        return Result(change, Outcome.FAILED, str(error))
    except Exception as error:  # noqa: BLE001  # a bug in one kind must not leave the others half done and unrecorded
        return Result(change, Outcome.FAILED, bug(error))
    return Result(done, Outcome.APPLIED)
