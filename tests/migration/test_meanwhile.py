"""Others write at any moment of a copy: through `reconcile`, or past it. Whatever they do in whichever order, both stores end equal."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from reconciler.core.errors import Conflict, ReconcilerError
from reconciler.migration import course, verbs
from reconciler.migration.record import Record, read_record
from tests.migration.desks import WANTED, Stand, history
from tests.migration.hooks import hooked

PATHS = ("a", "b/c")
VALUES = st.sampled_from(["", "x", "y"])  # few, so that equal versions follow one another
WRITES = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(PATHS), VALUES),
    st.tuples(st.just("put past it"), st.sampled_from(PATHS), VALUES),
    st.tuples(st.just("delete"), st.sampled_from(PATHS), st.just("")),
    st.tuples(st.just("delete past it"), st.sampled_from(PATHS), st.just("")),
    st.tuples(st.just("destroy oldest"), st.sampled_from(PATHS), st.just("")),
    st.tuples(st.just("annotate"), st.sampled_from(PATHS), VALUES),
    st.tuples(st.just("start"), st.just(""), st.just("")),
)
BEFORE = st.lists(st.tuples(st.sampled_from(PATHS), VALUES), max_size=5)
MOMENTS = st.lists(st.tuples(st.integers(1, 60), WRITES), max_size=8)


def yes(_record: Record, _secrets: int) -> bool:
    return True


def do(stand: Stand, what: str, path: str, text: str) -> None:
    """What somebody else does, in a process of their own. That it is refused in words is fine; that it is lost is not."""
    store = stand.routed("old")
    try:
        if what == "put":
            store.put(path, {"value": text})
        elif what == "put past it":
            stand.old.put(path, {"value": text})
        elif what == "delete":
            store.delete(path)
        elif what == "delete past it":
            stand.old.delete(path)
        elif what == "annotate" and stand.old.get(path):
            store.annotate(path, {"note": text})
        elif what == "destroy oldest" and (known := stand.old.versions(path)):
            store.destroy(path, known[-1].id)
        elif what == "start":
            verbs.start(stand.desk, WANTED)
    except Conflict:
        pass


def interrupting(folder: Path, moments: list[tuple[int, tuple[str, str, str]]]) -> Callable[[str, bool], None]:
    """At the given calls of somebody's, others write."""
    count, left = 0, sorted(moments)

    def hook(when: str, _writes: bool) -> None:
        nonlocal count
        count += when == "before"
        while left and left[0][0] <= count:
            _, write = left.pop(0)
            do(Stand(folder), *write)

    return hook


def is_equal(stand: Stand) -> None:
    for path in PATHS:
        assert history(stand.old, path) == history(stand.new, path)
        old, new = stand.old.get(path), stand.new.get(path)
        assert (old and old.value) == (new and new.value)
        # Of a secret whose versions were all destroyed before, there is nothing that metadata could belong to.
        assert stand.old.metadata(path).items() <= stand.new.metadata(path).items() or not stand.new.versions(path)


@settings(max_examples=int(os.environ.get("MIGRATION_EXAMPLES", "60")))
@given(BEFORE, MOMENTS)
def test_both_stores_are_equal_whatever_is_written_while_a_copy_is_made(
    before: list[tuple[str, str]], moments: list[tuple[int, tuple[str, str, str]]]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        stand = Stand(Path(name))
        for path, text in before:
            stand.old.put(path, {"value": text})
        hooked(stand, interrupting(stand.folder, moments))
        # One thread, so that the moments are the same each time.
        with contextlib.suppress(ReconcilerError), patch.object(course, "THREADS", 1):
            verbs.start(stand.desk, WANTED)
        fresh = Stand(Path(name))
        assert verbs.start(fresh.desk, WANTED).failed == []
        is_equal(fresh)
        record = read_record(fresh.shelf)
        assert record is not None
        assert [one.wrong for one in verbs.verified(fresh.desk, record) if one.wrong] == []
