from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.address import Address, Place
from reconciler.core.change import Action, Change
from reconciler.core.diff import diff
from reconciler.core.guard import Guard, Refusal
from reconciler.core.owned import Owned
from reconciler.core.plan import Header, Plan, Unknown, change_json, comparable, plan_json, stale_addresses
from reconciler.core.resource import Origin
from reconciler.core.values import canonical_json

from .kinds import KINDS, BoxSpec, box, change, reading, secret, wish
from .strategies import BOX_MAPS, BOXES, SOME_BOXES

HEADER = Header("genesis", "prod", "4f2c1ab")
UNKNOWN = Unknown("test.box", Place("eu", "team"), "in/", "read on box/in/*", 'path "box/in/*" {}')
SIDES = st.tuples(st.none() | SOME_BOXES, st.none() | SOME_BOXES)
CHANGES = st.dictionaries(st.sampled_from("abcde").map(box), SIDES, max_size=5).map(
    lambda found: tuple(change(address, *sides) for address, sides in sorted(found.items()) if any(sides))
)


def plan(*changes: Change[Any], **more: Any) -> Plan:
    return Plan(**{"header": HEADER, "changes": changes, **more})


@given(CHANGES)
def test_equal_plans_are_equal_to_the_byte(changes: tuple[Change[Any], ...]) -> None:
    one, other = plan(*changes), plan(*changes)
    assert canonical_json(plan_json(one)) == canonical_json(plan_json(other))
    assert list(plan_json(one)) == list(plan_json(other))
    assert one == other


@given(CHANGES, st.randoms(use_true_random=False))
def test_the_digest_knows_neither_commit_nor_origin_nor_input_order(changes: tuple[Change[Any], ...], chance: random.Random) -> None:
    moved = [replace(one, origin=Origin("elsewhere.yaml", 9), version="8") for one in changes]
    chance.shuffle(moved)
    other = plan(*moved, header=HEADER._replace(commit="fedcba9", dirty=True), unchanged=3, unmanaged=(Address("k", "x"),), notes=("x",))
    assert plan(*changes).digest == other.digest


@given(CHANGES, CHANGES)
def test_other_changes_have_another_digest(one: tuple[Change[Any], ...], other: tuple[Change[Any], ...]) -> None:
    # What only some logins can compare is in no digest.
    seen, others = ([known for each in side if (known := comparable(change_json(each)))] for side in (one, other))
    if seen != others:
        assert plan(*one).digest != plan(*other).digest


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(plan(header=HEADER._replace(project="other")), id="another project"),
        pytest.param(plan(header=HEADER._replace(environment="dev")), id="another environment"),
        pytest.param(plan(unknown=(UNKNOWN,)), id="not everything could be read"),
    ],
)
def test_the_digest_knows_what_the_plan_is_about(other: Plan) -> None:
    assert plan().digest != other.digest


@given(BOX_MAPS, BOX_MAPS)
def test_a_login_that_cannot_compare_secrets_has_the_same_digest(desired: dict[Any, BoxSpec], live: dict[Any, BoxSpec]) -> None:
    def planned(*, able: bool) -> Plan:
        marked = {
            address: spec.model_copy(update={"password": spec.password.model_copy(update={"mark": spec.password.mark if able else ""})})
            if spec.password
            else spec
            for address, spec in desired.items()
        }
        kept = {
            address: {"password": {"source": spec.password.source, "mark": "mark-1"}} if spec.password else {}
            for address, spec in live.items()
        }
        seen = reading(*((address, spec.model_copy(update={"password": None})) for address, spec in live.items()))
        owned = {address: Owned(kept=found) for address, found in kept.items()}
        return plan(*diff(KINDS, wish(*marked.items()), seen, owned).changes)

    one, other = planned(able=True), planned(able=False)
    assert one.digest == other.digest
    assert stale_addresses(one.shown, other.shown) == stale_addresses(other.shown, one.shown) == []


def test_another_source_of_a_secret_is_another_digest() -> None:
    def moved(source: str) -> Plan:
        return plan(change(box("a"), BoxSpec(password=secret("env:A", "1")), BoxSpec(password=secret(source, "2"))))

    assert len({moved(source).digest for source in ("env:A", "env:B", "env:C")}) == 3
    assert moved("env:A").digest == plan().digest
    created = [plan(change(box("a"), None, BoxSpec(password=secret(source)))) for source in ("env:A", "env:B")]
    assert created[0].digest != created[1].digest


