"""Brings one secret of the follower up to what the leader has. Done twice, or by two at once, it does nothing the second time.

Versions are copied oldest first, each with the follower's check-and-set. A version there that nobody noted is taken for what
a process that was killed has copied where it is equal to the next one, or to one that was copied; else somebody else wrote
there, and it is an error: nothing of others is ever written over.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from functools import partial

from ..core.errors import Conflict
from ..secrets.rollout import FOLDER
from .crossing import Crossing, told
from .pairs import HIDDEN, SPARE, Kept, Pair
from .recognise import after, recognised
from .sides import Seen, Slot

ATTEMPTS = 8  # while others write the same secret
NOTED = 200  # pairs of a secret, before those are forgotten whose copy has made room: an entry of the ledger has its limits


def follow(crossing: Crossing, path: str) -> int:
    """Copy what the follower lacks of a secret. Returns how many versions that were. Raises Foreign, BackendErrors.

    It ends when there was nothing left to do: what others wrote, deleted or destroyed meanwhile is seen by the next look.
    """
    made: dict[str, str] = {}
    for left in range(ATTEMPTS, 0, -1):
        once = _Once(crossing, path, made)
        try:
            once.document() if path.startswith(FOLDER) else once.history()
        except Conflict:
            if left == 1:
                raise
        else:
            if not once.changed:
                break
    return len(made)


class _Once:
    """One attempt at one secret. `made`: what this and earlier attempts wrote, to the leader's version that it is of."""

    def __init__(self, crossing: Crossing, path: str, made: dict[str, str]) -> None:
        self._crossing = crossing
        self._path = path
        self._leader, self._follower = crossing.leader, crossing.follower
        self._made = made
        self.changed = False

    def document(self) -> None:
        """The state of a rotation: only how it stands counts, and it names the versions of the store that it lies in."""
        value, there = (self._crossing.value(side, self._path) for side in (self._leader, self._follower))
        if value is not None and value != there:
            self._append(value, self._follower.look(self._path), "")

    def history(self) -> None:
        crossing, path = self._crossing, self._path
        # In this order nobody's work is taken for missing: what is noted is in the leader that is looked at later, and
        # what the follower got since is met by its check-and-set.
        ours, kept, theirs = self._follower.look(path), crossing.pairs.read(path), self._leader.look(path)
        if crossing.strict and not after(kept, theirs, crossing.keep):
            return  # the follower decides by now: what it has of its own, or has not any more, is not to be put right
        if kept.pairs and not ours.slots and not ours.recoverable and not self._follower.look(path).slots:
            kept = kept._replace(pairs=(), first="")  # somebody emptied the follower: it is copied anew
        noted, kept = kept, self._begun(kept, theirs, ours)
        mine = tuple(Pair(leader, made) for made, leader in self._made.items() if made not in kept.followers)
        kept, todo = recognised(crossing, path, kept._replace(pairs=(*kept.pairs, *mine)), theirs, ours)
        for slot in todo:
            value = crossing.value(self._leader, path, slot.id)
            if value is not None:  # else it was destroyed since we looked
                kept, ours = self._copy(kept, ours, slot.id, value)
        kept, ours = self._newest(kept, theirs, ours)
        kept = self._gone(kept, theirs, ours)
        if kept.pairs != noted.pairs or kept.first != noted.first:
            kept = crossing.pairs.write(path, _pruned(kept, ours))
        self._metadata()
        if not crossing.pairs.turned:  # nothing is ever destroyed in the store that secrets came from
            self._tidied(kept, theirs, ours)

    def _tidied(self, kept: Kept, theirs: Seen, ours: Seen) -> None:
        """Destroy what the follower has twice, since two copied at once, and what was destroyed while it was copied.

        It is noted first: of two who tidy at once one finds that the other did, and each version keeps one copy.
        """
        readable = {slot.id for slot in ours.readable}
        spare = {pair.follower for pair in kept.pairs if pair.state == SPARE}
        found = self._spare(kept, theirs, ours.live, readable)
        if found:
            pairs = tuple(pair._replace(state=SPARE) if pair.follower in found else pair for pair in kept.pairs)
            self._crossing.pairs.write(self._path, kept._replace(pairs=pairs))
        for one in sorted((spare | found) & readable):
            self._told("migrate.destroy", one, partial(self._follower.store.destroy, self._path, one))

    def _spare(self, kept: Kept, theirs: Seen, live: str, readable: Container[str]) -> set[str]:
        destroyed = {slot.id for slot in theirs.slots if slot.destroyed}
        copies: dict[str, list[str]] = {}
        for pair in kept.pairs:
            if pair.follower in readable and pair.state != SPARE:
                copies.setdefault(pair.leader, []).append(pair.follower)
        spare: set[str] = set()
        for leader, found in copies.items():
            # The first, which is in its place in the history; but what readers get must be the newest.
            keep = live if leader == theirs.live and live in found else found[0]
            spare.update(one for one in found if one != keep or (leader in destroyed and one in self._made))
        return spare

    def _begun(self, kept: Kept, theirs: Seen, ours: Seen) -> Kept:
        """Note where a copy begins that leaves older versions out: whoever goes on must begin there too."""
        keep = self._crossing.keep
        if not keep or kept.first or kept.pairs or len(theirs.readable) <= keep or any(slot.readable for slot in ours.slots):
            return kept
        return self._crossing.pairs.write(self._path, kept._replace(first=theirs.readable[-keep].id))

    def _copy(self, kept: Kept, ours: Seen, version: str, value: Mapping[str, str]) -> tuple[Kept, Seen]:
        made = self._append(value, ours, version)
        seen = ours._replace(slots=(*ours.slots, Slot(made, True)), live=made)
        return kept._replace(pairs=(*kept.pairs, Pair(version, made))), seen

    def _newest(self, kept: Kept, theirs: Seen, ours: Seen) -> tuple[Kept, Seen]:
        """What the leader's readers get, the follower's must get: a deleted version that was brought back, too."""
        pair = kept.of_leader(theirs.live) if theirs.live else None
        if pair is None:
            return kept, ours
        if pair.follower != ours.live:
            value = self._crossing.value(self._leader, self._path, theirs.live)
            if value is None:
                raise Conflict(f"{self._path}: it was deleted while it was copied", path=self._path)
            return self._copy(kept, ours, theirs.live, value)
        self._follower.hold(self._path, ours.live)
        return kept, ours

    def _gone(self, kept: Kept, theirs: Seen, ours: Seen) -> Kept:
        if theirs.live or not ours.live or not (theirs.slots or theirs.recoverable):
            return kept
        hidden = tuple(pair._replace(state=HIDDEN) if pair.follower == ours.live else pair for pair in kept.pairs)
        kept = self._crossing.pairs.write(self._path, kept._replace(pairs=hidden))  # first: a delete is never unexplained
        if self._leader.look(self._path).live:
            raise Conflict(f"{self._path}: it was put again while its delete was copied", path=self._path)
        self._told("migrate.delete", "", lambda: self._follower.store.delete(self._path))
        return kept

    def _append(self, value: Mapping[str, str], ours: Seen, version: str) -> str:
        made = self._told("migrate.copy", version, lambda: self._follower.append(self._path, value, ours))
        self._made[made] = version
        return made

    def _metadata(self) -> None:
        lacking = self._crossing.lacking(self._path, self._follower.store.metadata(self._path))
        if lacking and self._follower.look(self._path).slots:
            self._told("migrate.annotate", "", lambda: self._follower.store.annotate(self._path, lacking))

    def _told(self, action: str, version: str, write: Callable[[], str | None]) -> str:
        self.changed = True
        return told(self._crossing, action, self._path, version, write)


def _pruned(kept: Kept, ours: Seen) -> Kept:
    there = {slot.id for slot in ours.slots}
    if len(kept.pairs) <= NOTED or not there:
        return kept
    return kept._replace(pairs=tuple(pair for pair in kept.pairs[:-NOTED] if pair.follower in there) + kept.pairs[-NOTED:])
