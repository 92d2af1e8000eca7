"""IAM documents: equal by meaning is equal in canonical form, and only that."""

from __future__ import annotations

import copy
import json
import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.access.iam_document import canonical_document, document_problems, principals, respell

ACTIONS = ["s3:GetObject", "s3:PutObject", "secretsmanager:GetSecretValue", "kms:*", "sts:AssumeRole", "iam:Get*"]
RESOURCES = ["*", "arn:aws:s3:::bucket/*", "arn:aws:s3:::bucket", "${{ ref('aws.secret/genesis/db').arn }}", "arn:aws:s3:::${aws:username}"]
PRINCIPALS = ["*", "123456789012", "arn:aws:iam::210987654321:root", "arn:aws:iam::123456789012:role/app", "AROAEXAMPLE"]


def some(values: list[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(values), min_size=1, max_size=4, unique=True)


CONDITIONS = st.dictionaries(
    st.sampled_from(["StringEquals", "ForAnyValue:StringLike", "IpAddress"]),
    st.dictionaries(st.sampled_from(["aws:SourceIp", "aws:PrincipalTag/team"]), some(["a", "b", "10.0.0.0/8"]), min_size=1),
    max_size=2,
)
STATEMENTS = st.fixed_dictionaries(
    {"Effect": st.sampled_from(["Allow", "Deny"]), "Action": some(ACTIONS), "Resource": some(RESOURCES)},
    optional={
        "Sid": st.sampled_from(["Read", "Write"]),
        "Principal": st.fixed_dictionaries({"AWS": some(PRINCIPALS)}, optional={"Service": some(["ec2.amazonaws.com"])}),
        "Condition": CONDITIONS,
    },
)
DOCUMENTS = st.fixed_dictionaries({"Version": st.just("2012-10-17"), "Statement": st.lists(STATEMENTS, min_size=1, max_size=3)})


def rewritten(document: dict[str, Any], chance: random.Random) -> Any:
    """The same document as somebody else might have written it."""
    statements = [_reformatted(copy.deepcopy(statement), chance) for statement in document["Statement"]]
    chance.shuffle(statements)
    whole: dict[str, Any] = {"Statement": statements[0] if len(statements) == 1 and chance.random() < 0.5 else statements}
    whole["Version"] = document["Version"]
    return json.dumps(whole, indent=chance.choice([None, 2])) if chance.random() < 0.5 else whole


def _reformatted(statement: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    for element in ("Action", "Resource"):
        statement[element] = _loose(statement[element], chance)
    for kind, entries in statement.get("Principal", {}).items():
        statement["Principal"][kind] = _loose([_other_form(entry, chance) for entry in entries], chance)
    if statement.get("Principal") == {"AWS": "*"}:
        statement["Principal"] = "*"
    for tests in statement.get("Condition", {}).values():
        tests.update({key: _loose(values, chance) for key, values in tests.items()})
    pairs = list(statement.items())
    chance.shuffle(pairs)
    return dict(pairs)


def _loose(entries: list[str], chance: random.Random) -> str | list[str]:
    if len(entries) == 1 and chance.random() < 0.5:
        return entries[0]
    entries = [*entries, chance.choice(entries)]
    chance.shuffle(entries)
    return entries


def _other_form(principal: str, chance: random.Random) -> str:
    if chance.random() < 0.5 and principal.isdigit():
        return f"arn:aws:iam::{principal}:root"
    return principal


@given(DOCUMENTS, st.randoms(use_true_random=False))
def test_a_reordered_or_reformatted_document_is_equal(document: dict[str, Any], chance: random.Random) -> None:
    assert canonical_document(rewritten(document, chance)) == canonical_document(document)


@given(DOCUMENTS)
def test_the_canonical_form_is_its_own_canonical_form(document: dict[str, Any]) -> None:
    once = canonical_document(document)
    assert canonical_document(once) == once
    assert canonical_document(json.dumps(once)) == once


@given(STATEMENTS, DOCUMENTS, st.sampled_from(["Action", "Resource", "Effect", "Sid"]))
def test_a_changed_action_resource_effect_or_sid_is_a_difference(statement: dict[str, Any], rest: dict[str, Any], element: str) -> None:
    marked = {**statement, "Sid": "Marked"}  # no other statement is like it
    changes = {"Effect": {"Allow": "Deny", "Deny": "Allow"}[marked["Effect"]], "Sid": "Another"}
    changed = {**marked, element: changes.get(element) or [*marked[element], "new:Thing"]}
    before, after = (canonical_document({"Statement": [*rest["Statement"], one]}) for one in (marked, changed))
    assert before != after
    assert respell(after, before) != after


@given(DOCUMENTS, st.randoms(use_true_random=False))
def test_case_that_aws_ignores_is_no_difference_and_the_authors_spelling_stays(document: dict[str, Any], chance: random.Random) -> None:
    other = copy.deepcopy(document)
    for statement in other["Statement"]:
        statement["Action"] = [chance.choice([str.upper, str.lower])(action) for action in statement["Action"]]
    desired, live = canonical_document(document), canonical_document(other)
    assert respell(desired, live) == desired


@given(STATEMENTS)
def test_expressions_and_variables_pass_through_untouched(statement: dict[str, Any]) -> None:
    kept = canonical_document({"Statement": {**statement, "Resource": RESOURCES}})["Statement"]
    assert isinstance(kept, list)
    assert kept[0]["Resource"] == sorted(RESOURCES)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ({"Action": "a:b", "Principal": "*"}, {"Action": ["a:b"], "Principal": {"AWS": ["*"]}}),
        ({"Condition": {"Bool": {"aws:SecureTransport": True}}}, {"Condition": {"Bool": {"aws:SecureTransport": ["True"]}}}),
        ({"Condition": {"NumericLessThan": {"aws:age": 3600}}}, {"Condition": {"NumericLessThan": {"aws:age": "3600"}}}),
        ({"Sid": "", "Effect": "Allow"}, {"Effect": "Allow"}),
        ({"Principal": {"AWS": "arn:aws-cn:iam::123456789012:root"}}, {"Principal": {"AWS": "123456789012"}}),
    ],
    ids=["star principal", "boolean", "number", "empty sid", "root of another partition"],
)
def test_two_ways_of_writing_one_statement_are_equal(left: dict[str, Any], right: dict[str, Any]) -> None:
    assert canonical_document({"Statement": left}) == canonical_document({"Statement": [right]})


