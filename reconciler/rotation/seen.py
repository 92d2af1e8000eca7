"""What the machine is shown, and what it answers: observations and actions, all values."""

from __future__ import annotations

from enum import Enum, StrEnum
from typing import NamedTuple

from .state import Kept, State


class Probe(Enum):
    """What a target said of a value. UNSURE: it could not be asked, or gave no clear answer."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    UNSURE = "unsure"


class Want(StrEnum):
    """What a pass may have to look at."""

    PENDING = "pending"
    PREVIOUS = "previous"
    MAIN = "main"
    FENCE = "fence"
    CHECKS = "checks"
    REPORTS = "reports"
    ISSUED = "issued"
    DOOMED = "doomed"
    COPIES = "copies"
    SESSIONS = "sessions"


class Checks(NamedTuple):
    """How the validation of the pending value went: `need` of `need + spare` must pass."""

    passed: int = 0
    failed: int = 0
    need: int = 1
    spare: int = 0

    @property
    def verdict(self) -> Probe:
        if self.passed >= self.need:
            return Probe.ACCEPTED
        return Probe.REFUSED if self.failed > self.spare else Probe.UNSURE

    @property
    def words(self) -> str:
        return f"{self.passed} of {self.need + self.spare} passed, {self.need} needed" if self.passed or self.failed else ""


class Asked(NamedTuple):
    """A person's wish to rotate now. `leaked`: what of it others know (current, pending, previous); then nothing waits."""

    by: str
    leaked: tuple[str, ...] = ()


class Place(NamedTuple):
    """A store that holds a copy, and the version of the secret there."""

    store: str
    version: str


class Seen(NamedTuple):
    """What one pass read. Probes that were not wanted are UNSURE."""

    main: Kept | None = None
    """The secret as every reader gets it."""
    pending: Probe = Probe.UNSURE
    previous: Probe = Probe.UNSURE
    live: Probe = Probe.UNSURE
    """What the target says of `main`."""
    fence: int | None = None
    """The newest fence that the target has seen; None where it does not say."""
    lingering: bool = False
    """Sessions that were opened with a value that ended may still be open."""
    done_here: bool = False
    """This process has carried out this very action at this serial, and was told that it is done."""
    checks: Checks = Checks()
    complaints: tuple[str, ...] = ()
    """Consumers in the rollout that report failures."""
    completed: tuple[Kept, tuple[str, ...]] | None = None
    """The pending value with what its issuer added, and what was issued beside it."""
    doomed: tuple[str, ...] = ()
    """What was issued by mistake and is still good."""
    behind: tuple[Place, ...] = ()
    """Other stores that should have the secret, and do not."""
    asked: Asked | None = None
    due: bool = False
    next_due: int | None = None
    fresh: State | None = None
    """A rotation that could begin: rid, terms, strategy and a new pending value."""
    lacking: str = ""
    """Why none can."""


class Record(NamedTuple):
    """Replace the document that was read."""

    state: State


class Apply(NamedTuple):
    """Make the target accept a value, unless its fence is newer."""

    value: Kept


class Promote(NamedTuple):
    """Write the secret itself, if it still has the expected version."""

    value: Kept
    expected: str


class Copy(NamedTuple):
    """Write the secret into another store, if it still has the version that was seen there."""

    place: Place
    value: Kept


class Revoke(NamedTuple):
    """Make the target refuse a value, unless its fence is newer."""

    value: Kept


class Evict(NamedTuple):
    """End the sessions of a value's login, which goes on with another value. The target refuses this one already."""

    value: Kept


class Discard(NamedTuple):
    """End what an issuer made and nobody recorded. It was doomed by a record first: nobody may promote it any more."""

    id: str


class Wait(NamedTuple):
    """Nothing can be done now. `until`: epoch seconds; None where something else has to happen."""

    reason: str
    until: int | None = None


Action = Record | Apply | Promote | Copy | Revoke | Evict | Discard | Wait
