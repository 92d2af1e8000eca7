"""What would be moved, and what cannot be and why. Reads everything, writes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from ..core.errors import ReconcilerError
from ..secrets.rollout import FOLDER, KEY
from .crossing import Crossing
from .recognise import after, recognised
from .sides import Seen

_IDLE = "IDLE"


class Assessed(NamedTuple):
    """One secret. `versions` are moved; `gone` were deleted or destroyed, and stay so. `bytes`: as JSON, all versions together."""

    path: str
    versions: int = 0
    gone: int = 0
    left: int = 0
    """Readable, and left out since only the newest so many are wanted."""
    bytes: int = 0
    moved: int = 0
    """There already."""
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def assess(crossing: Crossing, path: str) -> Assessed:
    """Look at one secret of the leader. What cannot be read cannot be moved."""
    try:
        return _document(crossing, path) if path.startswith(FOLDER) else _secret(crossing, path)
    except ReconcilerError as error:
        return Assessed(path, problems=(str(error).removeprefix(f"{path}: "),))


def _secret(crossing: Crossing, path: str) -> Assessed:
    theirs, ours, kept = crossing.leader.look(path), crossing.follower.look(path), crossing.pairs.read(path)
    readable, name = theirs.readable, crossing.leader.store.name
    left = max(len(readable) - crossing.keep, 0) if crossing.keep else 0
    problems, size = [*_general(crossing, path)], 0
    notes = [*_notes(theirs, name)]
    for slot in readable[left:]:
        notes += [f"version {slot.id}: {why}" for why in (crossing.leader.odd(path, slot.id),) if why]
        value = crossing.value(crossing.leader, path, slot.id) or {}
        size += _bytes(value)
        problems += [f"version {slot.id}: {why}" for why in _refused(crossing, path, value)]
    # To what was copied already, later versions come as they would by any write: older ones make room.
    problems += _too_many(crossing, path, len(after(kept, theirs, crossing.keep)) if kept.pairs else len(readable) - left)
    moved = 0
    if not problems and (ours.slots or kept.pairs):
        kept, todo = recognised(crossing, path, kept, theirs, ours)  # raises Foreign
        moved = len(readable) - left - len(todo)
    gone = len(theirs.slots) - len(readable)
    return Assessed(path, len(readable) - left, gone, left, size, max(moved, 0), tuple(problems), tuple(notes))


def _bytes(value: Mapping[str, str]) -> int:
    # Half a character is refused by every destination, in words: it must not end the look at all others.
    return len(json.dumps(value, ensure_ascii=False).encode(errors="surrogatepass"))


def _general(crossing: Crossing, path: str) -> Iterator[str]:
    if why := crossing.leader.stays(path):
        yield why
    if why := crossing.follower.misfit(crossing.lacking(path, {})):
        yield why


def _refused(crossing: Crossing, path: str, value: dict[str, str]) -> Iterator[str]:
    try:
        crossing.follower.store.check(path, value)
    except ReconcilerError as error:
        yield str(error).removeprefix(f"{path}: ")


def _too_many(crossing: Crossing, path: str, count: int) -> Iterator[str]:
    keeps, name = crossing.follower.keeps(path), crossing.follower.store.name
    if keeps and count > keeps:
        yield f"it has {count} versions, and {name} keeps {keeps} (--versions {keeps} moves the newest of each, or have {name} keep more)"


def _notes(theirs: Seen, name: str) -> Iterator[str]:
    if theirs.recoverable:
        yield f"it is deleted in {name}, and nothing of it can be read (restore it first, if it is to move)"
    elif theirs.slots and not theirs.live:
        yield f"it is deleted in {name}: its history moves, and it stays deleted"


def _document(crossing: Crossing, path: str) -> Assessed:
    value = crossing.value(crossing.leader, path)
    if value is None:
        return Assessed(path)
    problems = [*_refused(crossing, path, value), *_under_way(value)]
    there = crossing.value(crossing.follower, path)
    return Assessed(path, 1, 0, 0, _bytes(value), int(there == value), tuple(problems))


def _under_way(document: dict[str, str]) -> Iterator[str]:
    """A rotation names versions of the store that it lies in: it cannot go on in another one."""
    if KEY not in document:
        return  # what consumers said of a rotation
    try:
        state = json.loads(document[KEY])
        phase = str(state.get("phase", _IDLE))
    except (ValueError, AttributeError):
        phase = "unreadable"
    if phase != _IDLE:
        yield f"a rotation is under way, in phase {phase} (let it end: `reconcile rotate status`)"
