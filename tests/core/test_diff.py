from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.address import HOME, Address, Place
from reconciler.core.change import Action, Change, Field
from reconciler.core.diff import Difference, diff, kept_value, leave_out
from reconciler.core.kind import Gap, Live, Reading
from reconciler.core.owned import Claim, Owned
from reconciler.core.resource import Lifecycle, Spec, fingerprint

from .kinds import BOX, KINDS, BoxSpec, LooseSpec, ShelfSpec, box, reading, secret, shelf, wish
from .strategies import BOX_MAPS, SOME_BOXES

A, B, C = box("a"), box("b"), box("c")
STONE, LETTER, LOOSE = Address("test.stone", "s"), Address("test.letter", "l"), Address("test.loose", "x")
SOME = st.sets(st.sampled_from("abcdefgh").map(box))


def memory(spec: BoxSpec, **lifecycle: Any) -> Owned:
    """What an apply of this spec leaves in the ledger."""
    kept = {name: kept_value(value) for name in ("waiting", "password") if (value := getattr(spec, name)) is not None}
    return Owned(Lifecycle(**lifecycle), kept=kept)


def unseen(spec: BoxSpec) -> BoxSpec:
    """What a server returns of a spec: neither secrets nor what it does not keep."""
    return spec.model_copy(update={"password": None, "waiting": 30})


def claim(spec: BoxSpec) -> Claim:
    return Claim(fingerprint(spec, leave_out(BOX)), "run1")


def only(found: Difference) -> Change[Any]:
    assert len(found.changes) == 1
    return found.changes[0]


def one(desired: Spec, live: Spec, owned: Owned | None = None, address: Address = A, **lifecycle: Any) -> Change[Any] | None:
    """The change of one object, None if there is none."""
    remembered = {address: owned} if owned is not None else {}
    found = diff(KINDS, wish((address, desired), lifecycle=Lifecycle(**lifecycle)), reading((address, live)), remembered)
    return only(found) if found.changes else None


# ---- properties


@given(BOX_MAPS)
def test_equal_sides_have_no_changes(specs: dict[Address, BoxSpec]) -> None:
    live = reading(*((address, unseen(spec)) for address, spec in specs.items()))
    owned = {address: memory(spec) for address, spec in specs.items()}
    found = diff(KINDS, wish(*specs.items()), live, owned)
    assert found == Difference((), len(specs), (), (), ())


@given(BOX_MAPS, BOX_MAPS, SOME, SOME)
def test_what_cannot_be_read_never_yields_a_change(
    desired: dict[Address, BoxSpec], live: dict[Address, BoxSpec], owned: set[Address], hidden: set[Address]
) -> None:
    seen = reading(*((address, spec) for address, spec in live.items() if address not in hidden))
    gaps = tuple(Gap(address.name, f"box/{address.name}", "read") for address in hidden)
    seen["test.box", HOME] = seen["test.box", HOME]._replace(gaps=gaps)
    found = diff(KINDS, wish(*desired.items()), seen, {address: Owned() for address in owned})
    assert not hidden & {change.address for change in found.changes}
    assert set(found.unknown) == hidden & (desired.keys() | owned)


@given(BOX_MAPS, BOX_MAPS, SOME)
def test_only_owned_objects_are_deleted(desired: dict[Address, BoxSpec], live: dict[Address, BoxSpec], owned: set[Address]) -> None:
    found = diff(KINDS, wish(*desired.items()), reading(*live.items()), {address: Owned() for address in owned})
    gone = {change.address for change in found.changes if change.action in (Action.DELETE, Action.FORGET)}
    assert gone == owned - desired.keys()
    assert set(found.unmanaged) == live.keys() - desired.keys() - owned


@given(BOX_MAPS, BOX_MAPS, SOME)
def test_adopted_is_only_what_is_equal_and_taken_over_what_differs(
    desired: dict[Address, BoxSpec], live: dict[Address, BoxSpec], owned: set[Address]
) -> None:
    found = diff(
        KINDS, wish(*desired.items()), reading(*live.items()), {address: memory(desired.get(address, BoxSpec())) for address in owned}
    )
    for change in found.changes:
        assert (change.action is Action.ADOPT) <= (change.before == change.after and change.address not in owned)
        assert change.taken_over == (change.action in (Action.UPDATE, Action.REPLACE) and change.address not in owned)
        assert bool(change.fields()) == (change.action not in (Action.ADOPT, Action.FORGET))


