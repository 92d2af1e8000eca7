"""What each sort of secret must be able to do for the machine. One file a strategy; all of them fulfil this protocol."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from ..core.errors import ReconcilerError
from .seen import Probe
from .state import Kept


class Fenced(ReconcilerError):
    """The target has seen a fence as new as ours: another rotator is ahead, or did this very thing."""


class Definite(ReconcilerError):
    """The target says no, for certain: trying the same again is no use. Anything else that goes wrong may pass."""


class Full(ReconcilerError):
    """The target has no room for another value. What it has is never deleted for that: a person has to look."""


class Call(NamedTuple):
    """On whose behalf a target is changed."""

    secret: str
    rid: str
    fence: int
    urgent: bool = False
    """Something leaked: sessions that were opened with the old value end too."""
    known: tuple[str, ...] = ()
    """What the issuer had issued before this rotation began."""


class Strategy(Protocol):
    """One secret's way of being made, made good, tried and ended. Errors are ReconcilerErrors without values."""

    @property
    def target(self) -> str:
        """What is changed, by a name that the caps count; empty where nothing is."""
        ...

    @property
    def tested(self) -> bool:
        """Whether `probe` can tell."""
        ...

    @property
    def undoes(self) -> bool:
        """Whether a value that was applied can be taken back."""
        ...

    def make(self, main: Mapping[str, str] | None) -> dict[str, str]:
        """A new value, of which nobody knows yet. It leaves alone what of `main` is not rotated."""
        ...

    def identity(self, value: Mapping[str, str]) -> str:
        """Whom a value logs in as, where another value can do so later; else empty."""
        ...

    def ends(self, value: Mapping[str, str]) -> bool:
        """Whether this value can be ended at the target, and is ours to end."""
        ...

    def apply(self, call: Call, value: Kept, previous: Kept | None) -> None:
        """Have the target accept a value. Doing it again is fine. Raises Fenced, Definite."""
        ...

    def probe(self, call: Call, value: Kept) -> Probe:
        """Whether the target accepts a value now."""
        ...

    def revoke(self, call: Call, value: Kept) -> None:
        """Have the target refuse a value. Doing it again is fine. Raises Fenced, Definite."""
        ...

    def evict(self, call: Call, value: Kept) -> None:
        """End the sessions of whom a value logged in as, and nothing else. Raises Fenced."""
        ...

    def fence(self, secret: str) -> int | None:
        """The newest fence that the target has seen of a secret; None where it keeps none."""
        ...

    def lingering(self, secret: str, value: Kept) -> bool:
        """Whether sessions that a value opened may still be open: nothing shows that they ended at the last change of the target."""
        ...

    def occupied(self) -> str:
        """Why a first value would take the place of one that somebody may use; empty where it would not."""
        ...

    def strays(self, *needed: Mapping[str, str] | None) -> tuple[Kept, ...]:
        """Logins of ours beside those of the needed values. Whether they are good is not known."""
        ...

    def known_ids(self) -> tuple[str, ...]:
        """What the issuer of values has issued so far; empty where values are ours."""
        ...

    def completed(self, value: Kept, known: tuple[str, ...]) -> tuple[Kept, tuple[str, ...]] | None:
        """The pending value with what its issuer added, and what it issued beside that by mistake; None where nothing is added."""
        ...

    def alive(self, ids: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the doomed that are still good."""
        ...

    def discard(self, call: Call, id: str) -> None:
        """End what was issued by mistake."""
        ...


class NoLogins:
    """The part of a strategy whose target knows neither users nor sessions."""

    def occupied(self) -> str:
        return ""

    def strays(self, *needed: Mapping[str, str] | None) -> tuple[Kept, ...]:
        return ()

    def lingering(self, secret: str, value: Kept) -> bool:
        return False

    def evict(self, call: Call, value: Kept) -> None:
        raise AssertionError("nobody is logged in that could be sent away")


class OwnValue:
    """The part of a strategy whose values are made here, and not by an issuer."""

    def known_ids(self) -> tuple[str, ...]:
        return ()

    def completed(self, value: Kept, known: tuple[str, ...]) -> tuple[Kept, tuple[str, ...]] | None:
        return None

    def alive(self, ids: tuple[str, ...]) -> tuple[str, ...]:
        return ()

    def discard(self, call: Call, id: str) -> None:
        raise AssertionError("nothing is issued here that could be discarded")
