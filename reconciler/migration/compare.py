"""Holds both stores against each other, secret by secret and version by version, by keyed fingerprints. Writes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..core.errors import ReconcilerError
from ..secrets.rollout import FOLDER
from .crossing import Crossing
from .pairs import HIDDEN, SPARE, Kept, Pair
from .recognise import after, foreign, unnoted
from .sides import Seen


class Compared(NamedTuple):
    """One secret: how many versions are equal, what is wrong, and what is as it should be but worth saying."""

    path: str
    equal: int = 0
    wrong: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    pairs: tuple[Pair, ...] = ()


def compare(crossing: Crossing, path: str, *, ahead: bool = False) -> Compared:
    """Compare one secret. What cannot be read is wrong. `ahead`: the follower is written to, and the leader is not any more."""
    try:
        if path.startswith(FOLDER):
            return Compared(path, 0) if ahead else _document(crossing, path)
        return _history(crossing, path, ahead)
    except ReconcilerError as error:
        return Compared(path, 0, (_about(path, error),))


def _about(path: str, error: ReconcilerError) -> str:
    return str(error).removeprefix(f"{path}: ")


def _document(crossing: Crossing, path: str) -> Compared:
    mine, theirs = (crossing.fingerprint(crossing.value(side, path)) for side in (crossing.leader, crossing.follower))
    if mine == theirs:
        return Compared(path, bool(mine))
    # Rotations write it themselves; once the switch is thrown nobody does any more, and then it is copied.
    return Compared(path, 0, (), (f"the rotation's document in {crossing.follower.store.name} follows when everything is switched over",))


def _history(crossing: Crossing, path: str, ahead: bool) -> Compared:
    kept, theirs, ours = crossing.pairs.read(path), crossing.leader.look(path), crossing.follower.look(path)
    leader, follower = crossing.leader.store.name, crossing.follower.store.name
    wrong = [f"version {slot.id} of {leader} is not in {follower} yet" for slot in after(kept, theirs, crossing.keep)]
    if not ahead:
        wrong += [foreign(crossing, path, slot.id).removeprefix(f"{path}: ") for slot in unnoted(kept, ours)]
        wrong += [*_live(crossing, kept, theirs, ours), *_metadata(crossing, path, ours)]
    if ours.recoverable and not theirs.live:
        notes = [f"it is deleted in {follower}: its versions can be compared when it is restored"] if kept.pairs else []
        return Compared(path, 0, tuple(wrong), tuple(notes), kept.pairs)
    equal, notes = 0, [*_left_out(crossing, kept, theirs)]
    for pair in (pair for pair in kept.pairs if SPARE not in pair.state):
        same, bad, note = _pair(crossing, path, pair, kept, theirs, ours)
        equal += same
        wrong += [bad] if bad and not ahead else []
        notes += [one for one in (note, bad if ahead else "") if one]
    return Compared(path, equal, tuple(wrong), tuple(notes), kept.pairs)


def _pair(crossing: Crossing, path: str, pair: Pair, kept: Kept, theirs: Seen, ours: Seen) -> tuple[bool, str, str]:
    """Whether the two are equal, what is wrong, what is worth saying."""
    leader, follower = crossing.leader.store.name, crossing.follower.store.name
    mine = next((slot for slot in theirs.slots if slot.id == pair.leader), None)
    there = next((slot for slot in ours.slots if slot.id == pair.follower), None)
    readable = mine is not None and mine.readable, there is not None and there.readable
    if readable == (True, True):
        same = crossing.same(path, pair.leader, pair.follower)
        remedy = f"if it was made anew in {leader}, delete it in {follower} for good, and start again"
        return same, "" if same else f"version {pair.leader} of {leader} is not version {pair.follower} of {follower} ({remedy})", ""
    if readable == (False, True) and mine is not None and mine.destroyed:
        remedy = f"reconcile secret delete '{path}' --version {pair.follower} --store {follower}"
        return False, f"version {pair.leader} is destroyed in {leader}, and version {pair.follower} of {follower} is not ({remedy})", ""
    if readable == (False, True) and mine is None:
        return False, "", f"{leader} has let version {pair.leader} go, and {follower} still has it"
    if readable == (True, False) and not _is_copied_again(pair, kept, ours):
        return (False, *_unread(crossing, path, pair, ours))
    return False, "", ""


def _is_copied_again(pair: Pair, kept: Kept, ours: Seen) -> bool:
    """A version that came back after a delete was copied once more."""
    later = [one.follower for one in kept.pairs if one.leader == pair.leader and one != pair]
    return any(slot.id in later for slot in ours.readable)


def _unread(crossing: Crossing, path: str, pair: Pair, ours: Seen) -> tuple[str, str]:
    leader, follower = crossing.leader.store.name, crossing.follower.store.name
    if pair.state == HIDDEN:
        return (
            "",
            f"version {pair.follower} of {follower} was taken away there by the delete that {path} met (version {pair.leader} of {leader})",
        )
    keeps = crossing.follower.keeps(path)
    if keeps and len(ours.slots) >= keeps and pair.follower not in [slot.id for slot in ours.slots]:
        return "", f"{follower} keeps {keeps} versions: version {pair.leader} of {leader} made room for later ones"
    return f"version {pair.follower} of {follower} cannot be read any more (version {pair.leader} of {leader})", ""


def _left_out(crossing: Crossing, kept: Kept, theirs: Seen) -> Iterator[str]:
    older = 0
    for slot in theirs.slots if crossing.keep and kept.first else ():
        if slot.id == kept.first:
            break
        older += slot.readable
    if older:
        yield f"older versions that stay in {crossing.leader.store.name} alone, as --versions says: {older}"


def _live(crossing: Crossing, kept: Kept, theirs: Seen, ours: Seen) -> Iterator[str]:
    pair = kept.of_leader(theirs.live) if theirs.live else None
    leader, follower = crossing.leader.store.name, crossing.follower.store.name
    if pair is not None and pair.follower != ours.live:
        yield f"readers of {follower} do not get what readers of {leader} get"
    if not theirs.live and ours.live:
        gone = "deleted in" if theirs.slots or theirs.recoverable else "gone for good from"
        yield f"it is {gone} {leader}, and readers of {follower} still get it"


def _metadata(crossing: Crossing, path: str, ours: Seen) -> Iterator[str]:
    if not ours.slots:
        return
    there = crossing.follower.store.metadata(path)
    lacking = crossing.lacking(path, there)
    if lacking:
        yield f"metadata differs in {crossing.follower.store.name}: {', '.join(sorted(lacking))}"
