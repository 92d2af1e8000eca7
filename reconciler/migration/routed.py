"""A store as those see it who write while a migration is in force: what is moved is copied after each write, or refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import NamedTuple

from ..core.errors import ReconcilerError, Refused
from ..secrets.dual import PartlyWritten
from ..secrets.store import Held, SecretStore, Version
from .crossing import Crossing, told
from .follow import follow
from .record import Record


class Course(NamedTuple):
    """A migration as one command found it. `crossing`: of a record, as it leads; `again`: the record as it is now."""

    record: Record
    crossing: Crossing
    turned: Crossing
    again: Callable[[], Record | None]

    def refusal(self, store: str, path: str) -> str:
        """Why a store takes no write of a path; empty: it does."""
        record = self.record
        if store not in record[:2] or not record.covers(path):
            return ""
        if record.phase in ("closing", "returning"):
            return f"{path}: {record} is just switching over (try again in a moment; if it was cut off: reconcile migrate status)"
        if store == record.leader:
            return ""
        if record.phase == "cutover":
            return f"{path}: {store} is read-only since the cutover to {record.leader} (write to {record.leader}; reconcile migrate abort)"
        seen = self.crossing.leader.look(path)
        if seen.slots or seen.recoverable:
            return f"{path}: {store} is a copy of {record.leader} while {record} is in force (write to {record.leader})"
        return ""

    def is_left_over(self, store: str, path: str, version: str) -> bool:
        """Whether it is the copy of a version that was destroyed past `reconcile`: what `verify` says is to be destroyed can be."""
        record, crossing = self.record, self.crossing
        if record.phase != "dual" or store != record.destination or not record.covers(path):
            return False
        leaders = {pair.leader for pair in crossing.pairs.read(path).pairs if pair.follower == version}
        return any(slot.destroyed and slot.id in leaders for slot in crossing.leader.look(path).slots)

    def carry(self, path: str) -> None:
        """Copy what a command has just written. Raises PartlyWritten."""
        crossing = self._crossing()
        if crossing is not None:
            _carry(crossing, path)

    def forward(self, path: str) -> None:
        """Copy what somebody wrote to the source, whatever decides by now. Raises PartlyWritten."""
        _carry(self._ahead(self.record), path)

    def _ahead(self, now: Record | None) -> Crossing:
        return replace(self.crossing, strict=now is None or now.phase not in ("dual", "closing"))

    def _crossing(self) -> Crossing | None:
        """Which way what was written must go: to the store that decides from now on, whatever did when the command began."""
        now = self.again()
        if self.record.phase == "dual":
            return self._ahead(now)
        return self.turned if now is not None and now.phase in ("returning", "aborted") else None


def _carry(crossing: Crossing, path: str) -> None:
    try:
        follow(crossing, path)
    except ReconcilerError as error:
        leader, follower = crossing.leader.store.name, crossing.follower.store.name
        why = str(error).removeprefix(f"{path}: ")
        text = f"{path}: is as it should be in {leader}, and not in {follower}: {why} (do the same again, or: reconcile migrate start)"
        raise PartlyWritten(text, path=path) from None


class Routed(NamedTuple):
    """One of a migration's two stores."""

    store: SecretStore
    course: Course

    @property
    def name(self) -> str:
        return self.store.name

    def check(self, path: str, value: Mapping[str, str]) -> None:
        self.store.check(path, value)
        if self._moves(path):
            self.course.crossing.follower.store.check(path, value)

    def get(self, path: str, version: str = "") -> Held | None:
        return self.store.get(path, version)

    def put(self, path: str, value: Mapping[str, str], expected: str | None = None) -> str:
        self.check(path, value)
        self._allowed(path)
        for text in value.values():
            self.course.crossing.learn(text)
        made = self.store.put(path, value, expected)
        self._carry(path)
        return made

    def delete(self, path: str) -> None:
        self._allowed(path)
        self.store.delete(path)
        self._carry(path)

    def destroy(self, path: str, version: str) -> None:
        if not self.course.is_left_over(self.name, path, version):
            self._allowed(path)
        if not self._moves(path):
            return self.store.destroy(path, version)
        # The copies first: while the leader has it, the destroying can be done again. And after it those made in between.
        self.course.carry(path)
        self._destroy_copies(path, version)
        self.store.destroy(path, version)
        return self._destroy_copies(path, version)

    def _destroy_copies(self, path: str, version: str) -> None:
        crossing = self.course.crossing
        copies = {pair.follower for pair in crossing.pairs.read(path).pairs if pair.leader == version}
        for slot in crossing.follower.look(path).readable:
            if slot.id in copies:
                told(crossing, "migrate.destroy", path, slot.id, partial(crossing.follower.store.destroy, path, slot.id))

    def list(self, prefix: str = "") -> tuple[str, ...]:
        return self.store.list(prefix)

    def versions(self, path: str) -> tuple[Version, ...]:
        return self.store.versions(path)

    def metadata(self, path: str) -> Mapping[str, str]:
        return self.store.metadata(path)

    def annotate(self, path: str, metadata: Mapping[str, str]) -> None:
        self._allowed(path)
        self.store.annotate(path, metadata)
        self._carry(path)

    def probe(self) -> str:
        return self.store.probe()

    def _allowed(self, path: str) -> None:
        if why := self.course.refusal(self.name, path):
            raise Refused(why)

    def _moves(self, path: str) -> bool:
        record = self.course.record
        return record.phase == "dual" and self.name == record.source and record.covers(path)

    def _carry(self, path: str) -> None:
        if self.name == self.course.record.leader and self.course.record.covers(path):
            self.course.carry(path)
