"""A limit on how long a call is waited for: a store that hangs must not hold up its reader."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

from ..core.errors import Unavailable

R = TypeVar("R")


class _Outcome(Generic[R]):
    """Carries what a call returns or raises from its thread to the one that waits."""

    def __init__(self) -> None:
        self.done = threading.Event()
        self.answer: list[R] = []
        self.error: BaseException | None = None

    def __enter__(self) -> None: ...

    def __exit__(self, _sort: object, error: BaseException | None, _trace: TracebackType | None) -> bool:
        self.error = error
        self.done.set()
        return True


def within(name: str, seconds: float, ask: Callable[[], R]) -> R:
    """Return or raise what `ask` does; Unavailable when it takes longer. It is then left to end by itself."""
    outcome: _Outcome[R] = _Outcome()

    def run() -> None:
        with outcome:
            outcome.answer.append(ask())

    # A daemon: one that hangs for good must not keep the process from ending.
    threading.Thread(target=run, name=f"ask {name}", daemon=True).start()
    if not outcome.done.wait(seconds):
        raise Unavailable(f"{name} did not answer within {seconds:.0f} s")
    if outcome.error is not None:
        raise outcome.error
    return outcome.answer[0]
