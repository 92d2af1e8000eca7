from __future__ import annotations

import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.address import Address, Place
from reconciler.core.change import Action, Change
from reconciler.core.guard import Approval, Circumstances, Guard, Limits, Refusal, lifted, refusals, standing
from reconciler.core.owned import Owned
from reconciler.core.resource import Lifecycle, dump, dump_fingerprint

from .kinds import KINDS, BoxSpec, LooseSpec, ShelfSpec, box, change, shelf

TODAY = datetime.date(2026, 11, 24)
DAY = datetime.timedelta(days=1)
LOOSE = Limits(delete_share=1.0, max_deletes=10_000)


def about(owned: int | dict[Address, Owned] = 0, **more: Any) -> Circumstances:
    remembered = {box(f"o{number}"): Owned() for number in range(owned)} if isinstance(owned, int) else owned
    return Circumstances(**{"kinds": KINDS, "owned": remembered, "limits": LOOSE, **more})


def deletes(count: int) -> list[Change[Any]]:
    return [change(box(f"o{number}"), BoxSpec(), None) for number in range(count)]


def guards(changes: list[Change[Any]], circumstances: Circumstances) -> list[Guard]:
    return [one.guard for one in refusals(changes, circumstances)]


def said(guard: Guard, changes: list[Change[Any]], circumstances: Circumstances) -> Refusal:
    (found,) = [one for one in refusals(changes, circumstances) if one.guard is guard]
    return found


def test_ordinary_changes_are_refused_by_nothing() -> None:
    changes = [
        change(box("new"), None, BoxSpec()),
        change(box("o0"), BoxSpec(), BoxSpec(ttl=1)),
        change(box("o1"), BoxSpec(), None),
        change(box("o2"), BoxSpec(), BoxSpec(), Action.ADOPT),
        change(box("o3"), BoxSpec(), None, Action.FORGET),
    ]
    assert refusals(changes, about(20, limits=Limits())) == ()


# ---- the plan as a whole


@pytest.mark.parametrize(("owned", "gone", "refused"), [(9, 9, False), (10, 3, False), (10, 4, True), (100, 30, False), (100, 31, True)])
def test_at_most_a_share_of_a_kind_goes_from_ten_objects_on(owned: int, gone: int, refused: bool) -> None:
    found = guards(deletes(gone), about(owned, limits=Limits(max_deletes=1000)))
    assert found == ([Guard.DELETE_SHARE] if refused else [])


@given(st.integers(1, 400), st.integers(0, 100))
def test_the_share_itself_is_allowed_and_one_more_is_not(owned: int, percent: int) -> None:
    limits = Limits(percent / 100, share_from=1, max_deletes=1000)
    most = owned * percent // 100
    assert guards(deletes(most), about(owned, limits=limits)) == []
    if most < owned:
        assert guards(deletes(most + 1), about(owned, limits=limits)) == [Guard.DELETE_SHARE]


def test_a_share_is_counted_kind_by_kind() -> None:
    owned = {**{box(f"o{number}"): Owned() for number in range(20)}, **{shelf(f"s{number}"): Owned() for number in range(10)}}
    changes = [*deletes(6), *(change(shelf(f"s{number}"), ShelfSpec(), None) for number in range(4))]
    found = said(Guard.DELETE_SHARE, changes, about(owned, limits=Limits()))
    assert found.address == "test.shelf"
    assert found.message == "4 of 10 owned test.shelf objects would be deleted; at most 30% of a kind may be at once"


@pytest.mark.parametrize(("count", "refused"), [(50, False), (51, True)])
def test_at_most_fifty_objects_go_at_once(count: int, refused: bool) -> None:
    found = guards(deletes(count), about(count, limits=Limits(delete_share=1.0)))
    assert found == ([Guard.MAX_DELETES] if refused else [])


def test_a_replace_counts_as_a_delete() -> None:
    replaces = [change(box(f"o{n}"), BoxSpec(), BoxSpec(material="steel"), Action.REPLACE) for n in range(2)]
    assert Guard.MAX_DELETES in guards(replaces, about(2, limits=Limits(max_deletes=1)))


def test_an_object_that_only_gets_another_name_does_not_count() -> None:
    moved = [change(box(f"n{n}"), None, BoxSpec(), lifecycle=Lifecycle(moved_from=box(f"o{n}"))) for n in range(20)]
    assert guards([*deletes(20), *moved], about(20, limits=Limits(max_deletes=0))) == []
    # A move of long ago, remembered with an object that now goes itself, excuses nothing.
    gone = change(box("o1"), BoxSpec(), None, lifecycle=Lifecycle(moved_from=box("o0")))
    assert guards([*deletes(1), gone], about(2, limits=Limits(max_deletes=1))) == [Guard.MAX_DELETES]


