"""Carries out a restore: entries of shelves, versions of secrets oldest first, states of rotations. Killed anywhere, it is called again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import NamedTuple

from ..audit.journal import Recorder, RunRecorder
from ..audit.log import Log
from ..audit.shelf import Shelf
from ..core.errors import Conflict, ReconcilerError, Refused, Unavailable
from ..ledger import head as ledger_heads
from ..ledger.holder import KEY as LOCK
from ..ledger.holder import LockEntry, read_entry, write_entry
from ..ledger.ledger import SECRET_KEY
from ..rotation.state import FOLDER as ROTATIONS
from ..rotation.state import read_state, write_state
from ..secrets.store import SecretStore, is_path
from .comparing import Step, placed, renamed
from .held import completed, is_before_its_secret, is_restored, put_down
from .planning import groups, live_values, metadata_of, versions_of, was_destroyed
from .records import AUDIT, HEAD, LEDGER, Record

ACTION = "restore"
FIRST = "restore.first"
"""The first version where there was none: what was recorded of the secret before was of another store."""


class Hands(NamedTuple):
    """What a restore works with. `place` makes the place of a store where it is not there."""

    shelf: Shelf
    book: Log
    recorder: RunRecorder
    place: Callable[[str], Place]


class Carried(NamedTuple):
    """What became of a step. An empty error: it is done."""

    step: Step
    error: str = ""


class Place(NamedTuple):
    """A store to write into, the id of the backup, and who is told before and after."""

    store: SecretStore
    backup: str
    recorder: Recorder

    def put(self, path: str, value: dict[str, str], expected: str) -> str:
        """Write a version. Raises Conflict where something else is there."""
        action = ACTION if expected else FIRST
        intent = self.recorder.intent(action, path, store=self.store.name, ver_from=expected)
        try:
            version = self.store.put(path, value, expected)
        except Conflict:
            self.recorder.outcome(intent, "failed")
            raise
        except BaseException:
            self.recorder.outcome(intent, "unknown")
            raise
        self.recorder.outcome(intent, "applied", ver_to=version)
        return version


def put_entries(group: Iterable[Record], shelf: Shelf) -> None:
    """Write what a head names, then the head. `add` and create-only `put`: to do it again changes nothing."""
    for record in group:
        if record.id == SECRET_KEY:
            _put_key(shelf, record)
        elif "/" in record.id:
            shelf.add(record.id, record.raw)
        elif record.id == HEAD:
            if record.part == LEDGER:
                _raise_fence(shelf, ledger_heads.read_head(record.raw).fence)
            shelf.put(record.id, record.raw, "")
        else:
            with suppress(Conflict):  # a pepper, or a lockdown, that is there counts
                shelf.put(record.id, record.raw, "")


def _put_key(shelf: Shelf, record: Record) -> None:
    """Where the ledger is empty, a key that somebody made meanwhile is good for nothing: what was marked needs the old one."""
    kept = shelf.get(record.id)
    if kept is None or kept.content != record.raw:
        shelf.put(record.id, record.raw, kept.version if kept else "")


def _raise_fence(shelf: Shelf, fence: int) -> None:
    """See that the next holder of the lock comes after the last writer of the ledger. Raises Conflict, Refused."""
    kept = shelf.get(LOCK)
    entry = read_entry(kept.content) if kept else LockEntry(fence)
    if kept is None or entry.fence >= fence:
        return
    if entry.holder is not None:
        raise Refused(f"{entry.holder.owner} holds the lock of the environment (reconcile lock)")
    shelf.put(LOCK, write_entry(LockEntry(fence, entry.beat + 1)), kept.version)


def put_state(record: Record, place: Place) -> None:
    """Put down the state of a rotation, held."""
    state = put_down(read_state(record.value, "", record.id.removeprefix(ROTATIONS)), place.backup)
    place.put(record.id, write_state(state), "")


def put_secret(group: Sequence[Record], place: Place) -> None:
    """Write the versions that are missing, then tell the state of the rotation."""
    path, archived = group[0].id, versions_of(group)
    live = live_values(place.store, path)
    found = placed([one.value for one in archived], [value for _, value in live])
    if found is None or (live and was_destroyed(place.store, path, archived[found.behind :])):
        raise Conflict(f"{path}: somebody wrote it since the restore was planned", path=path)
    there = [version for version, _ in live[: found.upto]]
    for record in archived[found.behind :]:
        there.append(place.put(path, record.value, there[-1] if there else ""))
    if metadata := metadata_of(group):
        place.store.annotate(path, metadata)
    _tell_state(place, path, renamed([one.version for one in archived], there))


def _tell_state(place: Place, path: str, versions: dict[str, str]) -> None:
    document = f"{ROTATIONS}{path}"
    held = place.store.get(document)
    if held is None:
        return
    state = read_state(held.value, held.version, path)
    if not is_restored(state):
        state = put_down(state, place.backup)  # the store had kept the state, and not the secret
    elif not is_before_its_secret(state):
        return
    place.put(document, write_state(completed(state, place.backup, versions)), held.version)


def answer_what_was_left(hands: Hands) -> None:
    """Say of what a killed restore had begun whether it was done, where the store shows it."""
    for one in hands.recorder.unanswered():
        if one.action in (ACTION, FIRST):
            newest = _newest(hands, one.store, one.resource)
            if newest and newest != one.ver_from:
                hands.recorder.outcome(one.id, "applied", ver_to=newest)
            else:
                hands.recorder.outcome(one.id, "failed" if newest else "unknown")


def _newest(hands: Hands, store: str, path: str) -> str:
    """The newest version; empty where that cannot be told: of what is no secret, or has another name in the log."""
    if not store or not is_path(path):
        return ""
    try:
        return next((found.id for found in hands.place(store).store.versions(path)), "")
    except ReconcilerError:
        return ""


def carry_out(records: Iterable[Record], todo: Mapping[tuple[str, str], Step], hands: Hands) -> Iterator[Carried]:
    """Do what was planned, in the order of the backup. A thing that cannot be done stops no other, but for a place that is down."""
    looked = False
    for (part, id), group in groups(records):
        if not looked and part != AUDIT:  # it is the log that tells
            answer_what_was_left(hands)
            looked = True
        step = todo.get((part, id))
        if step is None or not step.begins:
            continue
        try:
            _carry(step, group, hands)
        except Unavailable:
            raise
        except ReconcilerError as error:
            yield Carried(step, str(error))
        else:
            yield Carried(step)


def _carry(step: Step, group: Iterator[Record], hands: Hands) -> None:
    if step.part == AUDIT:
        put_entries(group, hands.book.shelf)
        hands.recorder.decision(ACTION, AUDIT, outcome="applied")  # before it was there nothing could be recorded
    elif step.part == LEDGER:
        intent = hands.recorder.intent(ACTION, LEDGER)
        try:
            put_entries(group, hands.shelf)
        except BaseException:
            hands.recorder.outcome(intent, "unknown")
            raise
        hands.recorder.outcome(intent, "applied")
    elif step.id.startswith(ROTATIONS):
        put_state(next(group), hands.place(step.part))
    else:
        put_secret(list(group), hands.place(step.part))
