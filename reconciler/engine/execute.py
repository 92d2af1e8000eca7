"""Carry out changes in parallel along their order. One change fails alone: what does not need it goes on."""

from __future__ import annotations

import queue
from collections.abc import Callable, Sequence
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
    stopping: Callable[[], bool] = lambda: False,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> tuple[Result, ...]:
    """Do every change after those it waits for; `write` returns it as it was done.

    Once `stopping`, those in flight finish and the rest is skipped.
    """
    by_address = {change.address: change for change in changes}
    results: dict[Address, Result] = {}
    finished: queue.SimpleQueue[Result] = queue.SimpleQueue()
    sorter = TopologicalSorter({address: order.get(address, set()) & by_address.keys() for address in by_address})
    sorter.prepare()

    def attempt(change: Change[Any]) -> None:
        # Asked again here: many changes wait in the pool when the person presses Ctrl-C.
        finished.put(Result(change, Outcome.SKIPPED, INTERRUPTED) if stopping() else _attempt(change, write))

    with ThreadPoolExecutor(WRITERS, thread_name_prefix="apply") as pool:
        while sorter.is_active():
            for address in sorter.get_ready():
                failed = next((before for before in sorted(order.get(address, ())) if _failed(results.get(before))), None)
                if failed is None:
                    pool.submit(attempt, by_address[address])
                else:
                    finished.put(Result(by_address[address], Outcome.SKIPPED, f"needs {failed}, which was not done"))
            result = finished.get()
            results[result.change.address] = result
            sorter.done(result.change.address)
            progress(len(results), len(by_address))
    return tuple(results[change.address] for change in changes)


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
