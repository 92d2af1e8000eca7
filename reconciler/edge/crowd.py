"""Buckets, and the crowd of keys that share them when there are more than there is room for: what a flood of new keys meets."""

from __future__ import annotations

import os
from array import array

from .limits import Verdict, verdict_of


class Shape:
    """What a bucket says, from how far its key is ahead of the clock (the theoretical arrival time of GCRA). In microseconds."""

    __slots__ = ("depth", "interval", "waits")

    def __init__(self, interval: int, depth: int, waits: bool = False) -> None:
        self.interval, self.depth, self.waits = interval, depth, waits

    def judge(self, ahead: int, cost: int) -> Verdict:
        depth, interval = self.depth, self.interval
        ahead = max(ahead, 0)
        after = ahead + interval * cost
        if after > depth:
            return verdict_of(Verdict, (False, (depth - ahead) // interval, after - depth, ahead))
        return verdict_of(Verdict, (True, (depth - after) // interval, ahead if self.waits else 0, after))


class Crowd:
    """An array that never grows, made when it is first needed. Each key has two cells in it, and shares them with others.

    The lesser of the two counts. Sharing can only make a key look busier than it is: nobody is admitted who should not be, and a key
    is refused for others' sake only once both its cells are full of their requests.
    """

    __slots__ = ("_memory", "_salt", "_shape", "cells")

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self.cells = array("q")
        self._memory = 0
        self._salt = os.urandom(16)  # which keys share is not to be computed outside, even where PYTHONHASHSEED is fixed

    def resize(self, memory: int) -> None:
        """What it may take once it is made; an array that is in use keeps its size."""
        self._memory = memory

    def knows(self, key: bytes, now: int) -> bool:
        return bool(self.cells) and self._ahead(self._places(key), now) > 0

    def look(self, key: bytes, now: int, cost: int) -> Verdict:
        return self._shape.judge(self._ahead(self._places(key), now) if self.cells else 0, cost)

    def take(self, key: bytes, now: int, cost: int) -> Verdict:
        if not self.cells:
            cells = 1 << max((self._memory // self.cells.itemsize).bit_length() - 1, 8)
            self.cells = array("q", bytes(self.cells.itemsize * cells))
        places = self._places(key)
        verdict = self._shape.judge(self._ahead(places, now), cost)
        if verdict.admitted:
            for place in places:
                self.cells[place] = max(self.cells[place], now + verdict.reset)
        return verdict

    def _ahead(self, places: tuple[int, int], now: int) -> int:
        cells, most = self.cells, now + self._shape.depth
        for place in places:
            cells[place] = min(cells[place], most)  # more was written before the clock was set back
        return min(cells[places[0]], cells[places[1]]) - now

    def _places(self, key: bytes) -> tuple[int, int]:
        number, mask = hash(self._salt + key), len(self.cells) - 1
        return number & mask, (number >> 32) & mask
