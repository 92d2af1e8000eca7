"""Which requests are our own: by the run's id where the server keeps it, else by what the audit log tells and when."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from .visits import WRITES, Visit

CLOCKS = 5  # seconds that the server's clock and ours may be apart
BEFORE = 120  # seconds that a run reads before it writes its first line
_OVERLAPPING = 16  # runs that are looked at for one moment: applies exclude each other, and rotations are few


class Run(NamedTuple):
    """What one process did, by the audit log. Moments are epoch seconds."""

    id: str
    action: str
    begun: float
    ended: float


class Told(NamedTuple):
    """One change that a run recorded: from its intent to its outcome. `name`: parts of the path of a request for it, with its last."""

    run: str
    name: str
    begun: float
    ended: float


class Mark(NamedTuple):
    """Whose a request may be: of the run itself, or of one of those that were under way, if its token is theirs."""

    sure: str = ""
    token: str = ""
    maybe: tuple[str, ...] = ()


NOBODY = Mark()


class Ours:
    """Tells requests of ours from others, in one pass: who a token is may show only later."""

    def __init__(self, runs: Iterable[Run] = (), told: Iterable[Told] = (), unknown: str = "") -> None:
        """`unknown`: why it is not known what the runs did."""
        self.unknown = unknown
        self.runs: Mapping[str, Run] = {one.id: one for one in runs}
        self._sorted = sorted(self.runs.values(), key=lambda one: one.begun)
        self._begins = [one.begun - BEFORE for one in self._sorted]
        self._told: dict[str, list[Told]] = {}
        for one in told:
            self._told.setdefault(_last(one.name), []).append(one)
        self._tokens: set[tuple[str, str]] = set()

    def mark(self, visit: Visit) -> Mark:
        """Note a request, and say whose it may be."""
        if not self._sorted or not visit.token:
            return NOBODY
        moment = epoch(visit.time)
        maybe = self._under_way(moment)
        if visit.run in maybe:  # afterwards others may have read its id somewhere
            self._tokens.add((visit.token, visit.run))  # for what is sent without the header, such as a login
            return Mark(sure=visit.run)
        if not maybe:
            return NOBODY
        if visit.operation in WRITES and visit.ending == "done":
            self._tokens.update((visit.token, one.run) for one in self._told.get(_last(visit.path), ()) if _fits(one, visit.path, moment))
        return Mark(token=visit.token, maybe=maybe)

    def owner(self, mark: Mark) -> tuple[str, str]:
        """After all requests: the run, and how that is known ("header" or "time"); both empty for others."""
        if mark.sure:
            return mark.sure, "header"
        found = next((run for run in mark.maybe if (mark.token, run) in self._tokens), "")
        return (found, "time") if found else ("", "")

    def _under_way(self, moment: float) -> tuple[str, ...]:
        at = bisect_right(self._begins, moment)
        near: Sequence[Run] = self._sorted[max(0, at - _OVERLAPPING) : at]
        return tuple(one.id for one in near if moment <= one.ended + CLOCKS)


def epoch(time: str) -> float:
    """A moment in seconds; the beginning of time for what is none."""
    try:
        return datetime.fromisoformat(time[:19]).replace(tzinfo=UTC).timestamp()
    except ValueError:
        return 0.0


def _fits(one: Told, path: str, moment: float) -> bool:
    """Whether a path has the parts of a name in their order: of approle/ci, auth/approle/role/ci."""
    rest = iter(path.rstrip("/").split("/"))
    return one.begun - CLOCKS <= moment <= one.ended + CLOCKS and all(part in rest for part in one.name.split("/"))


def _last(path: str) -> str:
    return path.rstrip("/").rpartition("/")[2]
