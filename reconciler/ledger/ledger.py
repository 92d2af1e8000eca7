"""The ledger itself: load, save, runs, and what was ever applied of one object."""

from __future__ import annotations

import json
import logging
import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ..core.address import Address
from ..core.errors import Conflict, Denied, LeaseLost, ReconcilerError
from ..core.run import AppliedVersion
from ..core.values import canonical_json
from . import head as heads
from .chunks import Absent, Chunks, keys_of, pack
from .encode import SECTIONS, bucket_count, read_bucket, stale_buckets, write_buckets
from .head import Head
from .records import EMPTY, ObjectRecord, RunRecord, State
from .shelf import Shelf

log = logging.getLogger(__name__)

# The head holds between one and two times this many runs; the others are in a chain of chunks.
RECENT_RUNS = 50
# A reader whose chunks are collected starts again; each time needs two whole runs of somebody else in between.
LOAD_ATTEMPTS = 5
STATE_FOLDER = "state/"
RUNS_FOLDER = "runs/"  # never collected: history is kept
SECRET_KEY = "hmac"  # the name of an entry of its own, so that a policy can deny it to the plan's login


class Ledger:
    """The memory of one environment on a shelf. Whoever saves holds the lock; whoever only loads need not."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf
        self._chunks = Chunks(shelf)
        self._latest = ("", Head())  # the head that was last read or written, with its version
        self._saved: Head | None = None

    def load(self) -> tuple[State, str]:
        """Return the state and the version by which it may be replaced; an empty one where nothing was ever applied."""
        for _ in range(LOAD_ATTEMPTS):
            version, head = self._read_head()
            try:
                return self._state(head), version
            except Absent:
                if self._read_head()[0] == version:
                    raise
        raise ReconcilerError("the ledger changed at every attempt to read it (another run is busy; try again)")

    def save(self, state: State, version: str, previous: State, fence: int, *, objects: Iterable[ObjectRecord] = ()) -> str:
        """Replace `previous`, which has `version`, by `state`; return the new version.

        `objects` are what the newest run did. Only chunks that differ are written, then the head: whatever happens
        before that leaves the ledger as it was. Raises Conflict if somebody wrote in between, LeaseLost if a run with a
        newer fence did.
        """
        before = self._head_of(version)
        if before.fence > fence:
            raise LeaseLost(f"a later run (fence {before.fence}) has written the ledger; this one (fence {fence}) may not")
        runs, parts = _with_objects(state.runs, objects)
        runs, older, spilled = _spill(runs, state.older)
        sections, packed = _sections(previous, state, before, fence)
        head = Head(
            serial=before.serial + 1,
            fence=fence,
            sections=sections,
            spare=tuple(sorted(_state_keys(before) - keys_of(_references(sections)))),
            runs=runs,
            older=older,
            applied=state.applied,
            limits=state.limits,
        )
        self._chunks.write({**parts, **spilled, **packed})
        written = self._write_head(head, version)
        self._latest, self._saved = (written, head), head
        return written

    def run_changes(self, run: RunRecord) -> tuple[ObjectRecord, ...]:
        """What a run did, object by object."""
        return _objects(self._chunks.read([run.chunk])[run.chunk]) if run.chunk else ()

    def runs(self) -> Iterator[RunRecord]:
        """Every run that was recorded, newest first."""
        _, head = self._read_head()
        yield from head.runs
        older = head.older
        while older:
            written = json.loads(self._chunks.read([older])[older])
            yield from (RunRecord(**run) for run in written["runs"])
            older = written["older"]

    def versions(self, address: Address) -> Iterator[AppliedVersion]:
        """Every applied version of one object over all runs, newest first."""
        name = str(address)
        # A text search before the parser: most runs did nothing to this object.
        quoted = json.dumps(name, ensure_ascii=False)
        for runs in _batches(run for run in self.runs() if run.chunk):
            texts = self._chunks.read(run.chunk for run in runs)
            for run in runs:
                records = _objects(texts[run.chunk]) if quoted in texts[run.chunk] else ()
                yield from (AppliedVersion(run, record) for record in records if record.address == name and record.outcome == "applied")

    def last_applied(self, addresses: Collection[Address]) -> dict[Address, Mapping[str, Any] | None]:
        """What the latest run that changed each object left there, as it was recorded. Without those that no run changed."""
        wanted = {str(address): address for address in addresses}
        found: dict[Address, Mapping[str, Any] | None] = {}
        for run in self.runs() if wanted else ():
            for record in self.run_changes(run):
                if record.outcome == "applied" and record.address in wanted:
                    found[wanted.pop(record.address)] = record.after
            if not wanted:
                break
        return found

    def collect(self) -> None:
        """Delete chunks that neither the head just saved nor the one before it names. A failure is only logged.

        Only chunks of this run's fence or older ones: a later run may be writing right now.
        """
        head = self._saved
        if head is None:
            return
        live = _state_keys(head) | set(head.spare)
        try:
            stored = self._shelf.keys(STATE_FOLDER)
            self._chunks.delete(key for key in stored if key not in live and _fence_of(key) <= head.fence)
        except ReconcilerError as error:
            # The run is done and recorded; the next one collects what this one left.
            log.warning("ledger: old chunks were not removed: %s", error)

    def key(self, *, create: bool = False) -> bytes | None:
        """The key for HMACs of `env:` and `file:` secrets; None where there is none, or this login may not read it."""
        try:
            found = self._shelf.get(SECRET_KEY)
            if found or not create:
                return found.content if found else None
            made = secrets.token_hex(32).encode()
            with suppress(Conflict):  # somebody else was first, and theirs counts
                self._shelf.put(SECRET_KEY, made, "")
            found = self._shelf.get(SECRET_KEY)
        except Denied:
            return None
        return found.content if found else None

    def _read_head(self) -> tuple[str, Head]:
        entry = self._shelf.get(heads.KEY)
        self._latest = (entry.version, heads.read_head(entry.content)) if entry else ("", Head())
        return self._latest

    def _head_of(self, version: str) -> Head:
        found, head = self._latest if self._latest[0] == version else self._read_head()
        if found != version:
            raise Conflict("the ledger was written by somebody else since it was read (plan again)", path=heads.KEY)
        return head

    def _write_head(self, head: Head, version: str) -> str:
        content = heads.write_head(head)
        try:
            return self._shelf.put(heads.KEY, content, version)
        except Conflict:
            # The answer to our own write may have been lost, and a second attempt refused.
            entry = self._shelf.get(heads.KEY)
            if entry is None or entry.content != content:
                raise
            return entry.version

    def _state(self, head: Head) -> State:
        texts = self._chunks.read(_references(head.sections))
        parts: dict[str, dict[Address, Any]] = {section.name: {} for section in SECTIONS}
        for section in SECTIONS:
            for reference in filter(None, head.sections.get(section.name, ())):
                parts[section.name].update(read_bucket(section, texts[reference]))
        if not head.serial:
            return EMPTY
        return State(**parts, runs=head.runs, older=head.older, applied=head.applied, limits=head.limits, fence=head.fence)


def _sections(previous: State, state: State, before: Head, fence: int) -> tuple[dict[str, tuple[str, ...]], dict[str, bytes]]:
    """The references of all buckets, and the parts that have to be written for them."""
    sections: dict[str, tuple[str, ...]] = {}
    parts: dict[str, bytes] = {}
    for section in SECTIONS:
        old, new = getattr(previous, section.name), getattr(state, section.name)
        references = list(before.sections.get(section.name, ()))
        count = bucket_count(len(new))
        if count != len(references):
            references, stale = [""] * count, set(range(count))
        else:
            stale = stale_buckets(old, new, count) if count else set()
        for number, text in write_buckets(section, new, count, stale).items() if stale else ():
            references[number], packed = pack(f"{STATE_FOLDER}{fence}-", text)
            parts.update(packed)
        sections[section.name] = tuple(references)
    return sections, parts


def _references(sections: Any) -> list[str]:
    return [reference for references in sections.values() for reference in references if reference]


def _state_keys(head: Head) -> set[str]:
    return keys_of(_references(head.sections))


def _fence_of(key: str) -> int:
    written = key.removeprefix(STATE_FOLDER).partition("-")[0]
    return int(written) if written.isdecimal() else 0


def _with_objects(runs: tuple[RunRecord, ...], objects: Iterable[ObjectRecord]) -> tuple[tuple[RunRecord, ...], dict[str, bytes]]:
    written = [list(record) for record in objects]
    if not written or not runs:
        return runs, {}
    reference, parts = pack(RUNS_FOLDER, canonical_json(written))
    return (runs[0]._replace(chunk=reference), *runs[1:]), parts


def _objects(text: str) -> tuple[ObjectRecord, ...]:
    return tuple(ObjectRecord(*record) for record in json.loads(text))


def _spill(runs: tuple[RunRecord, ...], older: str) -> tuple[tuple[RunRecord, ...], str, dict[str, bytes]]:
    """Move the older half of the runs out of the head once there are too many."""
    if len(runs) <= 2 * RECENT_RUNS:
        return runs, older, {}
    written = {"runs": [heads.write_run(run) for run in runs[RECENT_RUNS:]], "older": older}
    reference, parts = pack(RUNS_FOLDER, canonical_json(written))
    return runs[:RECENT_RUNS], reference, parts


def _batches(runs: Iterable[RunRecord]) -> Iterator[Sequence[RunRecord]]:
    batch: list[RunRecord] = []
    for run in runs:
        batch.append(run)
        if len(batch) == 16:
            yield batch
            batch = []
    if batch:
        yield batch
