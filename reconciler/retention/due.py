"""What a look came to, as values: what goes, and what stays although it is old enough."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from typing import NamedTuple

from ..core.keeping import LegalHold, Sort
from ..rotation.state import FOLDER


class Thing(NamedTuple):
    """One thing that is old enough. `begun` and `ended`: moments between which it was in use, or written; ISO, UTC."""

    sort: Sort
    place: str
    """The store, the log, or the folder."""
    name: str
    """The path of the secret, the id of the segment, the name of the file."""
    version: str
    begun: str
    ended: str


class Stays(NamedTuple):
    """One that stays all the same, and why."""

    thing: Thing
    reason: str


class Due(NamedTuple):
    """What a look at one place came to."""

    going: tuple[Thing, ...] = ()
    staying: tuple[Stays, ...] = ()
    unread: tuple[str, ...] = ()
    """What could not be looked at, in words: nothing of it goes."""

    def __or__(self, other: Due) -> Due:
        return Due(self.going + other.going, self.staying + other.staying, self.unread + other.unread)

    def without(self, kept: Callable[[Thing], str]) -> Due:
        """The same, but that what there is a reason to keep stays."""
        reasons = {thing: kept(thing) for thing in self.going}
        staying = tuple(Stays(thing, reason) for thing, reason in reasons.items() if reason)
        return Due(tuple(thing for thing, reason in reasons.items() if not reason), self.staying + staying, self.unread)


def held_by(holds: Sequence[LegalHold], thing: Thing) -> str:
    """The first hold that keeps a thing; empty where none does."""
    return next((hold.name for hold in holds if _keeps(hold, thing)), "")


def _keeps(hold: LegalHold, thing: Thing) -> bool:
    if thing.sort not in hold.keeps:
        return False
    if hold.secrets and thing.sort == "secret_versions":
        # The document of a rotation holds values of its secret.
        name = thing.name.removeprefix(FOLDER)
        if not any(fnmatchcase(name, glob) for glob in hold.secrets):
            return False
    if hold.since is not None and thing.ended[:10] < hold.since.isoformat():
        return False
    # A backup holds what was there before it, so one that was made after the days of a hold is kept, too.
    return hold.until is None or thing.sort == "backups" or thing.begun[:10] <= hold.until.isoformat()


def divided(things: Sequence[Thing], holds: Sequence[LegalHold]) -> Due:
    """Those that go, and those that a hold keeps."""
    kept = [(thing, held_by(holds, thing)) for thing in things]
    going = tuple(thing for thing, hold in kept if not hold)
    return Due(going, tuple(Stays(thing, f"legal hold {hold}") for thing, hold in kept if hold))
