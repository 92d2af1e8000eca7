"""kill -9 at every call of a store or the ledger: the same command again ends it, and nothing is lost or twice."""

from __future__ import annotations

from pathlib import Path

from reconciler.migration import verbs
from reconciler.migration.record import Record, read_record
from tests.migration.desks import WANTED, Stand, history
from tests.migration.hooks import each_death

ORDERS = [{"value": "one"}, {"value": "one"}]
CLAUDE = [{"value": ""}]


def yes(_record: Record, _secrets: int) -> bool:
    return True


def filled(folder: Path) -> Stand:
    stand = Stand(folder)
    for value in ORDERS:
        stand.old.put("db/orders", value)
    stand.old.annotate("db/orders", {"owner": "platform"})
    stand.old.put("api/claude", CLAUDE[0])
    stand.old.delete("api/claude")
    return stand


def start(stand: Stand) -> None:
    assert verbs.start(stand.desk, WANTED).failed == []


def cutover(stand: Stand) -> None:
    record = read_record(stand.shelf)
    assert record is not None
    if record.phase != "cutover":  # killed after its last step
        assert verbs.cutover(stand.desk, yes)


def abort(stand: Stand) -> None:
    record = read_record(stand.shelf)
    assert record is not None
    if record.in_force:
        assert verbs.abort(stand.desk, yes)


def is_equal(stand: Stand) -> None:
    assert history(stand.old, "db/orders") == history(stand.new, "db/orders")
    assert history(stand.old, "api/claude") == history(stand.new, "api/claude") == CLAUDE
    assert stand.old.get("api/claude") is stand.new.get("api/claude") is None
    assert stand.old.metadata("db/orders") == stand.new.metadata("db/orders") == {"owner": "platform"}
    record = read_record(stand.shelf)
    assert record is not None
    assert [one.wrong for one in verbs.verified(stand.desk, record)] == [(), ()]


def test_start_that_dies_anywhere_is_finished_by_the_next(tmp_path: Path) -> None:
    filled(tmp_path / "pristine")
    assert each_death(tmp_path / "pristine", tmp_path / "work", start, is_equal) > 40


def test_cutover_that_dies_anywhere_is_finished_by_the_next(tmp_path: Path) -> None:
    start(filled(tmp_path / "pristine"))

    def look(stand: Stand) -> None:
        is_equal(stand)
        record = read_record(stand.shelf)
        assert record is not None
        assert record.phase == "cutover"

    assert each_death(tmp_path / "pristine", tmp_path / "work", cutover, look) > 40


def test_abort_that_dies_anywhere_takes_back_everything_once(tmp_path: Path) -> None:
    stand = filled(tmp_path / "pristine")
    stand.new.put("its/own", {"value": "of the destination"})
    start(stand)
    cutover(stand)
    routed = stand.routed("new")
    routed.put("db/orders", {"value": "three"})
    routed.put("new/one", {"value": "first"})
    routed.put("its/own", {"value": "changed"})

    def look(stand: Stand) -> None:
        assert history(stand.old, "db/orders") == [*ORDERS, {"value": "three"}]
        assert history(stand.old, "new/one") == [{"value": "first"}]
        assert stand.old.get("its/own") is None
        record = read_record(stand.shelf)
        assert record is not None
        assert record.phase == "aborted"

    assert each_death(tmp_path / "pristine", tmp_path / "work", abort, look) > 40