def test_a_document_without_a_version_means_the_old_one() -> None:
    bare: dict[str, Any] = {"Statement": []}
    old = {**bare, "Version": "2008-10-17"}
    assert canonical_document(bare) == canonical_document(old) != canonical_document({**bare, "Version": "2012-10-17"})


def test_a_deleted_principal_is_a_difference() -> None:
    def trust(who: str) -> dict[str, Any]:
        return canonical_document({"Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": who}}})

    assert trust("AROAJQABLZS4A3QDU576Q") != trust("arn:aws:iam::123456789012:role/app")


def test_case_still_counts_in_resources_and_condition_values() -> None:
    def document(resource: str) -> dict[str, Any]:
        return canonical_document({"Statement": {"Effect": "Allow", "Action": "s3:GetObject", "Resource": resource}})

    assert respell(document("arn:aws:s3:::a/X"), document("arn:aws:s3:::a/x")) != document("arn:aws:s3:::a/X")


@pytest.mark.parametrize("nothing", [None, "", "  ", {}], ids=["null", "empty text", "blank text", "empty map"])
def test_no_document_is_an_empty_one(nothing: object) -> None:
    assert canonical_document(nothing) == {}


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ('{"Statement": [', "is not JSON: line 1"),
        (["Allow"], "must be a policy document"),
        ({"Statement": ["Allow"]}, "each statement must be a map"),
        ({"Statement": {"Action": {"s3": "GetObject"}}}, "values must be strings"),
        ({"Statement": {"Condition": ["x"]}}, "Condition must be a map"),
    ],
    ids=["broken JSON", "a list", "a statement that is text", "an action that is a map", "a condition that is a list"],
)
def test_what_is_no_document_is_refused_in_words(document: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        canonical_document(document)


@pytest.mark.parametrize(
    ("statement", "purpose", "said"),
    [
        ({"Effect": "allow", "Action": "a:b", "Resource": "*"}, "identity", "Effect must be Allow or Deny"),
        ({"Effect": "Allow", "Actions": "a:b", "Resource": "*"}, "identity", "did you mean Action?"),
        ({"Effect": "Allow", "Action": "a:b"}, "identity", "needs Resource or NotResource"),
        ({"Effect": "Allow", "Action": "a:b", "NotAction": "a:c", "Resource": "*"}, "identity", "not both"),
        ({"Effect": "Allow", "Action": "a:b", "Resource": "*", "Principal": "*"}, "identity", "Principal does not belong"),
        ({"Effect": "Allow", "Action": "a:b", "Resource": "*"}, "resource", "needs Principal"),
        ({"Effect": "Allow", "Action": "a:b", "Principal": "*", "Resource": "*"}, "trust", "Resource does not belong"),
        ({"Effect": "Allow", "Action": "GetObject", "Resource": "*"}, "identity", "SERVICE:ACTION"),
        ({"Effect": "Allow", "Action": "a:b", "Principal": {"Aws": "*"}}, "trust", "no sort of principal"),
    ],
)
def test_what_aws_would_refuse_is_said_beforehand(statement: dict[str, Any], purpose: Any, said: str) -> None:
    document = canonical_document({"Version": "2012-10-17", "Statement": statement})
    assert any(said in problem for problem in document_problems(document, purpose))


def test_a_sound_document_has_no_problems() -> None:
    sound = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*", "Sid": "AllButIam"}}
    assert list(document_problems(canonical_document(sound), "identity")) == []


def test_principals_are_found_in_every_statement() -> None:
    role = "arn:aws:iam::123456789012:role/app"
    statements = [{"Principal": {"AWS": role}}, {"NotPrincipal": {"AWS": "arn:aws:iam::123456789012:root", "Service": "ec2"}}, {}]
    assert set(principals(canonical_document({"Statement": statements}))) == {role, "123456789012"}