def test_a_commit_that_declares_nothing_deletes_nothing() -> None:
    assert guards(deletes(1), about(1, desired=0)) == [Guard.EMPTY]
    assert guards(deletes(1), about(1, desired=1)) == []
    assert guards([], about(0, desired=0)) == []


@pytest.mark.parametrize(
    ("circumstances", "guard"),
    [
        pytest.param({"dirty": True}, Guard.DIRTY, id="uncommitted changes"),
        pytest.param({"complete": False}, Guard.INCOMPLETE, id="something could not be read"),
        pytest.param({"astray": "abc does not descend from def"}, Guard.ANCESTRY, id="another branch"),
    ],
)
def test_a_plan_is_refused_for_what_it_is_made_from(circumstances: dict[str, Any], guard: Guard) -> None:
    (refusal,) = refusals([], about(**circumstances))
    assert (refusal.guard, refusal.address) == (guard, "")
    assert refusal.message


def test_what_would_lock_the_login_out_is_passed_on() -> None:
    lockout = Refusal(Guard.SELF_LOCKOUT, "vault.policy/reconciler-apply", "would lose read on sys/mounts")
    assert refusals([], about(locked_out=(lockout,))) == (lockout,)


def test_an_instance_does_not_leave_while_objects_on_it_are_owned() -> None:
    owned = {
        box("a", Place("eu")): Owned(),
        box("b", Place("eu", "team")): Owned(),
        box("c"): Owned(),
        Address("test.letter", "l", Place("eu")): Owned(),  # in the ledger, on no instance
        Address("test.later", "x", Place("eu")): Owned(),  # of a kind that this version does not know
        Address("test.loose", "x", Place("eu")): Owned(),
    }
    found = refusals([], about(owned, instances={("vault", "primary"), ("aws", "eu")}))
    assert found == (Refusal(Guard.INSTANCE_REMOVED, "vault/eu", "vault instance eu left the environment while 2 objects on it are owned"),)
    assert guards([], about(owned)) == []  # not told which instances there are


# ---- single changes


def test_what_is_lost_for_good_is_refused_by_name() -> None:
    gone = change(shelf("kv"), ShelfSpec(), None, loses="every box on kv/")
    assert refusals([gone], about()) == (Refusal(Guard.IRREVERSIBLE, "test.shelf/kv", "delete loses for good: every box on kv/"),)


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        pytest.param(BoxSpec(), BoxSpec(material="steel", ttl=5), "material", id="the immutable field alone is named"),
        pytest.param(BoxSpec(sealed=True), BoxSpec(material="steel"), "material, sealed", id="all of them"),
        pytest.param(BoxSpec(labels={"a": "1", "b": "2"}), BoxSpec(ttl=5), "labels, ttl", id="a reason of the kind's own"),
    ],
)
def test_a_replace_says_why_it_is_one(before: BoxSpec, after: BoxSpec, why: str) -> None:
    found = said(Guard.REPLACE, [change(box("a"), before, after, Action.REPLACE)], about())
    assert found.message == f"cannot be changed in place ({why}): it would be deleted and created anew"


def test_what_nobody_declared_is_not_overwritten() -> None:
    taken = change(box("a"), BoxSpec(), BoxSpec(ttl=1), taken_over=True)
    assert guards([taken], about()) == [Guard.TAKEOVER]


PROTECTED = Lifecycle(protect=True)


@pytest.mark.parametrize(
    ("action", "now", "last", "refused"),
    [
        (Action.DELETE, PROTECTED, PROTECTED, True),
        (Action.REPLACE, Lifecycle(), PROTECTED, True),
        (Action.REPLACE, PROTECTED, Lifecycle(), True),
        (Action.REPLACE, PROTECTED, None, True),
        (Action.REPLACE, Lifecycle(), None, False),
        (Action.UPDATE, PROTECTED, PROTECTED, False),
        (Action.FORGET, PROTECTED, PROTECTED, False),
    ],
)
def test_the_protected_are_not_taken_away(action: Action, now: Lifecycle, last: Lifecycle | None, refused: bool) -> None:
    owned = {box("a"): Owned(last)} if last else {}
    found = guards([change(box("a"), BoxSpec(), BoxSpec(ttl=1), action, lifecycle=now)], about(owned))
    assert (Guard.PROTECTED in found) is refused


def test_the_protected_are_not_taken_away_with_their_mount() -> None:
    fallen = change(box("kv/a"), None, BoxSpec(), falls=True)
    protected = {box("kv/a"): Owned(PROTECTED)}
    found = said(Guard.PROTECTED, [fallen], about(protected))
    assert found.message == "is protected (lifecycle.protect); the replacement of its mount would remove it"
    assert guards([change(box("kv/a"), None, BoxSpec())], about(protected)) == []


