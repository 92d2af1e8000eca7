"""What the verbs of a migration work on, and what they share: the record, the crossing, the paths, one look at each."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..audit.journal import RunRecorder
from ..audit.segment import Unloggable
from ..audit.shelf import Shelf
from ..core.errors import LeaseLost, ReconcilerError, Refused, Unavailable
from ..secrets.rollout import FOLDER
from .assess import Assessed, assess
from .compare import Compared, compare
from .course import each
from .crossing import Crossing, Gate, ever_open
from .follow import follow
from .pairs import Pairs
from .recognise import after
from .record import Phase, Record, read_record, write_record
from .sides import Side

SETTLING_SECONDS = 1.0  # far more than a writer takes from its write to the end of its copy

Progress = Callable[[str, int, int], None]


class CutOff(ReconcilerError):
    """Somebody stopped it. What was done stays done."""

    exit_code = 5


class Copied(NamedTuple):
    """One secret: how many versions were copied, and why not all."""

    path: str
    versions: int = 0
    error: str = ""
    down: bool = False
    """A store or the audit log does not answer, or the lock is lost: there is no sense in going on."""


@dataclass(frozen=True)
class Desk:
    """One environment's stores and ledger, for one command. `now`: the moment in ISO, UTC. `declared`: the stores of its file."""

    shelf: Shelf
    side: Callable[[str], Side]
    declared: Collection[str]
    recorder: RunRecorder
    learn: Callable[[str], object]
    who: str
    now: Callable[[], str]
    progress: Progress = lambda _label, _done, _total: None
    gate: Gate = ever_open
    sleep: Callable[[float], object] = time.sleep

    def record(self) -> Record:
        """The migration that is in force. Raises Refused where there is none."""
        found = read_record(self.shelf)
        if found is None or not found.in_force:
            raise Refused("no migration is under way (reconcile migrate start --from STORE --to STORE)")
        return found

    def crossing(self, record: Record, *, turned: bool = False) -> Crossing:
        source, destination = self.side(record.source), self.side(record.destination)
        return Crossing(
            leader=destination if turned else source,
            follower=source if turned else destination,
            pairs=Pairs(self.shelf, record.folder, turned),
            recorder=self.recorder,
            learn=self.learn,
            keep=0 if turned else record.keep,
            gate=self.gate,
        )

    def switch(self, record: Record, phase: Phase, action: str) -> Record:
        """Change the phase, told to the audit log. Every machine sees it from its next command on."""
        self.gate(1.0)
        intent = self.recorder.intent(action, f"{record.source} to {record.destination}: {record.match}")
        try:
            made = write_record(self.shelf, read_record(self.shelf) if action == STARTED else record, record._replace(phase=phase))
        except ReconcilerError:
            self.recorder.outcome(intent, "failed")
            raise
        self.recorder.outcome(intent, "applied")
        return made

    def assess(self, crossing: Crossing, record: Record) -> Sequence[Assessed]:
        return each(lambda path: assess(crossing, path), covered(crossing.leader, record), self._tell("looking"))

    def copy(self, crossing: Crossing, paths: Sequence[str]) -> Sequence[Copied]:
        """Bring secrets up to date. After a store went down, the rest is left for the next time."""
        try:
            return each(lambda path: _copied(crossing, path), paths, self._tell("copying"), stop=lambda one: one.down)
        except KeyboardInterrupt:
            raise CutOff("it was stopped; what was copied is noted, and the same command goes on from there") from None

    def compare(self, crossing: Crossing, paths: Sequence[str], *, ahead: bool = False) -> Sequence[Compared]:
        """Hold secrets against each other. What differs is looked at twice: a writer may have been about to copy it."""
        found = each(lambda path: compare(crossing, path, ahead=ahead), paths, self._tell("comparing"))
        differing = [one.path for one in found if one.wrong]
        if differing:
            self.sleep(SETTLING_SECONDS)
        again = {one.path: one for one in each(lambda path: compare(crossing, path, ahead=ahead), differing)}
        return [again.get(one.path, one) for one in found]

    def count(self, crossing: Crossing, paths: Sequence[str]) -> Sequence[tuple[int, str]]:
        """How many versions of each secret are not noted as copied, or why that cannot be told."""
        return each(lambda path: _behind(crossing, path), paths, self._tell("looking"))

    def _tell(self, label: str) -> Callable[[int, int], None]:
        return lambda done, total: self.progress(label, done, total)


STARTED = "migrate.start"


def _copied(crossing: Crossing, path: str) -> Copied:
    try:
        return Copied(path, follow(crossing, path))
    except ReconcilerError as error:
        return Copied(path, 0, str(error).removeprefix(f"{path}: "), isinstance(error, Unavailable | LeaseLost | Unloggable))


def _behind(crossing: Crossing, path: str) -> tuple[int, str]:
    if path.startswith(FOLDER):
        return 0, ""  # only its newest version counts, and that moves at the cutover at the latest
    try:
        return len(after(crossing.pairs.read(path), crossing.leader.look(path), crossing.keep)), ""
    except ReconcilerError as error:
        return 0, str(error).removeprefix(f"{path}: ")


def covered(side: Side, record: Record) -> list[str]:
    """The paths of a side that a migration is about."""
    return sorted({path for path in side.paths() if record.covers(path)})


def probed(*sides: Side) -> None:
    """Raise Unavailable for a store that does not answer."""
    for side in sides:
        if why := side.store.probe():
            raise Unavailable(f"{side.store.name} does not answer: {why}")
