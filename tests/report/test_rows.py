from __future__ import annotations

from typing import Any

import pytest

from reconciler.core.address import Address
from reconciler.core.change import Action, Change
from reconciler.core.resource import Spec
from reconciler.core.values import Seconds, StringSet
from reconciler.report.rows import TITLES, rows
from reconciler.report.structures import Detail, show

from .plans import changed, document, plan


def details(before: Spec | None, after: Spec) -> list[Detail]:
    action = Action.UPDATE if before is not None else Action.CREATE
    return list(rows(plan(Change(Address("test.box", "a"), action, before, after)))[0].details)


class Inner(Spec):
    wait: Seconds = 0
    often: Seconds | None = None
    note: str = "usual"


class Sample(Spec):
    ttl: Seconds = 3600
    size: int
    names: StringSet = ()
    inner: Inner = Inner()
    maybe: Inner | None = None
    extra: dict[str, Any] = {}


def test_what_destroys_comes_first_then_action_by_action() -> None:
    actions = [*Action, Action.CREATE]
    spec: dict[str, Any] = {"type": "kv"}
    made = [changed(f"vault.secrets_engine/{number}", spec, spec, action) for number, action in enumerate(actions)]
    made.append(changed("vault.secrets_engine/a", spec, spec, Action.UPDATE, loses="all of it"))
    found = rows(plan(*made))
    assert [row.action for row in found] == [Action.UPDATE, *(action for action in TITLES for _ in range(actions.count(action)))]
    assert [row.sign for row in found] == ["!", "-", "±", "~", "+", "+", "=", "x"]
    assert found[0].remark == "update: loses all of it"


def test_durations_are_shown_as_people_write_them_wherever_they_are() -> None:
    before = Sample(size=5400, inner=Inner(wait=5400, often=5400))
    after = Sample(size=60, ttl=90, inner=Inner(wait=60, often=86400), maybe=Inner(wait=30))
    assert details(before, after) == [
        Detail("~", "inner.often", "1h30m", "1d"),
        Detail("~", "inner.wait", "1h30m", "1m"),
        Detail("+", "maybe.note", "", "usual"),
        Detail("+", "maybe.wait", "", "30s"),
        Detail("~", "size", "5400", "60"),
        Detail("~", "ttl", "1h", "1m30s"),
    ]


def test_a_create_leaves_out_what_has_its_default() -> None:
    assert details(None, Sample(size=1, inner=Inner(wait=5), maybe=Inner())) == [
        Detail("+", "inner.wait", "", "5s"),
        Detail("+", "size", "", "1"),
    ]


def test_an_update_shows_a_return_to_the_default() -> None:
    assert details(Sample(size=1, ttl=60, names="a"), Sample(size=1)) == [
        Detail("~", "names", "a", "(none)"),
        Detail("~", "ttl", "1m", "1h"),
    ]


def test_keys_of_maps_are_shown_as_they_are() -> None:
    assert details(Sample(size=1), Sample(size=1, extra={"a/b~c": "x"})) == [Detail("+", "extra.a/b~c", "", "x")]


def test_short_lists_are_shown_whole_and_long_ones_by_what_moved() -> None:
    assert details(Sample(size=1, names="a,b"), Sample(size=1, names="b,c")) == [Detail("~", "names", "a, b", "b, c")]
    many = [f"policy-{number:02}" for number in range(20)]
    assert details(Sample(size=1, names=many), Sample(size=1, names=[*many[1:], "new"])) == [
        Detail("+", "names", "", "new"),
        Detail("-", "names", "policy-00", ""),
    ]


def test_a_long_list_in_another_order_is_shown_whole() -> None:
    statements = [f"GRANT SELECT ON table_{number} TO x" for number in range(4)]
    before, after = Sample(size=1, extra={"s": statements}), Sample(size=1, extra={"s": statements[::-1]})
    assert details(before, after) == [Detail("~", "extra.s", ", ".join(statements), ", ".join(statements[::-1]))]


def rule(path: str, *capabilities: str, **more: Any) -> dict[str, Any]:
    return {"path": path, "capabilities": list(capabilities), **more}


def test_policy_rules_are_one_line_a_path() -> None:
    before = {"rules": [rule("a", "read"), rule("b", "read"), rule("same", "list")]}
    after = {
        "rules": [
            rule("b", "read", "update", allowed_parameters={"x": ["1"]}),
            rule("c", "sudo", min_wrapping_ttl="1m"),
            rule("same", "list"),
        ]
    }
    (row,) = rows(plan(changed("vault.policy/p", before, after)))
    assert list(row.details) == [
        Detail("-", "a", "read", ""),
        Detail("~", "b", "read", 'read, update with allowed_parameters {"x":["1"]}'),
        Detail("+", "c", "", "sudo with min_wrapping_ttl 1m"),
    ]


