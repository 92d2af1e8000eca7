"""What reports for people are made of: how rotations stand and ended, and who ran what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

from reconciler.audit.search import Row, Wanted, search
from reconciler.core.errors import BackendError
from reconciler.core.rotated import Ended, RotationReport
from reconciler.core.run import RunRecord
from reconciler.rotation.rotate import TROUBLE
from reconciler.rotation.state import FOLDER, Phase
from reconciler.settings import Settings

from . import opened_for_ledger
from .evidence import Opened, moment_of, opened_book
from .rotating import stands
from .rotation import opened_for_rotation

_READ = frozenset({Phase.OVERLAP, Phase.RETIRING})
"""From here on readers get the new value."""
_RECORDED = frozenset({"apply", "rollback"})
"""Runs that the ledger has, too."""


def rotation_standing(settings: Settings, since: str) -> RotationReport:
    """How every secret stands, and how its rotations ended as far as the audit log tells."""
    begin = moment_of(since)
    with opened_book(settings) as book:
        ended = _ended(search(book.book, Wanted(action="rotation.*", since=begin)))
    with opened_for_rotation(settings) as rotation:
        rows, now = stands(rotation)
    return RotationReport(rotation.environment, now, begin, tuple(rows), ended)


def _ended(rows: Iterable[Row]) -> Mapping[str, Ended]:
    """By path. A rotation came to something when readers got its value and it was not taken back."""
    good: set[tuple[str, str]] = set()
    bad: set[tuple[str, str]] = set()
    for row in rows:
        if row.type != "intent" or row.outcome != "applied" or not row.rid:
            continue
        one, phase = (row.resource.removeprefix(FOLDER), row.rid), row.about.get("phase")
        if phase in TROUBLE:
            bad.add(one)
        elif row.action == "rotation.promote" or phase in _READ:
            good.add(one)
    succeeded, failed = Counter(path for path, _ in good - bad), Counter(path for path, _ in bad)
    return {path: Ended(succeeded[path], failed[path]) for path in {*succeeded, *failed}}


def runs_since(settings: Settings, since: str) -> list[RunRecord]:
    """What the ledger has, and what else the audit log knows of, newest first."""
    begin = moment_of(since)
    with opened_for_ledger(settings, "plan") as session:
        applied = [run for run in session.world.ledger.runs() if run.started >= begin]
    with opened_book(settings) as book:
        others = list(_processes(book, begin))[::-1]
    # The ledger keeps seconds: in one and the same, what an apply led to comes after it.
    return sorted([*applied, *others], key=lambda run: (run.started, run.sort not in _RECORDED), reverse=True)


def _processes(book: Opened, begin: str) -> Iterator[RunRecord]:
    """What ran beside applies and rollbacks: rotations, commands that wrote secrets, ..."""
    try:
        names = book.book.people.names()
    except BackendError:
        names = {}  # this login may not read them: pseudonyms are shown
    by_writer: dict[str, list[Row]] = {}
    for row in search(book.book, Wanted(since=begin)):
        by_writer.setdefault(str(row.about["writer"]), []).append(row)
    for writer, rows in by_writer.items():
        head = next((row for row in rows if row.type == "segment"), None)
        if head is not None and head.action not in _RECORDED:
            yield _process(writer, head, [row for row in rows if row.type in ("intent", "decision")], names)


def _process(writer: str, head: Row, done: list[Row], names: Mapping[str, str]) -> RunRecord:
    outcomes = {row.outcome for row in done if row.type == "intent"}
    # What is not known weighs less than what failed, and more than what was done.
    outcome = next((one for one in ("failed", "unknown", "") if one in outcomes), "applied") or "running"
    return RunRecord(
        head.rid or writer[:12],
        head.action,
        head.commit,
        started=_to_second(head.ts),
        finished=_to_second(done[-1].ts if done else head.ts),
        outcome=outcome,
        actor=names.get(head.actor, head.actor),
        summary=Counter(row.action for row in done),
    )


def _to_second(ts: str) -> str:
    return f"{ts[:19]}Z"
