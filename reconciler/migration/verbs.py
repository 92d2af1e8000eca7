"""start, verify, cutover and abort: each looks, refuses with every reason at once, or does it; and can be done again.

A cutover and the way back stop all writes of what is moved for as long as the last versions take to be copied. Otherwise
a write that is under way in another process could end up in the store that was just left.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from ..core.errors import Invalid, Missing, Problem, Refused
from ..secrets.rollout import FOLDER, REPORTS
from .assess import Assessed, assess
from .compare import Compared
from .crossing import Crossing
from .desk import STARTED, Copied, Desk, covered, probed
from .pairs import Pairs
from .record import Record, read_record, write_record


class Unmovable(Refused, Invalid):
    """Something cannot be moved, or is not as it must be. Nothing was written."""


class Done(NamedTuple):
    """What a verb did with each secret."""

    record: Record
    copied: Sequence[Copied]

    @property
    def failed(self) -> Sequence[Copied]:
        return [one for one in self.copied if one.error]


def assessed(desk: Desk, wanted: Record) -> Sequence[Assessed]:
    """Look at everything that would be moved."""
    crossing = desk.crossing(wanted)
    probed(crossing.leader, crossing.follower)
    return desk.assess(crossing, wanted)


def start(desk: Desk, wanted: Record) -> Done:
    """From here on writes go to both. Copies what there is, or goes on with it. Raises Unmovable, Refused."""
    before = read_record(desk.shelf)
    record = _resumed(desk, before, wanted) or _begun(desk, wanted)
    crossing = desk.crossing(record)
    done = Done(record, desk.copy(crossing, covered(crossing.leader, record)))
    if not done.failed and not record.copied:
        record = write_record(desk.shelf, record, record._replace(copied=desk.now()))
    return done._replace(record=record)


def _resumed(desk: Desk, before: Record | None, wanted: Record) -> Record | None:
    """The migration that is under way, if it is the wanted one; None where there is none. Raises Refused for another one."""
    if before is None or not before.in_force:
        return None
    same = before[:2] + (before.match, before.keep) == wanted[:2] + (wanted.match, wanted.keep)
    if before.phase == "dual" and same:
        return before
    if before.phase == "cutover" and before.source not in desk.declared:
        return None
    remedy = "reconcile migrate abort" if before.phase != "cutover" else f"take {before.source} out of `stores`, or reconcile migrate abort"
    raise Refused(f"{before} is in force, in phase {before.phase} ({remedy})")


def _begun(desk: Desk, wanted: Record) -> Record:
    problems = [Problem("", one.path, why) for one in assessed(desk, wanted) for why in one.problems]
    if problems:
        raise Unmovable(problems)
    return desk.switch(wanted._replace(since=desk.now(), by=desk.who), "dual", STARTED)


def verified(desk: Desk, record: Record) -> Sequence[Compared]:
    """Hold both stores against each other. After the cutover the destination may be ahead; the source may not."""
    crossing = desk.crossing(record, turned=record.phase == "returning")
    probed(crossing.leader, crossing.follower)
    paths = _back(desk, record) if record.phase == "returning" else covered(crossing.leader, record) + _vanished(crossing, record)
    return desk.compare(crossing, paths, ahead=record.phase == "cutover")


def _vanished(crossing: Crossing, record: Record) -> list[str]:
    """What was copied, and is in the leader no more."""
    noted, there = crossing.pairs.paths(), set(covered(crossing.leader, record))
    return [path for path in covered(crossing.follower, record) if path not in there and crossing.pairs.mark(path) in noted]


def cutover(desk: Desk, agreed: Callable[[Record, int], bool]) -> Done | None:
    """Let the destination decide, and the source take no more writes. None: nobody agreed. Raises Unmovable, Refused."""
    record = desk.record()
    if record.phase in ("cutover", "returning"):
        raise Refused(f"{record} is in phase {record.phase} (reconcile migrate status)")
    if record.phase == "dual":
        found = verified(desk, record)
        problems = [Problem("", one.path, why) for one in found for why in one.wrong]
        if problems := problems + _under_way(desk.crossing(record), (one.path for one in found)):
            raise Unmovable(problems)
        if not agreed(record, len(found)):
            return None
        record = desk.switch(record, "closing", "migrate.cutover")
    crossing = desk.crossing(record)
    paths = covered(crossing.leader, record)
    # A rotation may have begun while somebody was asked: from here on none does.
    if problems := _under_way(crossing, paths):
        desk.switch(record, "dual", "migrate.cutover")
        raise Unmovable(problems)
    done = Done(record, desk.copy(crossing, paths))
    if not done.failed:
        _note_beside(desk, record)
    # What could not be copied must not keep everybody from writing until somebody looks.
    return done._replace(record=desk.switch(record, "dual" if done.failed else "cutover", "migrate.cutover"))


def _under_way(crossing: Crossing, paths: Iterable[str]) -> list[Problem]:
    """Rotations that would be torn from the versions that they speak of."""
    return [Problem("", path, why) for path in paths if path.startswith(FOLDER) for why in assess(crossing, path).problems]


def _note_beside(desk: Desk, record: Record) -> None:
    """Keep which secrets the destination has of its own: they are not to be taken back."""
    pairs, side = Pairs(desk.shelf, record.folder), desk.side(record.destination)
    noted = pairs.paths()
    beside = sorted(pairs.mark(path) for path in covered(side, record) if pairs.mark(_secret_of(path)) not in noted)
    entry = desk.shelf.get(record.beside)
    desk.shelf.put(record.beside, json.dumps({"serial": record.serial, "beside": beside}).encode(), entry.version if entry else "")


def _secret_of(path: str) -> str:
    """Of documents no versions are noted: they go where their secret goes."""
    return path.removeprefix(REPORTS).removeprefix(FOLDER)


def _back(desk: Desk, record: Record) -> list[str]:
    """What of the destination belongs to the migration: what came from the source, and what is new since the cutover."""
    pairs, entry = Pairs(desk.shelf, record.folder), desk.shelf.get(record.beside)
    if entry is None:
        raise Missing(f"the ledger's entry {record.beside} is gone: nobody can tell what {record.destination} had of its own")
    beside = set(json.loads(entry.content)["beside"])
    return [path for path in covered(desk.side(record.destination), record) if pairs.mark(path) not in beside]


def abort(desk: Desk, agreed: Callable[[Record, int], bool]) -> Done | None:
    """End it: the source alone counts again. After a cutover, what was written since is taken back first. None: nobody agreed."""
    record = desk.record()
    if record.leader == record.source:
        if not agreed(record, 0):
            return None
        return Done(desk.switch(record, "aborted", "migrate.abort"), ())
    crossing = desk.crossing(record, turned=True)
    probed(crossing.leader, crossing.follower)
    paths = _back(desk, record)
    if record.phase == "cutover":
        problems = _no_way_back(desk, record, paths)
        if problems:
            raise Unmovable(problems)
        if not agreed(record, len(paths)):
            return None
        record = desk.switch(record, "returning", "migrate.abort")
        paths = _back(desk, record)
    if problems := _under_way(crossing, paths):  # begun while somebody was asked, or before we were cut off
        desk.switch(record, "cutover", "migrate.abort")
        raise Unmovable(problems)
    done = Done(record, desk.copy(crossing, paths))
    return done._replace(record=desk.switch(record, "cutover" if done.failed else "aborted", "migrate.abort"))


def _no_way_back(desk: Desk, record: Record, paths: Sequence[str]) -> list[Problem]:
    crossing = desk.crossing(record, turned=True)
    wanted = set(paths)
    found = [one for one in desk.assess(crossing, record) if one.path in wanted]
    return [Problem("", one.path, why) for one in found for why in one.problems]


class Stands(NamedTuple):
    """How a migration stands. `behind`: versions that the follower lacks; after a cutover, those written to the source since."""

    record: Record | None
    secrets: int = 0
    behind: int = 0
    unread: Sequence[Problem] = ()


def stands(desk: Desk) -> Stands:
    """Look how far it is, without reading a value."""
    record = read_record(desk.shelf)
    if record is None or not record.in_force or record.source not in desk.declared:
        return Stands(record)
    crossing = desk.crossing(record, turned=record.phase == "returning")
    paths = _back(desk, record) if record.phase == "returning" else covered(crossing.leader, record)
    found = desk.count(crossing, paths)
    unread = [Problem("", path, why) for path, (_, why) in zip(paths, found, strict=True) if why]
    return Stands(record, len(paths), sum(count for count, _ in found), unread)
