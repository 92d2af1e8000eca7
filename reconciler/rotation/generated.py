"""api_key, webhook_secret, password: a generated value that the store alone holds. Its consumers are who accepts it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .seen import Probe
from .state import Kept
from .strategy import Call, NoLogins, OwnValue
from .targets import Generate

Random = Callable[[int], str]


def renewed(main: Mapping[str, str] | None, generate: Generate, random: Random) -> dict[str, str]:
    """The map with another value under the rotated key. A single key of another name is that one."""
    key = generate.key
    if main and key not in main and len(main) == 1:
        key = next(iter(main))
    return {**(main or {}), key: random(generate.length)}


class Generated(OwnValue, NoLogins):
    """Nothing but the store changes."""

    target = ""
    tested = False
    undoes = True

    def __init__(self, generate: Generate, random: Random) -> None:
        self._generate = generate
        self._random = random

    def make(self, main: Mapping[str, str] | None) -> dict[str, str]:
        return renewed(main, self._generate, self._random)

    def identity(self, value: Mapping[str, str]) -> str:
        return ""

    def ends(self, value: Mapping[str, str]) -> bool:
        return False

    def apply(self, call: Call, value: Kept, previous: Kept | None) -> None:
        """Nothing has to be told."""

    def probe(self, call: Call, value: Kept) -> Probe:
        return Probe.UNSURE

    def revoke(self, call: Call, value: Kept) -> None:
        """It ends with its last reader."""

    def fence(self, secret: str) -> int | None:
        return None
