"""What of a backup is there already, what is missing, and what has gone on since. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

Value = Mapping[str, str]
Action = Literal["create", "finish", "same", "newer"]
"""Nothing is there; a part is, which an earlier restore left or a store still has; all is; something else is, and is not written over."""


class Step(NamedTuple):
    """What a restore does about one thing. `writes`: entries or versions that are missing."""

    part: str
    id: str
    action: Action
    writes: int = 0
    why: str = ""

    @property
    def begins(self) -> bool:
        """Whether there is something to write."""
        return self.action in ("create", "finish")


class Placed(NamedTuple):
    """The first `behind` archived values are what the first `upto` live ones end with."""

    behind: int
    upto: int


def placed(archived: Sequence[Value], live: Sequence[Value]) -> Placed | None:
    """How far the store is, both oldest first. None: it has something else, and writing would go over it.

    A store that keeps a number of versions may have let the oldest go: what it has is then a stretch of the archived ones.
    """
    have = len(live)
    if list(live) == list(archived[:have]):
        return Placed(have, have)
    for end in range(len(archived), 0, -1):
        if list(live) == list(archived[max(end - have, 0) : end]):
            return Placed(end, have)
    # Whatever came before and after, readers did get what was newest then.
    last = max((number for number, value in enumerate(live, 1) if value == archived[-1]), default=0)
    return Placed(len(archived), last) if last else None


def renamed(archived: Sequence[str], live: Sequence[str]) -> dict[str, str]:
    """What the archived versions are called in a store whose `live` ones, oldest first, end with the same."""
    return dict(zip(reversed(archived), reversed(live), strict=False))
