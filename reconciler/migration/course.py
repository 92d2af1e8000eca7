"""Does one thing with many secrets at once, and tells how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from ..core.errors import ReconcilerError

R = TypeVar("R")

THREADS = 8
Tell = Callable[[int, int], None]
Stop = Callable[[R], bool]


class CutOff(ReconcilerError):
    """Somebody stopped it. What was done stays done."""

    exit_code = 5


def silent(_done: int, _total: int) -> None: ...


def each(
    work: Callable[[str], R], paths: Iterable[str], tell: Tell = silent, stop: Callable[[R], bool] = lambda _one: False
) -> Sequence[R]:
    """Do it with all paths; the answers in order. `stop`: after such an answer nothing more is begun, and those missing are left out."""
    todo, answers = list(paths), dict[int, R]()
    tell(0, len(todo))
    left = iter(enumerate(todo))
    with ThreadPoolExecutor(THREADS, "migrate") as pool:
        running: dict[Future[R], int] = {}
        try:
            stopped = False
            while True:
                while not stopped and len(running) < THREADS and (one := next(left, None)):
                    running[pool.submit(work, one[1])] = one[0]
                if not running:
                    break
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    answer = answers[running.pop(future)] = future.result()
                    stopped = stopped or stop(answer)
                tell(len(answers), len(todo))
        except KeyboardInterrupt:
            raise CutOff("it was stopped: what is under way is finished, and the same command goes on from there") from None
    return [answers[number] for number in sorted(answers)]
