"""Tells a copy that nobody noted, since its process was killed, from what somebody else wrote."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from ..core.errors import BackendError
from .crossing import Crossing
from .pairs import Kept, Pair
from .sides import Seen, Slot


class Foreign(BackendError):
    """The follower has what did not come from the leader."""


def recognised(crossing: Crossing, path: str, kept: Kept, theirs: Seen, ours: Seen) -> tuple[Kept, Sequence[Slot]]:
    """Note what was copied without being noted. Returns the versions that are still to be copied. Raises Foreign."""
    todo = after(kept, theirs, crossing.keep)
    for slot in unnoted(kept, ours):
        if todo and crossing.same(path, todo[0].id, slot.id):
            leader, todo = todo[0].id, todo[1:]
        else:
            leader = _copied_again(crossing, path, kept, theirs, slot)
        kept = kept._replace(pairs=(*kept.pairs, Pair(leader, slot.id)))
    return kept, todo


def unnoted(kept: Kept, ours: Seen) -> list[Slot]:
    """What the follower has that nobody noted. What is older than all that is noted was there before, and stays."""
    first = next((at for at, slot in enumerate(ours.slots) if slot.id in kept.followers), 0)
    return [slot for slot in ours.slots[first:] if slot.readable and slot.id not in kept.followers]


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
