"""A whole migration between two stores of files: what moves, what is refused, and the way back."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.core.errors import Refused, Unavailable
from reconciler.migration import verbs
from reconciler.migration.desk import CutOff, Desk
from reconciler.migration.follow import _pruned
from reconciler.migration.pairs import Kept, Pair
from reconciler.migration.record import Record, read_record
from reconciler.migration.routed import Course
from reconciler.migration.sides import FileSide, Seen, Slot
from reconciler.secrets.dual import PartlyWritten
from tests.migration.desks import WANTED, Stand, history
from tests.migration.hooks import hooked

VALUES = [{"value": ""}, {"value": "ünï\N{GRINNING FACE}\n"}, {"a": "\x00\x01", "b": "x" * 5000}, {"value": ""}]


def yes(_record: Record, _secrets: int) -> bool:
    return True


def no(_record: Record, _secrets: int) -> bool:
    return False


def phase(stand: Stand) -> str:
    record = read_record(stand.shelf)
    return record.phase if record else ""


def filled(stand: Stand) -> Stand:
    for value in VALUES:
        stand.old.put("db/orders", value)
    stand.old.annotate("db/orders", {"owner": "platform"})
    stand.old.put("api/claude", {"value": "one"})
    return stand


def begun(stand: Stand) -> Stand:
    assert verbs.start(filled(stand).desk, WANTED).failed == []
    return stand


def cut(stand: Stand) -> Stand:
    assert verbs.cutover(begun(stand).desk, yes)
    return stand


def test_history_and_metadata_move_oldest_first_and_once(stand: Stand) -> None:
    begun(stand)
    assert sum(one.versions for one in verbs.start(Stand(stand.folder).desk, WANTED).copied) == 0
    assert history(stand.new, "db/orders") == VALUES
    assert stand.new.metadata("db/orders") == {"owner": "platform"}


def test_destroyed_versions_and_deleted_secrets_stay_so(stand: Stand) -> None:
    filled(stand).old.destroy("db/orders", "2")
    stand.old.delete("api/claude")
    found = {one.path: one for one in verbs.assessed(stand.desk, WANTED)}
    assert (found["db/orders"].versions, found["db/orders"].gone) == (3, 1)
    assert "stays deleted" in found["api/claude"].notes[0]
    verbs.start(stand.desk, WANTED)
    assert history(stand.new, "db/orders") == [VALUES[0], *VALUES[2:]]
    assert (stand.new.get("api/claude"), history(stand.new, "api/claude")) == (None, [{"value": "one"}])


def test_an_assessment_writes_nothing(stand: Stand) -> None:
    filled(stand)
    before = sorted(stand.folder.rglob("*"))
    verbs.assessed(stand.desk, WANTED)
    assert (sorted(stand.folder.rglob("*")), stand.recorder.told) == (before, [])


def test_everything_that_cannot_be_moved_is_said_before_anything_is(stand: Stand) -> None:
    filled(stand).new.put("db/orders", {"value": "of somebody else"})
    stand.new.put("api/claude", {"value": "theirs too"})
    with pytest.raises(Refused, match=r"api/claude: version 1 in new did not come from old[\s\S]*db/orders: version 1 in new"):
        verbs.start(stand.desk, WANTED)
    assert (phase(stand), history(stand.new, "db/orders")) == ("", [{"value": "of somebody else"}])


def test_what_the_destination_has_already_is_taken_for_what_it_is(stand: Stand) -> None:
    filled(stand)
    for value in VALUES[:2]:
        stand.new.put("db/orders", value)
    assert {one.path: one.moved for one in verbs.assessed(stand.desk, WANTED)} == {"api/claude": 0, "db/orders": 2}
    verbs.start(stand.desk, WANTED)
    assert history(stand.new, "db/orders") == VALUES


def test_only_the_newest_versions_move_where_that_is_wanted(stand: Stand) -> None:
    wanted = WANTED._replace(keep=2)
    verbs.start(filled(stand).desk, wanted)
    stand.routed("old").put("db/orders", {"value": "five"})
    assert history(stand.new, "db/orders") == [*VALUES[2:], {"value": "five"}]
    record = stand.desk.record()
    found = next(one for one in verbs.verified(stand.desk, record) if one.path == "db/orders")
    assert (found.wrong, found.equal) == ((), 3)
    assert "older versions that stay in old alone" in found.notes[0]


def test_versions_that_were_left_out_stay_in_the_source_on_the_way_back(stand: Stand) -> None:
    verbs.start(filled(stand).desk, WANTED._replace(keep=2))
    assert verbs.cutover(stand.desk, yes)
    stand.routed("new").put("db/orders", {"value": "five"})
    assert verbs.abort(stand.desk, yes)
    assert history(stand.old, "db/orders") == [*VALUES, {"value": "five"}]


def test_only_what_matches_moves(stand: Stand) -> None:
    verbs.start(filled(stand).desk, WANTED._replace(match="db/*"))
    assert stand.new.list() == ("db/orders",)
    assert verbs.cutover(stand.desk, yes)
    stand.routed("old").put("api/claude", {"value": "two"})
    with pytest.raises(Refused, match="db/orders: old is read-only since the cutover to new"):
        stand.routed("old").put("db/orders", {"value": "two"})


def test_writes_go_to_both_and_the_copy_takes_none_of_its_own(stand: Stand) -> None:
    begun(stand).routed("old").put("db/orders", {"value": "five"}, "4")
    stand.routed("old").annotate("db/orders", {"owner": "others"})
    stand.routed("old").destroy("db/orders", "1")
    assert history(stand.new, "db/orders") == [*VALUES[1:], {"value": "five"}]
    assert stand.new.metadata("db/orders") == {"owner": "others"}
    with pytest.raises(Refused, match="db/orders: new is a copy of old"):
        stand.routed("new").put("db/orders", {"value": "six"})
    stand.routed("new").put("its/own", {"value": "is nobody's business"})
    stand.routed("old").delete("db/orders")
    assert stand.new.get("db/orders") is None


def test_a_copy_that_fails_is_said_and_made_good_by_the_next_write(stand: Stand) -> None:
    begun(stand).new.put("db/orders", {"value": "of somebody else"})
    with pytest.raises(PartlyWritten, match=r"is as it should be in old, and not in new: version 5 in new did not come from old"):
        stand.routed("old").put("db/orders", {"value": "five"})
    stand.new.destroy("db/orders", "5")
    stand.routed("old").put("db/orders", {"value": "six"})
    assert history(stand.new, "db/orders") == [*VALUES, {"value": "five"}, {"value": "six"}]


def test_verify_names_the_version_that_differs_and_a_cutover_is_refused(stand: Stand) -> None:
    begun(stand).old.put("db/orders", {"value": "past reconcile"})
    found = [why for one in verbs.verified(stand.desk, stand.desk.record()) for why in one.wrong]
    assert found == ["version 5 of old is not in new yet"]
    with pytest.raises(Refused, match="db/orders: version 5 of old is not in new yet"):
        verbs.cutover(stand.desk, yes)
    assert verbs.stands(stand.desk).behind == 1
    verbs.start(stand.desk, WANTED)
    stand.new.destroy("db/orders", "2")
    with pytest.raises(Refused, match="version 2 of new cannot be read any more"):
        verbs.cutover(stand.desk, yes)
    assert phase(stand) == "dual"


def test_what_is_copied_a_moment_later_does_not_differ(stand: Stand) -> None:
    begun(stand).old.put("db/orders", {"value": "five"})
    desk = dataclasses.replace(stand.desk, sleep=lambda _seconds: verbs.start(Stand(stand.folder).desk, WANTED))
    assert [one.wrong for one in verbs.verified(desk, desk.record())] == [(), ()]


def test_a_version_destroyed_past_reconcile_is_found_in_the_copy(stand: Stand) -> None:
    begun(stand).old.destroy("db/orders", "2")
    (why,) = (why for one in verbs.verified(stand.desk, stand.desk.record()) for why in one.wrong)
    assert "version 2 is destroyed in old, and version 2 of new is not (reconcile secret delete 'db/orders' --version 2 --store new)" in why
    for version in ("1", "3"):
        with pytest.raises(Refused, match="new is a copy of old"):
            stand.routed("new").destroy("db/orders", version)
    stand.routed("new").destroy("db/orders", "2")
    assert verbs.cutover(stand.desk, yes)
    assert history(stand.new, "db/orders") == [VALUES[0], *VALUES[2:]]


def test_after_the_cutover_the_source_takes_no_writes_and_keeps_everything(stand: Stand) -> None:
    cut(stand).routed("new").put("db/orders", {"value": "five"})
    sealed = stand.routed("old")
    for write in (lambda: sealed.put("x", {"value": ""}), lambda: sealed.delete("db/orders"), lambda: sealed.destroy("db/orders", "1")):
        with pytest.raises(Refused, match="old is read-only since the cutover"):
            write()
    assert history(stand.old, "db/orders") == VALUES
    assert [one.wrong for one in verbs.verified(stand.desk, stand.desk.record())] == [(), ()]
    stand.old.put("db/orders", {"value": "past reconcile"})
    assert "version 5 of old is not in new yet" in str(verbs.verified(stand.desk, stand.desk.record()))


def test_abort_after_a_cutover_takes_back_what_was_written_since(stand: Stand) -> None:
    stand.new.put("its/own", {"value": "of the destination"})
    routed = cut(stand).routed("new")
    routed.put("db/orders", {"value": "five"})
    routed.put("db/orders", {"value": "six"})
    routed.delete("api/claude")
    routed.put("new/one", {"value": "first"})
    assert verbs.abort(stand.desk, no) is None
    assert verbs.abort(stand.desk, yes)
    assert history(stand.old, "db/orders") == [*VALUES, {"value": "five"}, {"value": "six"}]
    assert (stand.old.get("api/claude"), stand.old.get("its/own")) == (None, None)
    assert history(stand.old, "new/one") == [{"value": "first"}]
    stand.routed("old").put("db/orders", {"value": "seven"})
    verbs.start(stand.desk, WANTED)
    assert history(stand.new, "db/orders") == history(stand.old, "db/orders")


def test_a_copy_that_is_there_twice_costs_the_source_nothing_on_the_way_back(stand: Stand) -> None:
    """Somebody puts an older value into the copy: it is taken for a second copy, and only that is ever destroyed."""
    begun(stand).new.put("db/orders", VALUES[1])
    stand.routed("old").put("db/orders", {"value": "five"})
    assert history(stand.new, "db/orders") == [*VALUES, {"value": "five"}]
    assert verbs.cutover(stand.desk, yes)
    stand.routed("new").put("db/orders", {"value": "six"})
    assert verbs.abort(stand.desk, yes)
    assert history(stand.old, "db/orders") == [*VALUES, {"value": "five"}, {"value": "six"}]


def test_abort_says_what_cannot_be_taken_back_and_does_nothing(stand: Stand) -> None:
    cut(stand).routed("new").put("db/orders", {"value": "five"})
    stand.old.put("db/orders", {"value": "past reconcile"})
    with pytest.raises(Refused, match="db/orders: version 5 in old did not come from new"):
        verbs.abort(stand.desk, yes)
    assert phase(stand) == "cutover"


def test_nothing_that_is_moved_is_written_while_it_is_switched_over(stand: Stand) -> None:
    begun(stand)
    desk, tried = stand.desk, []

    def try_to_write(label: str, done: int, total: int) -> None:
        if phase(stand) in ("closing", "returning"):
            for name in ("old", "new"):
                with pytest.raises(Refused, match="is just switching over"):
                    stand.routed(name).put("db/orders", {"value": "five"})
                tried.append((phase(stand), name))

    watching = dataclasses.replace(desk, progress=try_to_write)
    assert verbs.cutover(watching, yes)
    assert verbs.abort(watching, yes)
    assert set(tried) == {(one, name) for one in ("closing", "returning") for name in ("old", "new")}


def test_a_write_that_was_under_way_at_the_cutover_arrives(stand: Stand) -> None:
    late = begun(stand).routed("old")
    assert verbs.cutover(stand.desk, yes)
    late.put("db/orders", {"value": "late"})
    assert stand.new.get("db/orders") == stand.old.get("db/orders")
    late = stand.routed("new")
    assert verbs.abort(stand.desk, yes)
    late.put("db/orders", {"value": "late again"})
    assert stand.old.get("db/orders") == stand.new.get("db/orders")


def test_a_late_write_that_would_overwrite_a_newer_one_is_an_error(stand: Stand) -> None:
    late = begun(stand).routed("old")
    assert verbs.cutover(stand.desk, yes)
    stand.routed("new").put("db/orders", {"value": "newer"})
    with pytest.raises(PartlyWritten, match="did not come from old"):
        late.put("db/orders", {"value": "late"})
    assert history(stand.new, "db/orders")[-1] == {"value": "newer"}


def test_what_was_deleted_since_the_cutover_is_not_brought_back_by_who_looks_at_the_source(stand: Stand) -> None:
    cut(stand).routed("new").delete("db/orders")
    record = stand.desk.record()
    Course(record, stand.desk.crossing(record), stand.desk.crossing(record, turned=True), stand.desk.record).forward("db/orders")
    assert stand.new.get("db/orders") is None


class Small(FileSide):
    """Keeps no more versions than were moved."""

    def keeps(self, path: str) -> int:
        return len(VALUES)


def test_the_way_back_asks_for_room_only_for_what_is_new(stand: Stand) -> None:
    stand.sides["old"] = Small(stand.old)
    cut(stand).routed("new").put("db/orders", {"value": "five"})
    assert verbs.abort(stand.desk, yes)
    assert stand.old.get("db/orders") == stand.new.get("db/orders")


def test_a_cutover_that_nobody_agrees_to_changes_nothing(stand: Stand) -> None:
    assert verbs.cutover(begun(stand).desk, no) is None
    assert phase(stand) == "dual"


@pytest.mark.parametrize(
    ("wanted", "words"),
    [(WANTED._replace(match="db/*"), "is in force, in phase dual"), (Record("new", "old", "dual"), "is in force, in phase dual")],
)
def test_another_migration_is_refused_while_one_is_in_force(stand: Stand, wanted: Record, words: str) -> None:
    begun(stand)
    with pytest.raises(Refused, match=words):
        verbs.start(stand.desk, wanted)


@pytest.mark.parametrize("verb", [lambda desk: desk.record(), lambda desk: verbs.cutover(desk, yes), lambda desk: verbs.abort(desk, yes)])
def test_without_a_migration_there_is_nothing_to_do(stand: Stand, verb: Callable[[Desk], object]) -> None:
    with pytest.raises(Refused, match="no migration is under way"):
        verb(stand.desk)


def test_a_store_that_goes_down_in_the_middle_stops_the_copy_and_the_next_goes_on(stand: Stand) -> None:
    filled(stand)
    for number in range(20):
        stand.old.put(f"more/{number}", {"value": str(number)})
    count = 0

    def down(when: str, writes: bool) -> None:
        nonlocal count
        count += 1
        if writes and count > 400:
            raise Unavailable("connection refused")

    hooked(stand, down)
    done = verbs.start(stand.desk, WANTED)
    assert done.failed
    assert len(done.copied) < 22
    assert all("connection refused" in one.error for one in done.failed)
    fresh = Stand(stand.folder)
    assert verbs.start(fresh.desk, WANTED).failed == []
    assert all(not one.wrong for one in verbs.verified(fresh.desk, fresh.desk.record()))


def test_a_failure_at_the_last_moment_lets_everybody_write_again(stand: Stand) -> None:
    """A cutover or an abort that cannot be finished is not in force."""
    begun(stand)

    def spoil(name: str, value: str) -> Callable[[Record, int], bool]:
        def agree(_record: Record, _secrets: int) -> bool:
            stand.sides[name].store.put("db/orders", {"value": value})
            return True

        return agree

    done = verbs.cutover(stand.desk, spoil("new", "of somebody else"))
    assert done
    assert ([one.path for one in done.failed], phase(stand)) == (["db/orders"], "dual")
    stand.new.destroy("db/orders", "5")
    assert verbs.start(stand.desk, WANTED).failed == []
    assert verbs.cutover(stand.desk, yes)
    done = verbs.abort(stand.desk, spoil("old", "past reconcile"))
    assert done
    assert ([one.path for one in done.failed], phase(stand)) == (["db/orders"], "cutover")


def test_ctrl_c_leaves_what_was_copied_and_a_look_leaves_nothing(stand: Stand) -> None:
    def stop(label: str, done: int, _total: int) -> None:
        if label == stopped and done:
            raise KeyboardInterrupt

    desk = dataclasses.replace(filled(stand).desk, progress=stop)
    stopped = "looking"
    with pytest.raises(KeyboardInterrupt):
        verbs.start(desk, WANTED)
    assert phase(stand) == ""
    stopped = "copying"
    with pytest.raises(CutOff, match="the same command goes on from there") as caught:
        verbs.start(desk, WANTED)
    assert caught.value.exit_code == 5
    assert verbs.start(stand.desk, WANTED).failed == []
    assert history(stand.new, "db/orders") == VALUES


def test_pairs_are_forgotten_when_the_copy_has_made_room(tmp_path: Path) -> None:
    many = Kept(tuple(Pair(str(number), str(number)) for number in range(1, 1001)))
    seen = Seen(tuple(Slot(str(number), True) for number in (5, 999, 1000)))
    assert [pair.leader for pair in _pruned(many, seen).pairs] == ["5", *(str(number) for number in range(801, 1001))]
    assert _pruned(many, Seen(recoverable=True)) == many


def test_every_change_has_an_intent_and_an_outcome(stand: Stand) -> None:
    cut(stand).routed("new").put("db/orders", {"value": "five"})
    verbs.abort(stand.desk, yes)
    told = stand.recorder.told
    intents = [what for what, _ in told if what.startswith("migrate.")]
    assert len(intents) * 2 == len(told)
    assert {"migrate.start", "migrate.copy", "migrate.annotate", "migrate.cutover", "migrate.abort"} == set(intents)
    assert not any("ünï" in str(one) for one in told)


def test_a_destination_that_was_emptied_is_filled_anew(stand: Stand, tmp_path: Path) -> None:
    begun(stand)
    verbs.abort(stand.desk, yes)
    fresh = Stand(stand.folder)
    fresh.new.root.rename(tmp_path / "away")
    again = Stand(stand.folder)
    assert isinstance(again.desk.side("new"), FileSide)
    assert verbs.start(again.desk, WANTED).failed == []
    assert history(again.new, "db/orders") == VALUES