@given(BOX_MAPS, BOX_MAPS, SOME, st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(
    desired: dict[Address, BoxSpec], live: dict[Address, BoxSpec], owned: set[Address], chance: random.Random
) -> None:
    def shuffled(mapping: dict[Any, Any]) -> dict[Any, Any]:
        return dict(sorted(mapping.items(), key=lambda _: chance.random()))

    remembered = {address: Owned() for address in owned}
    straight = diff(KINDS, wish(*desired.items()), reading(*live.items()), remembered)
    assert straight == diff(KINDS, shuffled(wish(*desired.items())), shuffled(reading(*shuffled(live).items())), shuffled(remembered))
    assert list(straight.changes) == sorted(straight.changes, key=lambda change: change.address)


# ---- what becomes of an object


def test_what_is_not_there_is_created_with_its_origin() -> None:
    change = only(diff(KINDS, wish((A, BoxSpec(ttl=1)), lifecycle=Lifecycle(protect=True)), reading(), {}))
    assert (change.action, change.before, change.after, change.version) == (Action.CREATE, None, BoxSpec(ttl=1), "")
    assert str(change.origin) == "desired-state/boxes.yaml:3"
    assert change.lifecycle.protect


def test_an_update_carries_the_live_version_for_check_and_set() -> None:
    change = one(BoxSpec(ttl=1), BoxSpec(), memory(BoxSpec()))
    assert change is not None
    assert (change.action, change.version, change.taken_over) == (Action.UPDATE, "7", False)


def test_live_drift_from_a_default_is_reset() -> None:
    change = one(BoxSpec(), BoxSpec(tags="stray"), memory(BoxSpec()))
    assert change is not None
    assert change.fields() == (Field("/tags", ["stray"], []),)


def test_owned_objects_that_are_gone_are_forgotten() -> None:
    change = only(diff(KINDS, {}, reading(), {A: Owned()}))
    assert (change.action, change.before, change.after) == (Action.FORGET, None, None)


def test_removed_objects_are_deleted_with_what_is_lost() -> None:
    change = only(diff(KINDS, {}, reading((shelf("kv"), ShelfSpec())), {shelf("kv"): Owned()}))
    assert (change.action, change.version, change.loses) == (Action.DELETE, "7", "every box on kv/")


def test_what_a_delete_loses_is_remembered_by_the_ledger() -> None:
    change = only(diff(KINDS, {}, reading((A, BoxSpec())), {A: Owned(loses="all keys")}))
    assert change.loses == "all keys"


def test_an_object_may_stay_when_it_leaves_git() -> None:
    found = diff(KINDS, {}, reading((A, BoxSpec())), {A: Owned(Lifecycle(on_remove="forget"))})
    assert only(found).action is Action.FORGET
    assert found.notes == ("test.box/a stays on the server: on_remove: forget",)


def test_what_the_server_cannot_delete_is_forgotten_with_a_note() -> None:
    found = diff(KINDS, {}, reading((STONE, ShelfSpec())), {STONE: Owned()})
    assert only(found).action is Action.FORGET
    assert found.notes == ("test.stone/s stays on the server: the server has no DELETE for it",)


def test_unmanaged_objects_are_named_but_not_what_the_server_made() -> None:
    seen = reading((A, BoxSpec()), (box("root"), BoxSpec()), (box("system/x"), BoxSpec()))
    seen["test.box", HOME] = seen["test.box", HOME]._replace(seen=frozenset({"listed", "a"}))
    assert diff(KINDS, {}, seen, {}).unmanaged == (A, box("listed"))


# ---- unknown


def test_an_address_is_unknown_without_its_kind_or_reading() -> None:
    stranger, elsewhere = Address("test.later", "x"), box("a", Place("eu"))
    found = diff(KINDS, wish((elsewhere, BoxSpec())), reading(), {stranger: Owned()})
    assert found.unknown == (elsewhere, stranger)
    assert found.changes == ()
    assert found.unchanged == 0


def test_a_gap_does_not_hide_what_was_read_nor_what_lies_beside_it() -> None:
    seen = reading((box("in/a"), BoxSpec()))
    seen["test.box", HOME] = seen["test.box", HOME]._replace(gaps=(Gap("in/", "box/in/*", "read"),))
    desired = wish((box("in/a"), BoxSpec(ttl=1)), (box("in/b"), BoxSpec()), (box("out"), BoxSpec()))
    found = diff(KINDS, desired, seen, {})
    assert found.unknown == (box("in/b"),)
    assert [(change.address, change.action) for change in found.changes] == [(box("in/a"), Action.UPDATE), (box("out"), Action.CREATE)]


# ---- fields that are treated in their own way


def test_runtime_fields_are_compared_only_when_declared() -> None:
    assert one(BoxSpec(), BoxSpec(floor=5), memory(BoxSpec())) is None
    change = one(BoxSpec(floor=6), BoxSpec(floor=5), memory(BoxSpec()))
    assert change is not None
    assert change.fields() == (Field("/floor", 5, 6),)
    assert not change.loses


def test_lowering_a_floor_is_irreversible() -> None:
    change = one(BoxSpec(floor=2), BoxSpec(floor=3), memory(BoxSpec()))
    assert change is not None
    assert (change.action, change.loses) == (Action.UPDATE, "floor 3 (would be 2)")


def test_ignored_fields_are_left_to_others() -> None:
    assert one(BoxSpec(ttl=1, tags="a"), BoxSpec(ttl=9, tags="a"), memory(BoxSpec()), ignore=["ttl", "no_such_field"]) is None
    change = one(BoxSpec(ttl=1, tags="a"), BoxSpec(ttl=9, tags="b"), memory(BoxSpec()), ignore=["ttl"])
    assert change is not None
    assert change.fields() == (Field("/tags", ["b"], ["a"]),)
    assert change.after == BoxSpec(ttl=9, tags="a")  # what is written is whole, and must not reset what others wrote


def test_what_was_last_to_be_ignored_stays_so_for_this_plan() -> None:
    assert one(BoxSpec(ttl=1), BoxSpec(ttl=9), memory(BoxSpec(), ignore=["ttl"])) is None


@pytest.mark.parametrize(
    ("desired", "live", "action"),
    [
        pytest.param(BoxSpec(material="steel"), BoxSpec(material="wood"), Action.REPLACE, id="an immutable field"),
        pytest.param(BoxSpec(sealed=False), BoxSpec(sealed=True), Action.REPLACE, id="switching off what only goes on"),
        pytest.param(BoxSpec(sealed=True), BoxSpec(sealed=False), Action.UPDATE, id="switching it on"),
    ],
)
def test_what_cannot_change_in_place_is_replaced(desired: BoxSpec, live: BoxSpec, action: Action) -> None:
    change = one(desired, live, memory(desired))
    assert change is not None
    assert change.action is action


def test_an_ignored_field_replaces_nothing() -> None:
    assert one(BoxSpec(material="steel"), BoxSpec(), memory(BoxSpec()), ignore=["material"]) is None


def test_a_kind_may_have_its_own_reason_to_replace_and_loses_what_it_says() -> None:
    change = one(ShelfSpec(fixed="v1"), ShelfSpec(fixed="v2"), Owned(), shelf("kv"))
    assert change is not None
    assert (change.action, change.loses) == (Action.REPLACE, "every box on kv/")
    back = one(ShelfSpec(fixed="v2"), ShelfSpec(fixed="v1"), Owned(), shelf("kv"))
    assert back is not None
    assert (back.action, back.loses) == (Action.UPDATE, "")


def test_live_is_compared_as_far_as_desired_speaks_of_it() -> None:
    live = LooseSpec(data={"a": 1, "other": 2})
    assert one(LooseSpec(data={"a": 1}), live, Owned(), LOOSE) is None
    change = one(LooseSpec(data={"a": 3}), live, Owned(), LOOSE)
    assert change is not None
    assert change.fields() == (Field("/data/a", 1, 3),)


# ---- fields that no server returns


def test_a_field_that_no_server_returns_is_compared_with_what_was_applied() -> None:
    assert one(BoxSpec(waiting=7), BoxSpec(), memory(BoxSpec(waiting=7))) is None
    change = one(BoxSpec(waiting=7), BoxSpec(), memory(BoxSpec(waiting=9)))
    assert change is not None
    assert change.fields() == (Field("/waiting", 9, 7),)


def test_a_field_that_the_ledger_does_not_know_yet_has_its_default() -> None:
    assert one(BoxSpec(), BoxSpec(), Owned()) is None
    change = one(BoxSpec(waiting=7), BoxSpec(), Owned())
    assert change is not None
    assert change.fields() == (Field("/waiting", 30, 7),)


def test_an_object_is_adopted_whatever_nobody_can_see() -> None:
    change = one(BoxSpec(waiting=7, password=secret(mark="m")), BoxSpec())
    assert change is not None
    assert change.action is Action.ADOPT


@pytest.mark.parametrize(
    ("now", "last", "shown"),
    [
        pytest.param(secret(mark="1"), secret(mark="1"), None, id="the same"),
        pytest.param(secret(mark=""), secret(mark="1"), None, id="this login cannot compare"),
        pytest.param(secret(mark="2"), secret(mark="1"), ("(secret)", "(secret changed)"), id="another value"),
        pytest.param(secret("env:B"), secret("env:A", "1"), ("(secret)", "(secret changed)"), id="another source"),
        pytest.param(secret(mark="1"), secret(mark=""), ("(secret)", "(secret, not compared)"), id="never compared before"),
        pytest.param(None, secret(mark="1"), ("(secret)", None), id="no longer declared"),
        pytest.param(secret(mark="1"), None, (None, "(secret)"), id="declared for the first time"),
    ],
)
def test_secrets_are_compared_with_what_was_applied(now: Any, last: Any, shown: tuple[Any, Any] | None) -> None:
    change = one(BoxSpec(password=now), BoxSpec(), memory(BoxSpec(password=last)))
    assert (change.fields() if change else None) == ((Field("/password", *shown),) if shown else None)


@pytest.mark.parametrize(
    ("now", "last", "held", "shown"),
    [
        pytest.param(secret(mark="1"), secret(mark="1"), True, None, id="as it was left"),
        pytest.param(secret(mark="1"), secret(mark="1"), False, (None, "(secret)"), id="cleared behind our back"),
        pytest.param(None, None, True, ("(secret)", None), id="set behind our back"),
        pytest.param(None, None, False, None, id="never set"),
        pytest.param(secret(mark="2"), secret(mark="1"), True, ("(secret)", "(secret changed)"), id="to be changed"),
    ],
)
def test_a_server_that_says_whether_it_holds_a_secret_is_believed(now: Any, last: Any, held: bool, shown: tuple[Any, Any] | None) -> None:
    survey = {**reading(), (BOX.name, HOME): Reading({A.name: Live(BoxSpec(), held={"password": held})})}
    found = diff(KINDS, wish((A, BoxSpec(password=now))), survey, {A: memory(BoxSpec(password=last))})
    assert [change.fields() for change in found.changes] == ([(Field("/password", *shown),)] if shown else [])


# ---- claims


def test_a_claim_is_no_ownership_of_what_somebody_else_made() -> None:
    live = reading((A, BoxSpec(tags="other")))
    change = only(diff(KINDS, wish((A, BoxSpec(tags="mine"))), live, {}, {A: claim(BoxSpec(tags="mine"))}))
    assert change.taken_over
    assert diff(KINDS, {}, live, {}, {A: claim(BoxSpec(tags="mine"))}).changes == ()


@given(SOME_BOXES)
def test_what_a_killed_run_made_is_adopted_or_its_secret_written_again(spec: BoxSpec) -> None:
    change = only(diff(KINDS, wish((A, spec)), reading((A, unseen(spec))), {}, {A: claim(spec)}))
    assert not change.taken_over
    if spec.password is None:
        assert change.action is Action.ADOPT
    else:
        assert (change.action, change.fields()) == (Action.UPDATE, (Field("/password", None, "(secret)"),))


@pytest.mark.parametrize(
    ("live", "ours"),
    [
        pytest.param(BoxSpec(), True, id="only made"),
        pytest.param(BoxSpec(tags="a"), True, id="some of a set"),
        pytest.param(BoxSpec(labels={"x": "1"}), True, id="some of a map"),
        pytest.param(BoxSpec(floor=3), True, id="what the server moves by itself"),
        pytest.param(BoxSpec(tags="a,z"), False, id="more than was claimed"),
        pytest.param(BoxSpec(labels={"x": "9"}), False, id="another entry"),
        pytest.param(BoxSpec(ttl=5), False, id="another number"),
    ],
)
def test_an_unfinished_create_is_ours_to_finish(live: BoxSpec, ours: bool) -> None:
    spec = BoxSpec(tags="a,b", labels={"x": "1", "y": "2"}, ttl=60)
    change = only(diff(KINDS, wish((A, spec)), reading((A, live)), {}, {A: claim(spec)}))
    assert (change.action, change.taken_over) == (Action.UPDATE, not ours)


def test_what_a_killed_run_made_is_deleted_when_the_commit_drops_it() -> None:
    spec = BoxSpec(tags="a")
    found = diff(KINDS, {}, reading((A, unseen(spec))), {}, {A: claim(spec)})
    assert only(found).action is Action.DELETE
    assert found.unmanaged == ()


def test_what_a_killed_run_made_is_changed_when_the_commit_has_moved_on() -> None:
    old, new = BoxSpec(tags="a"), BoxSpec(tags="b")
    change = only(diff(KINDS, wish((A, new)), reading((A, old)), {}, {A: claim(old)}))
    assert (change.action, change.taken_over) == (Action.UPDATE, False)


def test_a_claim_that_came_to_nothing_is_a_create_again() -> None:
    assert only(diff(KINDS, wish((A, BoxSpec())), reading(), {}, {A: claim(BoxSpec())})).action is Action.CREATE
    assert diff(KINDS, {}, reading(), {}, {A: claim(BoxSpec())}).changes == ()


# ---- what is lost with a mount


def test_what_lies_below_a_replaced_mount_is_created_again() -> None:
    kv, deep = shelf("kv"), shelf("kv/deep")
    desired = wish((kv, ShelfSpec(fixed="v1")), (deep, ShelfSpec()), *((box(name), BoxSpec()) for name in ("kv/a", "kv/deep/b", "else")))
    live = reading((kv, ShelfSpec(fixed="v2")), (deep, ShelfSpec()), *((box(name), BoxSpec()) for name in ("kv/a", "kv/deep/b", "else")))
    owned = {address: Owned() for address in desired}
    found = diff(KINDS, desired, live, owned)
    # kv/deep is a mount of its own: what it holds is not below kv.
    assert [(str(change.address), change.action) for change in found.changes] == [
        ("test.box/kv/a", Action.CREATE),
        ("test.shelf/kv", Action.REPLACE),
    ]
    assert found.unchanged == 3
    assert found.changes[0].falls, "it is there, and goes with its mount"


def test_a_replaced_object_that_holds_nothing_touches_nothing_else() -> None:
    desired = wish((A, BoxSpec(material="steel")), (B, BoxSpec(needs="a")), (Address("test.later", "x"), BoxSpec()))
    found = diff(KINDS, desired, reading((A, BoxSpec()), (B, BoxSpec(needs="a"))), {A: Owned(), B: Owned()})
    assert only(found).address == A


def test_unknown_kinds_do_not_stop_the_search_below_a_replaced_mount() -> None:
    kv, stranger = shelf("kv"), Address("test.later", "kv/x")
    desired = wish((kv, ShelfSpec(fixed="v1")), (stranger, BoxSpec()))
    found = diff(KINDS, desired, reading((kv, ShelfSpec(fixed="v2"))), {kv: Owned()})
    assert only(found).address == kv
    assert found.unknown == (stranger,)


def test_reading_of_another_place_is_compared_there() -> None:
    place = Place("eu", "team")
    there = box("a", place)
    seen = {("test.box", place): Reading({"a": Live(BoxSpec(ttl=1))})}
    assert only(diff(KINDS, wish((there, BoxSpec(ttl=2))), seen, {there: Owned()})).address == there