def test_a_rule_that_ends_stands_beside_the_one_of_its_path_that_does_not() -> None:
    ending = rule("a", "update", expiration="2027-01-31T00:00:00Z")
    (row,) = rows(plan(changed("vault.policy/p", {"rules": [rule("a", "read")]}, {"rules": [rule("a", "read"), ending]})))
    assert list(row.details) == [Detail("+", "a", "", "update with expiration 2027-01-31T00:00:00Z")]


def statements(before: dict[str, Any], after: dict[str, Any]) -> list[Detail]:
    (row,) = rows(plan(changed("aws.iam_policy/p", {"document": before}, {"document": after})))
    return list(row.details)


def test_statements_are_known_by_their_sid() -> None:
    a, b = {"Sid": "A", "Action": "s3:Get*", "Resource": "*"}, {"Sid": "B", "Action": "s3:Put*", "Resource": "*"}
    assert statements(document(a, b), document({**a, "Resource": "arn:aws:s3:::x"}, {**b, "Sid": "C"})) == [
        Detail("~", "document.Statement[A].Resource[0]", "*", "arn:aws:s3:::x"),
        Detail("-", "document.Statement[B]", "Allow s3:Put* on *", ""),
        Detail("+", "document.Statement[C]", "", "Allow s3:Put* on *"),
    ]


def test_statements_without_a_name_are_known_by_what_is_most_alike() -> None:
    a = {"Action": ["s3:GetObject", "s3:ListBucket"], "Resource": "arn:aws:s3:::a"}
    b = {"Action": ["kms:Decrypt"], "Resource": "arn:aws:kms:::b"}
    found = statements(document(a, b), document(b, {**a, "Action": ["s3:GetObject", "s3:ListBucket", "s3:PutObject"]}))
    assert [(one.sign, one.label.partition("[")[2].partition("]")[2], one.before, one.after) for one in found] == [
        ("+", ".Action", "", "s3:PutObject")
    ]


def test_all_statements_of_a_new_document_are_sentences() -> None:
    trust = document({"Action": "sts:AssumeRole", "Principal": {"AWS": "123456789012", "Service": "ec2.amazonaws.com"}})
    (row,) = rows(plan(changed("aws.iam_role/ci", None, {"trust_policy": trust})))
    assert Detail("+", "trust_policy.Statement", "", "Allow sts:AssumeRole for AWS 123456789012, Service ec2.amazonaws.com") in row.details


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (5, "5"),
        ("a b", "a b"),
        ("a\nb", "a\\nb"),
        ([], "(none)"),
        (["b", "a"], "b, a"),
        ({"a": [1]}, '{"a":[1]}'),
        ("arn:${{ ref('aws.iam_role/ci').arn }}/x", "(known after apply)"),
        ("${{ not one of ours }}", "${{ not one of ours }}"),
        (
            {"Effect": "Deny", "NotAction": ["s3:*"], "NotResource": ["*"], "NotPrincipal": "*"},
            "Deny all but s3:* on all but * for all but *",
        ),
    ],
)
def test_values_are_one_line_without_needless_quotes(value: object, text: str) -> None:
    assert show(value) == text


def test_other_lists_of_maps_say_what_is_inside() -> None:
    before = {"data": {"hosts": [{"name": "a", "port": 1}, {"name": "b", "port": 2}]}}
    after = {"data": {"hosts": [{"name": "a", "port": 9}, {"name": "b", "port": 2, "tls": True}]}}
    (row,) = rows(plan(changed("vault.object/sys/config/x", before, after)))
    assert list(row.details) == [
        Detail("~", "data.hosts[a].port", "1", "9"),
        Detail("+", "data.hosts[b].tls", "", "true"),
    ]
    (emptied,) = rows(plan(changed("vault.object/sys/config/x", before, {"data": {"hosts": []}})))
    assert [one.sign for one in emptied.details] == ["-", "-"]


def test_a_value_of_another_type_is_a_change() -> None:
    before, after = {"data": {"hosts": [{"port": 1}]}}, {"data": {"hosts": [{"port": "1"}]}}
    (row,) = rows(plan(changed("vault.object/sys/config/x", before, after)))
    assert list(row.details) == [Detail("~", "data.hosts[0].port", "1", "1")]
