"""IAM: what documents allow, and what their changes give and take. The expectations are AWS's documented rules."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.access.iam import Answer, Attached, evaluate
from reconciler.access.iam_document import canonical_document
from reconciler.access.iam_effect import iam_effects
from tests.access.states import state

ROLE_ARN = "arn:aws:iam::123456789012:role/ci"
OBJECT = "arn:aws:s3:::bucket/key"


def statement(effect: str = "Allow", **elements: Any) -> dict[str, Any]:
    return {"Effect": effect, **elements}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def attached(*statements: dict[str, Any]) -> Attached:
    return Attached("policy", canonical_document(document(*statements)))


ALL = statement(Action="*", Resource="*")
GET = statement(Action="s3:GetObject", Resource="arn:aws:s3:::bucket/*")
NO_DELETE = statement("Deny", Action="s3:Delete*", Resource="*")
WITH_MFA = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}


@pytest.mark.parametrize(
    ("statements", "action", "resource", "answer"),
    [
        pytest.param([], "s3:GetObject", OBJECT, Answer.NO, id="nothing allows"),
        pytest.param([GET], "s3:GetObject", OBJECT, Answer.YES, id="an allow"),
        pytest.param([GET], "S3:getobject", OBJECT, Answer.YES, id="actions in another case"),
        pytest.param([GET], "s3:GetObject", "arn:aws:s3:::Bucket/key", Answer.NO, id="resources in another case"),
        pytest.param([GET], "s3:PutObject", OBJECT, Answer.NO, id="another action"),
        pytest.param([statement(Action="s3:Get?bject", Resource="*")], "s3:GetObject", OBJECT, Answer.YES, id="a question mark is one sign"),
        pytest.param([ALL, NO_DELETE], "s3:DeleteObject", OBJECT, Answer.NO, id="a deny beats an allow"),
        pytest.param([ALL, NO_DELETE], "s3:PutObject", OBJECT, Answer.YES, id="a deny of something else"),
        pytest.param([statement(NotAction="iam:*", Resource="*")], "s3:GetObject", OBJECT, Answer.YES, id="all but some actions"),
        pytest.param([statement(NotAction="iam:*", Resource="*")], "iam:PassRole", ROLE_ARN, Answer.NO, id="the spared action"),
        pytest.param([statement(Action="*", NotResource=OBJECT)], "s3:GetObject", OBJECT, Answer.NO, id="the spared resource"),
        pytest.param([ALL, statement("Deny", NotAction="s3:*", Resource="*")], "iam:PassRole", ROLE_ARN, Answer.NO, id="a deny of all but some"),
        pytest.param([{**GET, "Condition": WITH_MFA}], "s3:GetObject", OBJECT, Answer.CONDITIONAL, id="a condition on an allow"),
        pytest.param([GET, {**NO_DELETE, "Action": "*", "Condition": WITH_MFA}], "s3:GetObject", OBJECT, Answer.CONDITIONAL, id="a condition on a deny"),
        pytest.param([GET, {**GET, "Condition": WITH_MFA}], "s3:GetObject", OBJECT, Answer.YES, id="an allow without a condition beside one with"),
        pytest.param([statement(Action="*", Resource="arn:aws:s3:::${aws:username}/*")], "s3:GetObject", OBJECT, Answer.CONDITIONAL, id="a variable"),
        pytest.param([statement(Action="*", Resource="arn:aws:s3:::${*}")], "s3:GetObject", "arn:aws:s3:::x", Answer.NO, id="a star that is meant"),
    ],
)  # fmt: skip
def test_identity_policies(statements: list[dict[str, Any]], action: str, resource: str, answer: Answer) -> None:
    assert evaluate(action, resource, [attached(*statements)]).answer is answer


def test_a_boundary_limits_and_never_grants() -> None:
    assert evaluate("s3:GetObject", OBJECT, [attached(ALL)], attached(GET)).answer is Answer.YES
    assert evaluate("s3:PutObject", OBJECT, [attached(ALL)], attached(GET)).answer is Answer.NO
    assert evaluate("s3:GetObject", OBJECT, [], attached(ALL)).answer is Answer.NO


def test_a_policy_that_is_not_known_makes_an_answer_conditional() -> None:
    unread = Attached("arn:aws:iam::aws:policy/ReadOnlyAccess", None)
    assert evaluate("s3:GetObject", OBJECT, [unread]).answer is Answer.CONDITIONAL
    assert evaluate("s3:GetObject", OBJECT, [attached(GET)], unread).answer is Answer.CONDITIONAL


def test_a_policy_of_the_resource_grants_and_denies_whom_it_names() -> None:
    def shared(effect: str, principal: str) -> list[Attached]:
        return [attached(statement(effect, Principal={"AWS": principal}, Action="s3:*", Resource="*"))]

    def answer(effect: str, principal: str, *identity: Attached) -> Answer:
        return evaluate("s3:GetObject", OBJECT, identity, shared=shared(effect, principal), who=ROLE_ARN).answer

    assert answer("Allow", ROLE_ARN) is Answer.YES
    assert answer("Allow", "*") is Answer.YES
    assert answer("Allow", f"{ROLE_ARN}2") is Answer.NO
    # An account leaves it to the policies of its own roles.
    assert answer("Allow", "123456789012") is Answer.NO
    assert answer("Deny", "123456789012", attached(ALL)) is Answer.NO
    assert answer("Deny", f"{ROLE_ARN}2", attached(ALL)) is Answer.YES


TRUST = document(statement(Principal={"AWS": "123456789012"}, Action="sts:AssumeRole"))


def role(*statements: dict[str, Any], **fields: Any) -> dict[str, dict[str, Any]]:
    inline = {"inline_policies": {"own": document(*statements)}} if statements else {}
    return {"aws.iam_role/ci": {"trust_policy": TRUST, **inline, **fields}}


def told(before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    old, new = state(before), state(after)
    changed = {address for address in {**old, **new} if old.get(address) != new.get(address)}
    return [(one.subject, one.path, " ".join(one.gains), " ".join(one.loses)) for one in iam_effects(old, new, changed)]


BUCKET = "arn:aws:s3:::bucket/*"


def test_a_role_gains_what_its_policies_gain() -> None:
    assert told(role(GET), role({**GET, "Action": ["s3:GetObject", "s3:PutObject"]})) == [("aws.iam_role/ci", BUCKET, "s3:PutObject", "")]


def test_a_document_rewritten_to_the_same_effect_changes_nothing() -> None:
    assert told(role(GET, ALL), role(ALL)) == []
    assert (
        told(role(statement(Action=["s3:GetObject", "s3:PutObject"], Resource=BUCKET)), role(GET, {**GET, "Action": "s3:PutObject"})) == []
    )


def test_a_deny_takes_away_only_what_was_allowed() -> None:
    assert told(role(GET), role(GET, NO_DELETE)) == []
    assert told(role(statement(Action="s3:*", Resource=BUCKET)), role(statement(Action="s3:*", Resource=BUCKET), NO_DELETE)) == [
        ("aws.iam_role/ci", BUCKET, "", "s3:Delete*"),
    ]  # fmt: skip


def test_a_condition_turns_an_ability_into_a_conditional_one() -> None:
    assert told(role(GET), role({**GET, "Condition": WITH_MFA})) == [
        ("aws.iam_role/ci", BUCKET, "s3:GetObject (conditional)", "s3:GetObject"),
    ]  # fmt: skip


def test_the_holder_of_a_managed_policy_is_told_of_under_either_spelling_of_its_name() -> None:
    for arn in ("${{ ref('aws.iam_policy/reading').arn }}", "arn:aws:iam::123456789012:policy/reading"):
        holder = role(managed_policies=[arn])
        policy = {"aws.iam_policy/reading": {"document": document(GET)}}
        assert told({**holder, **policy}, {**holder, "aws.iam_policy/reading": {"document": document(ALL)}}) == [
            ("aws.iam_role/ci", "*", "*", "")
        ]


def test_a_policy_of_amazons_own_is_told_of_by_name() -> None:
    admin = "arn:aws:iam::aws:policy/AdministratorAccess"
    assert told(role(), role(managed_policies=[admin])) == [("aws.iam_role/ci", "*", "all that AdministratorAccess grants", "")]


def test_a_boundary_takes_away() -> None:
    limit = {"aws.iam_policy/limit": {"document": document(GET)}}
    bounded = role(ALL, permissions_boundary="arn:aws:iam::123456789012:policy/limit")
    assert told({**role(ALL), **limit}, {**bounded, **limit}) == [("aws.iam_role/ci", "*", "", "*")]


def test_trust_is_told_of_whom_it_trusts() -> None:
    trusting = document(
        statement(Principal={"AWS": "arn:aws:iam::123456789012:role/deployer", "Service": "ec2.amazonaws.com"}, Action="sts:AssumeRole")
    )
    found = told(role(), {"aws.iam_role/ci": {"trust_policy": trusting}, "aws.iam_role/deployer": {"trust_policy": TRUST}})
    assert ("aws.iam_role/deployer", "aws.iam_role/ci", "sts:AssumeRole", "") in found
    assert ("Service:ec2.amazonaws.com", "aws.iam_role/ci", "sts:AssumeRole", "") in found
    assert ("123456789012", "aws.iam_role/ci", "", "sts:AssumeRole") in found


def test_the_policy_of_a_secret_is_told_of_whom_it_names() -> None:
    def secret(*principals: str) -> dict[str, dict[str, Any]]:
        given = statement(Principal={"AWS": list(principals)}, Action="secretsmanager:GetSecretValue", Resource="*")
        return {"aws.secret/key": {"resource_policy": document(given)}}

    assert told(secret(ROLE_ARN), secret(ROLE_ARN, f"{ROLE_ARN}2")) == [
        (f"{ROLE_ARN}2", "aws.secret/key", "secretsmanager:GetSecretValue", "")
    ]
