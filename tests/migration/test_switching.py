"""Writes at any moment of a cutover and of the way back, some of which began long before: none that was said to be done is lost."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.errors import ReconcilerError, Refused
from reconciler.migration import course, verbs
from reconciler.migration.record import Record, read_record
from reconciler.secrets.store import SecretStore
from tests.migration.desks import WANTED, Stand, history
from tests.migration.hooks import hooked

PATHS = ("a", "b/c", "new/one")
WHEN = (st.integers(1, 120), st.integers(0, 60))
"""When somebody begins, and how much later they write."""
BACK = st.tuples(*WHEN, st.sampled_from(PATHS), st.sampled_from(["old", "new"]))
# What the destination gets under a name that the source does not have is its own, and no matter of the migration.
THERE = st.one_of(st.tuples(*WHEN, st.sampled_from(PATHS), st.just("old")), st.tuples(*WHEN, st.sampled_from(PATHS[:2]), st.just("new")))


def yes(_record: Record, _secrets: int) -> bool:
    return True


class Writers:
    """Each writes a value of its own, and remembers it when told that it is done."""

    def __init__(self, folder: Path, writes: list[tuple[int, int, str, str]]) -> None:
        self._folder = folder
        self._begin = sorted(writes)
        self._begun: list[tuple[int, str, SecretStore]] = []
        self._count = 0
        self.done: list[tuple[str, str]] = []

    def hook(self, when: str, _writes: bool) -> None:
        self._count += when == "before"
        while self._begin and self._begin[0][0] <= self._count:
            at, later, path, name = self._begin.pop(0)
            self._begun.append((at + later, path, Stand(self._folder).routed(name)))
        for one in [one for one in self._begun if one[0] <= self._count]:
            self._begun.remove(one)
            self._write(one[1], one[2])

    def _write(self, path: str, store: SecretStore) -> None:
        value = str(len(self.done) * 1000 + self._count)
        with suppress(ReconcilerError):
            store.put(path, {"value": value})
            self.done.append((path, value))


def until(stand: Stand, wanted: str, verb: Callable[[], object]) -> None:
    """Do it until it is done: it may be refused since somebody is just writing, or find that somebody did."""
    for _ in range(20):
        with suppress(Refused):
            verb()
        record = read_record(stand.shelf)
        if record and record.phase == wanted:
            return
        verbs.start(Stand(stand.folder).desk, WANTED)
    raise AssertionError(f"it never was {wanted}")


@settings(max_examples=int(os.environ.get("MIGRATION_EXAMPLES", "30")))
@given(st.lists(THERE, max_size=6), st.lists(BACK, max_size=6))
def test_no_write_is_lost_over_a_cutover_and_back(there: list[tuple[int, int, str, str]], back: list[tuple[int, int, str, str]]) -> None:
    with tempfile.TemporaryDirectory() as name, patch.object(course, "THREADS", 1):
        first = Stand(Path(name))
        for path in PATHS[:2]:
            first.old.put(path, {"value": "first"})
        assert verbs.start(first.desk, WANTED).failed == []
        writers, stand = Writers(Path(name), there), Stand(Path(name))
        hooked(stand, writers.hook)
        until(stand, "cutover", lambda: verbs.cutover(stand.desk, yes))
        fresh = Stand(Path(name))
        for path, value in writers.done:
            assert {"value": value} in history(fresh.new, path)
        later, other = Writers(Path(name), back), Stand(Path(name))
        hooked(other, later.hook)
        with suppress(Refused):  # somebody wrote to the old store past us: then it is said, and nothing is done
            verbs.abort(other.desk, yes)
        fresh = Stand(Path(name))
        record = read_record(fresh.shelf)
        assert record is not None
        decides = fresh.old if record.phase == "aborted" else fresh.new
        for path, value in [*writers.done, *later.done]:
            assert {"value": value} in history(decides, path), (record.phase, path, value)
