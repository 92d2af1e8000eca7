"""Which version of the source became which of the destination: one entry a secret on the ledger's shelf."""

from __future__ import annotations

import hashlib
import json
from typing import NamedTuple

from ..audit.shelf import Shelf
from ..core.errors import ReconcilerError
from ..core.values import canonical_json

HIDDEN, SPARE = "hidden", "spare"
"""The follower's version was taken away by the delete that the leader's secret met; the follower has it once more, and this
one is to be destroyed. On the way back these are said of the leader's."""
_TURNED = {"": "", HIDDEN: "leader's hidden", SPARE: "leader's spare"}
_TURN = {**_TURNED, **{there: here for here, there in _TURNED.items()}}


class Pair(NamedTuple):
    """One version in both stores."""

    leader: str
    follower: str
    state: str = ""


class Kept(NamedTuple):
    """What is noted of a secret. `first`: the oldest version that is moved, where not all are."""

    pairs: tuple[Pair, ...] = ()
    first: str = ""
    serial: int = 0
    version: str = ""
    """By which the entry is replaced."""

    def of_leader(self, version: str) -> Pair | None:
        return next((pair for pair in reversed(self.pairs) if pair.leader == version and pair.state != SPARE), None)

    @property
    def followers(self) -> frozenset[str]:
        return frozenset(pair.follower for pair in self.pairs)

    @property
    def leaders(self) -> frozenset[str]:
        return frozenset(pair.leader for pair in self.pairs)


class Pairs(NamedTuple):
    """The entries of one migration. `turned`: on the way back, when the destination leads."""

    shelf: Shelf
    folder: str
    turned: bool = False

    def read(self, path: str) -> Kept:
        entry = self.shelf.get(self._key(path))
        if entry is None:
            return Kept()
        try:
            body = json.loads(entry.content)
            pairs = tuple(Pair(str(one[0]), str(one[1]), str(one[2])) for one in body["pairs"])
            return Kept(tuple(map(self._turn, pairs)), str(body["first"]), int(body["serial"]), entry.version)
        except (ValueError, TypeError, KeyError, IndexError):
            raise ReconcilerError(
                f"{path}: what was noted of its migration in the ledger cannot be read (restore it from a backup)"
            ) from None

    def write(self, path: str, kept: Kept) -> Kept:
        """Replace what was read. Raises Conflict where somebody else did so."""
        made = kept._replace(serial=kept.serial + 1)
        body = {"path": path, "first": made.first, "serial": made.serial, "pairs": list(map(self._turn, made.pairs))}
        return made._replace(version=self.shelf.put(self._key(path), canonical_json(body).encode(), kept.version))

    def paths(self) -> frozenset[str]:
        """The keys of all secrets that anything is noted of; compare with `mark`."""
        return frozenset(key.removeprefix(self.folder) for key in self.shelf.keys(self.folder))

    def mark(self, path: str) -> str:
        """The key of a path: paths themselves may be longer than a file's name, and hold anything."""
        return hashlib.sha256(path.encode()).hexdigest()[:32]

    def _key(self, path: str) -> str:
        return self.folder + self.mark(path)

    def _turn(self, pair: Pair) -> Pair:
        return Pair(pair.follower, pair.leader, _TURN[pair.state]) if self.turned else pair
