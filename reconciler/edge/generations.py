"""What is remembered of keys for a while, within a bound that holds whatever arrives, without a thread or a walk over all keys."""

from __future__ import annotations

from typing import Generic, TypeVar

from .crowd import Crowd, Shape

S = TypeVar("S")


class Generations(Generic[S]):
    """A young and an old map. What was not touched for a whole `life` is dropped with the old one; what is in use moves to the young.

    `life` must be as long as a state says anything after its last use: then nothing that matters is ever dropped. When there is no
    room, it is new keys that are not taken in but left to the crowd: what is known stays, or whoever is refused could flush himself out.
    """

    __slots__ = ("_life", "_old", "_room", "crowd", "turn", "young")

    def __init__(self, life: int, shape: Shape) -> None:
        self.young: dict[bytes, S] = {}
        self._old: dict[bytes, S] = {}
        self._life = life
        self.turn = 0
        self._room = 0
        self.crowd = Crowd(shape)

    def resize(self, memory: int, each: int) -> None:
        """Take no new keys beyond so many bytes, of which a quarter is the crowd's. `each`: the bytes of one key, at most."""
        self._room = memory * 3 // 4 // each
        self.crowd.resize(memory // 4)

    def nobody(self) -> bool:
        """Whether nothing is remembered of anybody."""
        return not (self.young or self._old or self.crowd.cells)

    def find(self, key: bytes, now: int) -> S | None:
        if now >= self.turn:
            self._old, self.young = self.young, {}
            self.turn = now + self._life
        elif now < self.turn - self._life:  # the clock was set back
            self.turn = now + self._life
        found = self.young.get(key)
        if found is None and self._old:
            found = self._old.pop(key, None)
            if found is not None:
                self.young[key] = found
        return found

    def outside(self, key: bytes, now: int) -> bool:
        """Whether a key that was not found belongs to the crowd. It stays there for as long as the crowd remembers it."""
        return len(self.young) + len(self._old) >= self._room or self.crowd.knows(key, now)