def test_a_plan_is_written_as_the_contract_says() -> None:
    made = plan(
        change(box("kv/a"), BoxSpec(labels={"x/y": "1"}), BoxSpec(ttl="1h"), origin=Origin("a.yaml", 3)),
        change(box("kv/b"), BoxSpec(), None, loses="all of it"),
        unchanged=1204,
        unmanaged=tuple(Address("k", str(number)) for number in range(17)),
        refusals=(Refusal(Guard.IRREVERSIBLE, "test.box/kv/b", "delete loses for good: all of it"),),
        unknown=(UNKNOWN,),
        notes=("a note",),
        access=({"subject": "role x"},),
    )
    shown = plan_json(made)
    assert list(shown) == [
        "format_version", "project", "environment", "commit", "dirty", "complete", "digest", "summary", "changes", "access", "refusals",
        "unknown", "notes",
    ]  # fmt: skip
    update, delete = shown["changes"]
    assert update == {
        "address": "test.box/kv/a",
        "action": "update",
        "before": {**BoxSpec().model_dump(mode="json"), "labels": {"x/y": "1"}},
        "after": {**BoxSpec().model_dump(mode="json"), "ttl": 3600},
        "fields": [{"path": "/labels/x~1y", "before": "1", "after": None}, {"path": "/ttl", "before": 0, "after": 3600}],
        "irreversible": False,
        "origin": "a.yaml:3",
    }
    assert (delete["after"], delete["irreversible"], delete["origin"]) == (None, True, None)
    assert shown["summary"] == {
        "create": 0, "update": 1, "replace": 0, "delete": 1, "adopt": 0, "forget": 0, "unchanged": 1204, "unmanaged": 17,
    }  # fmt: skip
    assert shown["complete"] is False
    assert shown["refusals"] == [{"guard": "irreversible", "address": "test.box/kv/b", "message": "delete loses for good: all of it"}]
    assert shown["unknown"] == [
        {"kind": "test.box", "place": "eu/team", "prefix": "in/", "missing": "read on box/in/*", "policy": 'path "box/in/*" {}'}
    ]
    assert shown["digest"].startswith("sha256:")
    assert plan_json(plan(header=HEADER._replace(commit="")))["commit"] is None


@given(BOXES.filter(lambda spec: spec.password is not None))
def test_no_secret_is_reachable_from_a_plan(spec: BoxSpec) -> None:
    made = plan(change(box("a"), None, spec), change(box("b"), spec, None))
    assert not any(word in canonical_json(plan_json(made)) for word in ("env:", "WORD", "OTHER", "mark-"))


@given(CHANGES, CHANGES)
def test_a_saved_change_is_stale_unless_it_comes_out_identical(saved: tuple[Change[Any], ...], fresh: tuple[Change[Any], ...]) -> None:
    expected = {str(one.address): comparable(change_json(one)) for one in saved}
    now = {str(one.address): comparable(change_json(one)) for one in fresh}
    stale = [address for address, one in expected.items() if one is not None and now.get(address) != one]
    assert stale_addresses(plan(*saved).shown, plan(*fresh).shown) == stale
    assert stale_addresses(plan(*saved).shown, plan(*saved).shown) == []


def test_changes_that_only_the_fresh_plan_has_are_not_stale() -> None:
    saved = change(box("a"), None, BoxSpec())
    assert stale_addresses([change_json(saved)], map(change_json, [saved, change(box("b"), None, BoxSpec())])) == []
    assert stale_addresses([change_json(saved)], []) == ["test.box/a"]


def test_a_change_about_a_secret_alone_is_not_comparable() -> None:
    hidden = change_json(change(box("a"), BoxSpec(password=secret(mark="1")), BoxSpec(password=secret(mark="2"))))
    assert comparable(hidden) is None
    adopted = change_json(change(box("a"), BoxSpec(), BoxSpec(), Action.ADOPT))
    assert comparable(adopted) == {key: value for key, value in adopted.items() if key != "origin"}
