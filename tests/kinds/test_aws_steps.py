"""The pure steps of AWS kinds that are many calls: from any state they lead to any other."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from reconciler.backends.aws.shapes import Step
from reconciler.kinds import aws_iam_role, aws_kms_key, aws_secret_steps
from reconciler.kinds.aws_iam_role import ATTACHABLE, IamRoleSpec
from reconciler.kinds.aws_kms_key import YEAR, KmsKeySpec
from reconciler.kinds.aws_secret_steps import Replica, Rotation, SecretSpec
from tests.kinds.samples_aws import KEY_POLICY, READ, READ_AND_DECRYPT, SECRET_POLICY, TRUST_ACCOUNT, TRUST_EC2

WORDS = st.sampled_from(["", "one", "two"])
TAGS = st.dictionaries(st.sampled_from(["a", "b", "c"]), WORDS, max_size=3)
ARNS = [f"arn:aws:iam::123456789012:policy/p{number}" for number in range(8)]

ROLES = st.builds(
    IamRoleSpec,
    description=WORDS,
    trust_policy=st.sampled_from([TRUST_EC2, TRUST_ACCOUNT]),
    managed_policies=st.lists(st.sampled_from(ARNS), unique=True),
    inline_policies=st.dictionaries(st.sampled_from(["own", "more"]), st.sampled_from([READ, READ_AND_DECRYPT])),
    max_session_duration=st.sampled_from([3600, 7200]),
    permissions_boundary=st.sampled_from(["", *ARNS[:2]]),
    tags=TAGS,
)
ROTATIONS = st.builds(Rotation, lambda_arn=st.sampled_from(["f", "g"]), automatically_after_days=st.sampled_from([1, 30])) | st.builds(
    Rotation, lambda_arn=st.just("f"), schedule_expression=st.just("rate(10 days)"), duration=st.sampled_from(["", "3h"])
)
SECRETS = st.builds(
    SecretSpec,
    description=WORDS,
    kms_key_id=st.sampled_from(["", "alias/genesis"]),
    tags=TAGS,
    rotation=st.none() | ROTATIONS,
    resource_policy=st.sampled_from([{}, SECRET_POLICY, KEY_POLICY]),
    replicas=st.lists(
        st.builds(Replica, region=st.sampled_from(["eu-west-1", "us-west-2"]), kms_key_id=st.sampled_from(["", "alias/far"])),
        unique_by=lambda replica: replica.region,
    ),
)
KEYS = st.builds(KmsKeySpec, description=WORDS, policy=st.sampled_from([{}, KEY_POLICY]), rotation=st.booleans(), tags=TAGS) | st.builds(
    KmsKeySpec, rotation=st.just(True), rotation_period_days=st.sampled_from([90, 180])
)


def retag(state: dict[str, Any], call: dict[str, Any], key: str = "Key", value: str = "Value") -> None:
    for name in call.get("TagKeys", ()):
        del state["tags"][name]
    state["tags"].update({pair[key]: pair[value] for pair in call.get("Tags", ())})


def play_role(spec: IamRoleSpec | None, steps: list[Step]) -> IamRoleSpec | None:
    """Do to a role in memory what AWS would do; anything that AWS would refuse is a KeyError or ValueError here."""
    state = spec.model_dump() if spec is not None else {}
    state["managed_policies"] = list(state.get("managed_policies", ()))
    for _, operation, call in steps:
        match operation:
            case "create_role":
                state = {"path": call["Path"], "managed_policies": [], "inline_policies": {}, "tags": {}}
                state |= {"description": call["Description"], "max_session_duration": call["MaxSessionDuration"]}
                state |= {"trust_policy": call["AssumeRolePolicyDocument"], "permissions_boundary": call.get("PermissionsBoundary", "")}
                retag(state, call)
            case "update_role":
                state |= {"description": call["Description"], "max_session_duration": call["MaxSessionDuration"]}
            case "update_assume_role_policy":
                state["trust_policy"] = call["PolicyDocument"]
            case "put_role_permissions_boundary":
                state["permissions_boundary"] = call["PermissionsBoundary"]
            case "delete_role_permissions_boundary":
                state["permissions_boundary"] = ""
            case "attach_role_policy":
                state["managed_policies"].append(call["PolicyArn"])
            case "detach_role_policy":
                state["managed_policies"].remove(call["PolicyArn"])
            case "put_role_policy":
                state["inline_policies"][call["PolicyName"]] = json.loads(call["PolicyDocument"])
            case "delete_role_policy":
                del state["inline_policies"][call["PolicyName"]]
            case "delete_role":
                assert not state["managed_policies"], "AWS deletes no role that has policies"
                assert not state["inline_policies"], "AWS deletes no role that has policies"
                return None
            case _:
                retag(state, call)
    return IamRoleSpec.model_validate(state)


@given(st.none() | ROLES, st.none() | ROLES)
def test_steps_lead_from_any_role_to_any_other(before: IamRoleSpec | None, after: IamRoleSpec | None) -> None:
    steps = aws_iam_role.steps("app", before, after)
    assert (play_role(before, steps) if before is not None or after is not None else None) == after
    assert bool(steps) == (before != after)


@given(ROLES, ROLES)
def test_a_role_never_has_more_policies_in_between_than_the_quota_allows(before: IamRoleSpec, after: IamRoleSpec) -> None:
    many = [f"{ARNS[0]}-{number}" for number in range(ATTACHABLE)]
    for old, new in ((before, after), (before.model_copy(update={"managed_policies": tuple(many)}), after)):
        held = len(old.managed_policies)
        for step in aws_iam_role.steps("app", old, new):
            held += (step.operation == "attach_role_policy") - (step.operation == "detach_role_policy")
            assert held <= ATTACHABLE


def test_a_role_is_given_the_new_policy_before_it_loses_the_old_one() -> None:
    old, new = (IamRoleSpec.model_validate({"trust_policy": TRUST_EC2, "managed_policies": [arn]}) for arn in ARNS[:2])
    assert [step.operation for step in aws_iam_role.steps("app", old, new)] == ["attach_role_policy", "detach_role_policy"]


def play_secret(spec: SecretSpec | None, steps: list[Step]) -> SecretSpec | None:
    """Do to a secret in memory what AWS would do."""
    state = spec.model_dump() if spec is not None else {}
    replicas = {replica["region"]: replica for replica in state.get("replicas", ())}
    for _, operation, call in steps:
        replicas |= {
            one["Region"]: {"region": one["Region"], "kms_key_id": one.get("KmsKeyId", "")} for one in call.get("AddReplicaRegions", ())
        }
        match operation:
            case "create_secret":
                state = {"description": call["Description"], "kms_key_id": call.get("KmsKeyId", ""), "tags": {}}
                retag(state, call)
            case "update_secret":
                state |= {"description": call["Description"], "kms_key_id": call["KmsKeyId"]}
            case "put_resource_policy":
                state["resource_policy"] = call["ResourcePolicy"]
            case "delete_resource_policy":
                state["resource_policy"] = {}
            case "rotate_secret":
                assert call["RotateImmediately"] is False, "a plan does not rotate"
                names = {"AutomaticallyAfterDays": "automatically_after_days", "ScheduleExpression": "schedule_expression"}
                rules = {names.get(rule, rule.lower()): value for rule, value in call["RotationRules"].items()}
                state["rotation"] = {"lambda_arn": call["RotationLambdaARN"], **rules}
            case "cancel_rotate_secret":
                state["rotation"] = None
            case "remove_regions_from_replication":
                for region in call["RemoveReplicaRegions"]:
                    del replicas[region]
            case "delete_secret":
                assert not replicas, "AWS deletes no secret that has replicas"
                return None
            case _:
                retag(state, call)
    return SecretSpec.model_validate({**state, "replicas": list(replicas.values())})


@given(st.none() | SECRETS, st.none() | SECRETS)
def test_steps_lead_from_any_secret_to_any_other(before: SecretSpec | None, after: SecretSpec | None) -> None:
    steps = aws_secret_steps.steps("db", before, after)
    assert (play_secret(before, steps) if before is not None or after is not None else None) == after
    assert bool(steps) == (before != after)


def test_a_secret_is_deleted_with_its_recovery_window_and_at_once_only_where_that_is_declared() -> None:
    (kept,) = aws_secret_steps.steps("db", SecretSpec(recovery_window_days=7), None)
    (lost,) = aws_secret_steps.steps("db", SecretSpec(recovery_window_days=0), None)
    assert kept.parameters == {"SecretId": "db", "RecoveryWindowInDays": 7}
    assert lost.parameters == {"SecretId": "db", "ForceDeleteWithoutRecovery": True}


def play_key(spec: KmsKeySpec, steps: list[Step], default: dict[str, object]) -> KmsKeySpec:
    """Do to a key in memory what AWS would do."""
    state = spec.model_dump()
    for _, operation, call in steps:
        match operation:
            case "update_key_description":
                state["description"] = call["Description"]
            case "put_key_policy":
                given = json.loads(call["Policy"])
                state["policy"] = {} if given == default else given
            case "enable_key_rotation":
                state |= {"rotation": True, "rotation_period_days": call["RotationPeriodInDays"]}
            case "disable_key_rotation":
                state |= {"rotation": False, "rotation_period_days": YEAR}
            case _:
                retag(state, call, "TagKey", "TagValue")
    return KmsKeySpec.model_validate(state)


@given(KEYS, KEYS)
def test_steps_lead_from_any_key_to_any_other(before: KmsKeySpec, after: KmsKeySpec) -> None:
    default = aws_kms_key.default_policy("123456789012")
    steps = aws_kms_key.steps("id", before, after, default)
    assert play_key(before, steps, default) == after
    assert bool(steps) == (before != after)
