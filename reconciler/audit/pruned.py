"""What the log says of its own lines that are not in it any more: which entries were archived, and where."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

from .event import Event
from .reading import Entry

PRUNE = "audit.prune"
_ENTRIES = re.compile(r"entries (\d+)-(\d+)")


class Pruned(NamedTuple):
    """Entries, the last included, that an event says are archived."""

    first: int
    last: int
    where: str
    ts: str = ""
    """When that was recorded."""

    def __str__(self) -> str:
        return f"entries {self.first:,} to {self.last:,} are in {self.where}{self.ts and f' since {self.ts[:10]}'}"

    def holds(self, first: int, last: int) -> bool:
        return self.first <= first and last <= self.last

    def event(self, log: str, root: str) -> Event:
        """`root`: of a tree over these lines alone, so that the archive can be held against it without the log."""
        return Event("decision", action=PRUNE, resource=log, store=self.where, fp=root, phase=f"entries {self.first}-{self.last}")


def pruned_by(entry: Entry) -> Pruned | None:
    """What a line says is archived; None where it says no such thing."""
    if entry.get("action") != PRUNE or entry.get("type") != "decision":
        return None
    said = _ENTRIES.fullmatch(str(entry.get("phase", "")))
    return Pruned(int(said[1]), int(said[2]), str(entry.get("store", "")), str(entry.get("ts", ""))) if said else None


def joined(ranges: Iterable[Pruned]) -> list[Pruned]:
    """Ranges in their order, those that touch and lie in one place made one."""
    found: list[Pruned] = []
    for one in sorted(ranges, key=lambda one: (one.where, one.first)):
        last = found[-1] if found else None
        if last is not None and last.where == one.where and one.first <= last.last + 1:
            found[-1] = last._replace(last=max(last.last, one.last), ts=max(last.ts, one.ts))
        else:
            found.append(one)
    return sorted(found)
