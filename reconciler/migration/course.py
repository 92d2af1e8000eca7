"""Does one thing with many secrets at once, and tells how far it is."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

R = TypeVar("R")

THREADS = 8
Tell = Callable[[int, int], None]
Stop = Callable[[R], bool]


def silent(_done: int, _total: int) -> None: ...


def each(
    work: Callable[[str], R], paths: Iterable[str], tell: Tell = silent, stop: Callable[[R], bool] = lambda _one: False
) -> Sequence[R]:
    """Do it with all paths; the answers in order. `stop`: after such an answer nothing more is begun, and those missing are left out.

    On Ctrl-C what is under way ends first.
    """
    todo, answers = list(paths), dict[int, R]()
    tell(0, len(todo))
    left = iter(enumerate(todo))
    with ThreadPoolExecutor(THREADS, "migrate") as pool:
        running: dict[Future[R], int] = {}
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
    return [answers[number] for number in sorted(answers)]
