"""Brings one secret of the follower up to what the leader has. Done twice, or by two at once, it does nothing the second time.

Versions are copied oldest first, each with the follower's check-and-set. A version there that nobody noted is taken for what
a process that was killed has copied where it is equal to the next one; else somebody else wrote there, and it is an error:
nothing of others is ever written over.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from ..audit.journal import RunRecorder
from ..core.errors import BackendError, Conflict, ReconcilerError, Unavailable
from ..secrets.rollout import FOLDER
from .pairs import HIDDEN, SPARE, Kept, Pair, Pairs
from .sides import Seen, Side, Slot

ATTEMPTS = 8  # while others write the same secret
_AWS_OWN = "aws:"
_MAKING = ("migrate.copy", "migrate.delete")


class Foreign(BackendError):
    """The follower has what did not come from the leader."""


Gate = Callable[[float], None]
"""Lets a request of so many seconds begin, or raises LeaseLost."""


def ever_open(_timeout: float) -> None:
    """Of writers: each of their writes has check-and-set."""


@dataclass(frozen=True)
class Crossing:
    """A leader, a follower, what is noted of both, and who is told. `keep`: so many of the newest versions; 0: all."""

    leader: Side
    follower: Side
    pairs: Pairs
    recorder: RunRecorder
    learn: Callable[[str], object]
    """Is told every value, so that none gets into the audit log."""
    keep: int = 0
    strict: bool = False
    """The follower may have versions of its own, of any value: only what comes next is recognised."""
    gate: Gate = ever_open
    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    """Of the fingerprints: they are compared within one process only."""

    def value(self, side: Side, path: str, version: str = "") -> dict[str, str] | None:
        held = side.store.get(path, version)
        if held is None:
            return None
        for text in held.value.values():
            self.learn(text)
        return dict(held.value)

    def fingerprint(self, value: Mapping[str, str] | None) -> str:
        """A keyed HMAC; empty for no value."""
        if value is None:
            return ""
        return hmac.new(self.key, json.dumps(value, sort_keys=True).encode(), hashlib.sha256).hexdigest()[:16]

    def lacking(self, path: str, there: Mapping[str, str]) -> dict[str, str]:
        """The leader's metadata that the follower's lacks. What is only in the follower's stays."""
        wanted = self.leader.store.metadata(path)
        return {key: text for key, text in wanted.items() if not key.startswith(_AWS_OWN) and there.get(key) != text}

    def same(self, path: str, leader: str, follower: str) -> bool:
        """Whether a version of the one is a version of the other."""
        mine = self.fingerprint(self.value(self.leader, path, leader))
        return bool(mine) and mine == self.fingerprint(self.value(self.follower, path, follower))


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
            kept = crossing.pairs.write(path, kept)
        self._metadata()
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
        fp = self._crossing.fingerprint(value)
        made = self._told("migrate.copy", version, lambda: self._follower.append(self._path, value, ours), fp)
        self._made[made] = version
        return made

    def _metadata(self) -> None:
        lacking = self._crossing.lacking(self._path, self._follower.store.metadata(self._path))
        if lacking and self._follower.look(self._path).slots:
            self._told("migrate.annotate", "", lambda: self._follower.store.annotate(self._path, lacking))

    def _told(self, action: str, version: str, write: Callable[[], str | None], fp: str = "") -> str:
        self.changed = True
        return told(self._crossing, action, self._path, version, write, fp)


def told(crossing: Crossing, action: str, path: str, version: str, write: Callable[[], str | None], fp: str = "") -> str:
    """Do one thing to the follower, and tell the audit log before and after."""
    crossing.gate(1.0)
    recorder, name = crossing.recorder, crossing.follower.store.name
    # Who holds the log against the stores expects a version where a store is named.
    where = {"store": name} if action in _MAKING else {"code": name}
    intent = recorder.intent(action, path, ver_from=version, fp=fp, **where)
    try:
        made = write() or ""
    except Unavailable:
        recorder.outcome(intent, "unknown")
        raise
    except ReconcilerError:
        recorder.outcome(intent, "failed")
        raise
    recorder.outcome(intent, "applied", **({"ver_to": made} if made else {}))
    return made


def recognised(crossing: Crossing, path: str, kept: Kept, theirs: Seen, ours: Seen) -> tuple[Kept, Sequence[Slot]]:
    """Note what was copied without being noted. Returns the versions that are still to be copied. Raises Foreign."""
    todo = after(kept, theirs, crossing.keep)
    for slot in (slot for slot in ours.readable if slot.id not in kept.followers):
        if todo and crossing.same(path, todo[0].id, slot.id):
            leader, todo = todo[0].id, todo[1:]
        else:
            leader = _copied_again(crossing, path, kept, theirs, slot)
        kept = kept._replace(pairs=(*kept.pairs, Pair(leader, slot.id)))
    return kept, todo


def _copied_again(crossing: Crossing, path: str, kept: Kept, theirs: Seen, slot: Slot) -> str:
    """The version that was copied a second time: after a delete, or since two did it at once. Raises Foreign."""
    noted = [one.id for one in theirs.readable if one.id in kept.leaders and not crossing.strict]
    found = next((one for one in noted if crossing.same(path, one, slot.id)), "")
    if not found:
        raise Foreign(foreign(crossing, path, slot.id), path=path)
    return found


def foreign(crossing: Crossing, path: str, version: str) -> str:
    ours, theirs = crossing.follower.store.name, crossing.leader.store.name
    return (
        f"{path}: version {version} in {ours} did not come from {theirs}, and nothing is written over it "
        f"(see who wrote it: `reconcile audit search --resource '{path}'`; then delete it in {ours} for good, or leave it out with --match)"
    )


def after(kept: Kept, theirs: Seen, keep: int) -> list[Slot]:
    """The leader's versions that are not noted, from the newest noted one on: what is older was left out, or was unreadable."""
    slots, noted = list(theirs.slots), kept.leaders
    last = max((at for at, slot in enumerate(slots) if slot.id in noted), default=-1)
    with suppress(StopIteration):
        if last < 0 and kept.first and keep:
            last = next(at for at, slot in enumerate(slots) if slot.id == kept.first) - 1
    return [slot for slot in slots[last + 1 :] if slot.readable]
