from __future__ import annotations

import datetime
from typing import Any, ClassVar

import pytest
from hypothesis import given
from pydantic import ValidationError

from reconciler.core.address import Address, Place
from reconciler.core.resource import Lifecycle, Origin, ServerValue, Spec, dump, fill_in, fingerprint, plain, server_values
from reconciler.core.values import Seconds, StringSet, canonical_json

from .kinds import BoxSpec, secret
from .strategies import BOXES, SECRETS


class Rotation(Spec):
    lambda_arn: str = ""
    after: Seconds = 0


class Job(Spec):
    live_names: ClassVar = {"size": "Size"}
    size: int = 1
    arns: StringSet = ()
    rotation: Rotation | None = None
    body: dict[str, Any] = {}


ROLE = Address("aws.iam_role", "ci", Place("eu"))
ARN = ServerValue(ROLE, "arn")


@given(BOXES)
def test_a_spec_is_read_back_from_its_dump(box: BoxSpec) -> None:
    known = {name: value for name, value in dump(box).items() if name != "password"}
    assert BoxSpec.model_validate(known) == box.model_copy(update={"password": None})


@given(BOXES, SECRETS)
def test_a_dump_says_only_that_there_is_a_secret(box: BoxSpec, password: object) -> None:
    shown = dump(box.model_copy(update={"password": password}))
    assert shown["password"] == "(secret)"
    assert "WORD" not in canonical_json(shown)


def test_a_dump_is_plain_json_at_any_depth() -> None:
    spec = Job(arns=["b", "a"], rotation=Rotation(after="1h"), body={"a": [{"b": (1, 2)}], "on": True, "none": None})
    assert dump(spec) == {
        "size": 1,
        "arns": ["a", "b"],
        "rotation": {"lambda_arn": "", "after": 3600},
        "body": {"a": [{"b": [1, 2]}], "on": True, "none": None},
    }
    assert plain(datetime.date(2027, 1, 31)) == "2027-01-31"


@given(BOXES, BOXES)
def test_fingerprints_tell_specs_apart(one: BoxSpec, other: BoxSpec) -> None:
    assert (fingerprint(one) == fingerprint(other)) == (dump(one) == dump(other))


def test_a_fingerprint_can_leave_fields_out() -> None:
    one, other = BoxSpec(ttl=1, tags="a"), BoxSpec(ttl=2, tags="a")
    assert fingerprint(one) != fingerprint(other)
    assert fingerprint(one, {"ttl"}) == fingerprint(other, {"ttl"})


def test_live_answers_are_read_by_the_servers_names_and_null_is_the_default() -> None:
    assert Job.from_live({"Size": 5, "arns": None, "unknown": 1}) == Job(size=5)


def test_specs_cannot_be_changed_and_take_no_typos() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Job().size = 2  # type: ignore[misc]  # what is tested
    with pytest.raises(ValidationError, match="Extra inputs"):
        Job.model_validate({"siez": 2})


def test_an_origin_says_the_line_and_the_instantiation() -> None:
    assert str(Origin("a.yaml", 3)) == "a.yaml:3"
    assert str(Origin("t.yaml.j2", 14, "a.yaml:2")) == "t.yaml.j2:14 with a.yaml:2"


def test_a_lifecycle_names_the_old_address_as_text() -> None:
    lifecycle = Lifecycle.model_validate({"moved_from": "vault.policy/old@eu"})
    assert lifecycle.moved_from == Address("vault.policy", "old", Place("eu"))
    assert Lifecycle(moved_from=lifecycle.moved_from) == lifecycle
    assert Lifecycle(moved_from=None).moved_from is None
    with pytest.raises(ValidationError, match="is not an address"):
        Lifecycle.model_validate({"moved_from": "old"})


def test_server_values_are_found_at_any_depth_and_filled_in() -> None:
    spec = Job(
        arns=[str(ARN), "fixed"],
        rotation=Rotation(lambda_arn=f"{ARN}/x"),
        body={"deep": [{"role": f"a {ARN} and {ARN}"}], "number": 5},
    )
    assert set(server_values(spec)) == {ARN}
    filled = fill_in(spec, {ARN: "arn:1"})
    assert list(server_values(filled)) == []
    assert filled == Job(
        arns=["arn:1", "fixed"],
        rotation=Rotation(lambda_arn="arn:1/x"),
        body={"deep": [{"role": "a arn:1 and arn:1"}], "number": 5},
    )


def test_a_filled_in_spec_is_canonical_again() -> None:
    assert fill_in(Job(arns=[str(ARN), "b"]), {ARN: "c"}).arns == ("b", "c")


def test_what_is_not_known_stays_as_it_is_written() -> None:
    spec = BoxSpec(labels={"a": str(ARN), "b": "${{ other }}", "c": "{{identity}}"}, password=secret())
    assert fill_in(spec, {}) == spec


def test_both_kinds_of_quotes_name_a_server_value() -> None:
    text = """${{ref("aws.iam_role/ci@eu").arn}} ${{  ref( 'aws.iam_role/ci@eu' ).arn  }}"""
    assert list(server_values(text)) == [ARN, ARN]


class Union(Spec):
    """The settings of several sorts of mounts."""

    sparse: ClassVar = True
    size: int = 1
    arns: StringSet = ()


def test_a_union_of_settings_is_shown_without_those_that_are_not_set() -> None:
    assert dump(Union(size=2)) == {"size": 2}
    assert dump(Union()) == {}


@given(BOXES)
def test_what_a_server_answers_is_read_whether_or_not_it_is_the_default(box: BoxSpec) -> None:
    seen = box.model_copy(update={"password": None})
    assert BoxSpec.from_live(dump(seen)) == seen