def test_what_a_rollback_undid_is_not_restored() -> None:
    back = change(box("a"), BoxSpec(), BoxSpec(ttl=1))
    undone = {box("a"): [dump_fingerprint(dump(BoxSpec(ttl=3))), dump_fingerprint(dump(BoxSpec(ttl=1)))]}
    assert guards([back], about(undone=undone)) == [Guard.ROLLED_BACK]
    assert guards([change(box("a"), BoxSpec(), BoxSpec(ttl=2))], about(undone=undone)) == []
    assert guards([change(box("b"), BoxSpec(), BoxSpec(ttl=1))], about(undone=undone)) == []
    assert guards([change(box("a"), BoxSpec(), BoxSpec(ttl=1), Action.ADOPT)], about(undone=undone)) == []


def test_a_delete_that_a_rollback_undid_is_not_repeated() -> None:
    undone = {box("a"): [""]}
    assert guards([change(box("a"), BoxSpec(), None)], about(undone=undone)) == [Guard.ROLLED_BACK]
    assert guards([change(box("a"), BoxSpec(), None, Action.FORGET)], about(undone=undone)) == []


# ---- lifting


REFUSALS = tuple(Refusal(guard, f"test.box/{guard.value}", "") for guard in Guard)


@pytest.mark.parametrize("guard", Guard)
def test_each_guard_is_lifted_singly_by_name(guard: Guard) -> None:
    assert {one.guard for one in standing(REFUSALS, {guard.value}, (), TODAY)} == set(Guard) - {guard}


@pytest.mark.parametrize("guard", Guard)
def test_each_guard_is_lifted_singly_by_an_approval(guard: Guard) -> None:
    approval = Approval("a", guard.value, "*", TODAY)
    assert {one.guard for one in standing(REFUSALS, (), iter([approval]), TODAY)} == set(Guard) - {guard}


@pytest.mark.parametrize(
    ("pattern", "expires", "lifted"),
    [
        pytest.param("test.box/a", TODAY, True, id="on its last day"),
        pytest.param("test.box/a", TODAY + DAY, True, id="before it"),
        pytest.param("test.box/a", TODAY - DAY, False, id="after it"),
        pytest.param("test.box/*", TODAY, True, id="a glob"),
        pytest.param("test.box/b", TODAY, False, id="another object"),
        pytest.param("TEST.BOX/A", TODAY, False, id="another case"),
        pytest.param("", TODAY, False, id="no address"),
    ],
)
def test_an_approval_holds_for_its_objects_until_its_date(pattern: str, expires: datetime.date, lifted: bool) -> None:
    refusal = Refusal(Guard.IRREVERSIBLE, "test.box/a", "")
    assert standing([refusal], (), [Approval("x", "irreversible", pattern, expires)], TODAY) == (() if lifted else (refusal,))


def test_what_approvals_lift_is_said_once_an_approval() -> None:
    approvals = [Approval(guard, guard, "*", TODAY, "ann", "tidying") for guard in ("irreversible", "dirty", "replace")]
    found = [Refusal(Guard.IRREVERSIBLE, "test.box/a", ""), Refusal(Guard.IRREVERSIBLE, "test.box/b", ""), Refusal(Guard.DIRTY, "", "")]
    about = f"(ann: tidying, until {TODAY})"
    assert list(lifted(found, iter(approvals), TODAY)) == [
        f"approval irreversible {about} lifts irreversible for test.box/a and 1 more",
        f"approval dirty {about} lifts dirty for the whole plan",
    ]
    assert not list(lifted(found, approvals, TODAY + DAY))


def test_nothing_is_lifted_unasked() -> None:
    assert standing(REFUSALS, (), (), TODAY) == REFUSALS
    assert standing(REFUSALS, {"all", "*"}, (), TODAY) == REFUSALS


@given(st.builds(Limits, st.floats(0, 1), st.integers(1, 50), st.integers(0, 99)), st.builds(Limits, st.floats(0, 1), st.integers(1, 50)))
def test_the_stricter_of_two_limits_lets_through_no_more_than_either(one: Limits, other: Limits) -> None:
    both = one.stricter(other)
    assert all(strict <= each for strict, each in zip(both + both, one + other, strict=True))
    assert both == other.stricter(one)
    assert one.stricter(one) == one


def test_objects_of_other_kinds_do_not_hide_each_other() -> None:
    changes = [change(Address("test.loose", "a"), LooseSpec(), None, loses="x"), change(box("a"), BoxSpec(), None, loses="y")]
    assert [one.address for one in refusals(changes, about())] == ["test.loose/a", "test.box/a"]
