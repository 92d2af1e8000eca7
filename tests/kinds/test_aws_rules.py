"""What AWS kinds know without a server: references, what AWS would refuse, and spellings of one thing."""

from __future__ import annotations

from typing import Any

import pytest

from reconciler.backends.aws.shapes import same_key, tags_of
from reconciler.core.kind import AnyKind, Ref
from reconciler.core.resource import fill_in, server_values
from reconciler.kinds import KINDS
from tests.kinds.samples_aws import POLICY_ARN, READ, SAMPLES, TRUST_EC2, allow, document

POLICY, ROLE, SECRET, KEY, PARAMETER = (
    KINDS[name] for name in ("aws.iam_policy", "aws.iam_role", "aws.secret", "aws.kms_key", "aws.ssm_parameter")
)


def test_tags_of_aws_itself_are_not_ours() -> None:
    assert tags_of([{"Key": "aws:cloudformation:stack-name", "Value": "x"}, {"Key": "team", "Value": "y"}]) == {"team": "y"}


def test_arns_and_aliases_are_references_to_what_they_end_in() -> None:
    trust = document(allow("sts:AssumeRole", Principal={"AWS": "arn:aws:iam::999999999999:role/ci/deploy"}))
    managed = [POLICY_ARN, "arn:aws:iam::aws:policy/ReadOnlyAccess"]
    role = ROLE.spec.model_validate({"trust_policy": trust, "managed_policies": managed})
    assert list(ROLE.refs("app", role)) == [
        Ref("managed_policies", "aws.iam_policy", "read-secrets", soft=True),
        Ref("trust_policy", "aws.iam_role", "deploy", soft=True, hint=True),
    ]
    secret = SECRET.spec.model_validate({"kms_key_id": "arn:aws:kms:us-east-1:123456789012:alias/genesis"})
    assert list(SECRET.refs("db", secret)) == [Ref("kms_key_id", "aws.kms_key", "alias/genesis", soft=True)]
    assert list(SECRET.refs("db", SECRET.spec.model_validate({"kms_key_id": "1234abcd"}))) == []


def test_server_values_are_found_and_filled_in_wherever_they_stand() -> None:
    ref = "${{ ref('aws.kms_key/alias/x').arn }}"
    secret = SECRET.spec.model_validate({"replicas": [{"region": "eu-west-1", "kms_key_id": ref}]})
    policy = POLICY.spec.model_validate({"document": document(allow("kms:Decrypt", Resource=["b", ref]))})
    for spec in (secret, policy):
        (value,) = server_values(spec)
        assert str(value) == ref
        filled = fill_in(spec, {value: "an-arn"})
        assert list(server_values(filled)) == []
        assert "an-arn" in filled.model_dump_json()


@pytest.mark.parametrize(
    ("kind", "name", "spec", "said"),
    [
        (SECRET, "a b", {}, "a secret's name"),
        (SECRET, "db", {"recovery_window_days": 3}, "between 7 and 30"),
        (SECRET, "db", {"rotation": {"lambda_arn": "arn:x"}}, "either automatically_after_days or schedule_expression"),
        (SECRET, "db", {"replicas": ["eu-west-1", "eu-west-1"]}, "a region twice"),
        (SECRET, "db", {"tags": {"aws:x": "y"}}, "belong to AWS"),
        (SECRET, "db", {"resource_policy": READ}, "resource_policy: statement 1: needs Principal"),
        (POLICY, "reader", {"document": ""}, "document is empty"),
        (POLICY, "reader", {"document": READ, "path": "genesis"}, "begin and end with /"),
        (ROLE, "app", {"trust_policy": TRUST_EC2, "max_session_duration": "1m"}, "between 1h and 12h"),
        (ROLE, "app", {"trust_policy": TRUST_EC2, "managed_policies": ["reader"]}, "is not an ARN"),
        (ROLE, "app", {"trust_policy": READ}, "trust_policy: statement 1: Resource does not belong"),
        (KEY, "genesis", {}, "a key's name is alias/NAME"),
        (KEY, "alias/aws/x", {}, "belongs to AWS"),
        (KEY, "alias/x", {"rotation_period_days": 180}, "without rotation: true"),
        (PARAMETER, "/db", {}, "value is missing"),
        (PARAMETER, "/aws/x", {"value": {"from": "env:X"}}, "does not begin with aws"),
    ],
)
def test_what_aws_would_refuse_is_said_by_validate(kind: AnyKind, name: str, spec: dict[str, Any], said: str) -> None:
    assert any(said in problem for problem in kind.check(name, kind.spec.model_validate(spec)))


@pytest.mark.parametrize(("kind", "sample"), [(KINDS[name], sample) for name, samples in sorted(SAMPLES.items()) for sample in samples])
def test_a_sound_sample_has_no_problems(kind: AnyKind, sample: Any) -> None:
    assert [problem for spec in (sample.spec, sample.changed) for problem in kind.check(sample.name, kind.spec.model_validate(spec))] == []


def test_two_spellings_of_one_key_are_one_key() -> None:
    assert same_key("alias/x", "arn:aws:kms:us-east-1:123456789012:alias/x")
    assert same_key("1234-abcd", "arn:aws:kms:us-east-1:123456789012:key/1234-abcd")
    assert not same_key("alias/x", "alias/y")
    desired, live = (SECRET.spec.model_validate({"kms_key_id": key}) for key in ("alias/x", "arn:aws:kms:us-east-1:123456789012:alias/x"))
    assert SECRET.align(desired, live) == desired
    assert SECRET.align(SECRET.spec(), live) == live


def test_a_rotation_period_that_the_server_does_not_tell_is_not_compared() -> None:
    desired = KEY.spec.model_validate({"rotation": True, "rotation_period_days": 180})
    told, silent = (KEY.spec.model_validate({"rotation": True, "rotation_period_days": days}) for days in (90, None))
    assert KEY.align(desired, told) != desired
    assert KEY.align(desired, silent) == desired


def test_raising_a_parameters_tier_is_an_update_and_lowering_it_a_replace() -> None:
    standard, advanced = (PARAMETER.spec.model_validate({"tier": tier}) for tier in ("Standard", "Advanced"))
    assert not PARAMETER.replaces(standard, advanced)
    assert PARAMETER.replaces(advanced, standard)
