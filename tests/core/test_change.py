from __future__ import annotations

from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.core.change import Action, Field, differences
from reconciler.core.resource import Spec, dump
from reconciler.core.secret import CHANGED, NOT_COMPARED, SHOWN, Secret

from .kinds import BoxSpec, LooseSpec, ShelfSpec, box, change, secret
from .strategies import BOXES, SECRETS

LEAVES = st.booleans() | st.integers() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
TREES = st.recursive(LEAVES, lambda inner: st.dictionaries(st.text("ab/~", max_size=3), inner, min_size=1, max_size=3), max_leaves=8)
MAPS = st.dictionaries(st.text("ab/~", max_size=3), TREES, max_size=4)


class Inner(Spec):
    a: int = 0
    b: str = ""


class Outer(Spec):
    inner: Inner | None = None


def pointed(document: Any, pointer: str) -> Any:
    """Follow an RFC 6901 pointer; None where it leads nowhere."""
    for part in pointer.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        document = document.get(key) if isinstance(document, dict) else None
    return document


def leaves(tree: dict[str, Any], path: str = "") -> set[str]:
    found = set()
    for key, value in tree.items():
        here = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
        found |= leaves(value, here) if isinstance(value, dict) and value else {here}
    return found


@given(BOXES)
def test_a_spec_does_not_differ_from_itself(spec: BoxSpec) -> None:
    assert list(differences(spec, spec.model_copy())) == []


@given(BOXES, BOXES)
def test_specs_that_differ_have_differences(one: BoxSpec, other: BoxSpec) -> None:
    assert (one == other) == (not list(differences(one, other)))


@given(MAPS, MAPS)
def test_paths_lead_to_the_two_values(old: dict[str, Any], new: dict[str, Any]) -> None:
    for path, before, after in differences(LooseSpec(data=old), LooseSpec(data=new)):
        assert pointed({"data": old}, path) == before
        assert pointed({"data": new}, path) == after
        assert before != after


@given(MAPS)
def test_a_create_has_one_entry_a_leaf(data: dict[str, Any]) -> None:
    fields = list(differences(None, LooseSpec(data=data)))
    assert {field.path for field in fields} == leaves({"data": data})
    assert all(field.before is None for field in fields)


@given(BOXES, BOXES)
def test_the_way_back_has_the_same_paths_with_sides_swapped(one: BoxSpec, other: BoxSpec) -> None:
    one, other = (spec.model_copy(update={"password": None}) for spec in (one, other))
    assert [(path, after, before) for path, before, after in differences(one, other)] == list(differences(other, one))


def test_maps_are_descended_and_sets_are_leaves() -> None:
    before, after = BoxSpec(tags="a,b", labels={"x": "1", "y": "2"}), BoxSpec(tags="b,c", labels={"x": "9"}, ttl="1h")
    assert list(differences(before, after)) == [
        Field("/labels/x", "1", "9"),
        Field("/labels/y", "2", None),
        Field("/tags", ["a", "b"], ["b", "c"]),
        Field("/ttl", 0, 3600),
    ]


def test_nested_models_are_maps() -> None:
    assert list(differences(Outer(inner=Inner(a=1)), Outer(inner=Inner(a=2)))) == [Field("/inner/a", 1, 2)]
    assert list(differences(Outer(), Outer(inner=Inner(a=2)))) == [Field("/inner/a", None, 2), Field("/inner/b", None, "")]


def test_a_map_that_becomes_something_else_is_a_leaf() -> None:
    before, after = LooseSpec(data={"a": {"b": 1}}), LooseSpec(data={"a": [1]})
    assert list(differences(before, after)) == [Field("/data/a", {"b": 1}, [1])]
    assert list(differences(LooseSpec(data={"a": {}}), LooseSpec())) == [Field("/data/a", {}, None)]


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        pytest.param(None, secret(), (None, SHOWN), id="given"),
        pytest.param(secret(), None, (SHOWN, None), id="taken"),
        pytest.param(secret(mark="1"), secret(mark="2"), (SHOWN, CHANGED), id="another mark"),
        pytest.param(secret("env:A"), secret("env:B"), (SHOWN, CHANGED), id="another source"),
        pytest.param(secret(mark="1"), secret(mark=""), (SHOWN, NOT_COMPARED), id="no mark now"),
        pytest.param(secret(mark=""), secret(mark="1"), (SHOWN, NOT_COMPARED), id="no mark before"),
    ],
)
def test_secrets_are_compared_by_mark_and_never_shown(before: Secret | None, after: Secret | None, shown: tuple[object, object]) -> None:
    assert list(differences(BoxSpec(password=before), BoxSpec(password=after))) == [Field("/password", *shown)]


@given(SECRETS, SECRETS)
def test_nothing_of_a_secret_is_in_a_difference(one: Secret, other: Secret) -> None:
    fields = [*differences(None, BoxSpec(password=one)), *differences(BoxSpec(password=one), BoxSpec(password=other))]
    assert not any(word in repr(fields) for word in ("env:", "WORD", "OTHER", "mark-"))


@pytest.mark.parametrize("action", [Action.ADOPT, Action.FORGET])
def test_who_owns_an_object_is_no_field_of_it(action: Action) -> None:
    assert change(box("a"), ShelfSpec(note="a"), ShelfSpec(note="b"), action).fields() == ()


def test_deletes_and_replaces_take_the_object_away() -> None:
    spec = ShelfSpec()
    gone = {action for action in Action if change(box("a"), spec, spec, action).deletes}
    assert gone == {Action.DELETE, Action.REPLACE}


class Union(Spec):
    sparse: ClassVar = True
    a: int = 0
    b: str = ""


def test_a_union_of_settings_shows_what_is_set_or_reset() -> None:
    assert list(differences(None, Union(a=1))) == [Field("/a", None, 1)]
    assert list(differences(Union(b="x"), None)) == [Field("/b", "x", None)]
    assert list(differences(Union(a=1), Union(b="x"))) == [Field("/a", 1, 0), Field("/b", "", "x")]


@given(BOXES, BOXES)
def test_what_a_ledger_recorded_differs_as_the_specs_did(one: BoxSpec, other: BoxSpec) -> None:
    one, other = (spec.model_copy(update={"password": None}) for spec in (one, other))
    assert list(differences(dump(one), dump(other))) == list(differences(one, other))
    assert list(differences(None, dump(other))) == list(differences(None, other))
