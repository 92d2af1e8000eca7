"""How an address stands with us: trusted once it proved who it is, suspect once it failed to, unknown else.

Kept in this process, from what the counters said of an address last, so that it costs a request nothing. It decides how dear a request is;
whether an address is banned, the counters decide.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum

from .limits import Ban, Verdict

REMEMBERED = 20_000  # addresses of each sort


class Standing(IntEnum):
    UNKNOWN = 0
    SUSPECT = 1  # every request counts twice
    TRUSTED = 2  # ten times the limits: many may be behind the address, and all of them use them up
    EXEMPT = 3  # of a network that is never banned


class Reputation:
    """`clock` in microseconds."""

    def __init__(self, ban: Ban, clock: Callable[[], int]) -> None:
        self.ban = ban
        self._clock = clock
        self.trusted: dict[bytes, int] = {}  # sites, and until when
        self.suspect: dict[bytes, int] = {}

    def standing(self, site: bytes) -> Standing:
        if site in self.trusted and self.trusted[site] > self._clock():
            return Standing.TRUSTED
        if site in self.suspect and self.suspect[site] > self._clock():
            return Standing.SUSPECT
        return Standing.UNKNOWN

    def learn(self, site: bytes, verdict: Verdict) -> None:
        """Take over what the counters said of an address."""
        if verdict.reset > 0:
            _keep(self.trusted, site, self._clock() + verdict.reset)
        elif verdict.remaining < self.ban.after or not verdict.admitted:
            _keep(self.suspect, site, self._clock() + self.ban.within)

    def proved(self, site: bytes) -> bool:
        """Take over that it proved itself. Returns whether that is news to the counters: at most half as often as trust lasts."""
        until = self.trusted.get(site, 0)
        now = self._clock()
        if until > now + self.ban.trust // 2:
            return False
        _keep(self.trusted, site, now + self.ban.trust)
        self.suspect.pop(site, None)
        return True


def _keep(known: dict[bytes, int], site: bytes, until: int) -> None:
    if len(known) >= REMEMBERED and site not in known:
        known.pop(next(iter(known)))  # the first that came: it is asked of the counters again
    known[site] = until
