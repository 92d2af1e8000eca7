"""A service in simulated time: requests come at random, so many are worked on at once, the others wait in a queue."""

from __future__ import annotations

import heapq
import random
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from reconciler.edge.adaptive import Gradient2

WARM_UP = 10.0  # seconds in which it finds its limit


class Outcome(NamedTuple):
    """`goodput`: answers by what it could give at most. `slowest`: seconds that all but one in a hundred answers took at most."""

    goodput: float
    refused: float
    slowest: float
    limit: int


class _Request(NamedTuple):
    began: float
    needs: float
    ticket: int


def simulate(load: Callable[[float], float], *, workers: int = 8, mean: float = 0.02, seconds: float = 60, seed: int = 1) -> Outcome:
    """Run with a load, by time, in times of what the service could do."""
    chance = random.Random(seed)
    now = 0.0
    limiter = Gradient2(lambda: now)
    arrivals: list[float] = [0.0]
    running: list[tuple[float, _Request]] = []
    queue: deque[_Request] = deque()
    taken: list[float] = []
    offered = refused = 0
    while now < seconds:
        if running and running[0][0] <= arrivals[0]:
            now, request = heapq.heappop(running)
            limiter.leave(request.ticket, now - request.began)
            if now > WARM_UP:
                taken.append(now - request.began)
            if queue:
                following = queue.popleft()
                heapq.heappush(running, (now + following.needs, following))
            continue
        now = arrivals.pop()
        arrivals.append(now + chance.expovariate(load(now) * workers / mean))
        offered += now > WARM_UP
        if limiter.full():
            refused += now > WARM_UP
            continue
        request = _Request(now, mean * chance.uniform(0.5, 1.5), limiter.enter())
        if len(running) < workers:
            heapq.heappush(running, (now + request.needs, request))
        else:
            queue.append(request)
    taken.sort()
    most = (seconds - WARM_UP) * workers / mean
    return Outcome(len(taken) / most, refused / max(offered, 1), taken[len(taken) * 99 // 100], limiter.limit)
