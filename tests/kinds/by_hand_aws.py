"""The same for AWS: one field changed by one call of the API."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from reconciler.backends.aws.client import AwsClient
from tests.kinds.by_hand import Hand
from tests.kinds.samples_aws import ACCOUNT, KEY_POLICY, READ_AND_DECRYPT, SECRET_POLICY, TRUST_ACCOUNT

Call = tuple[str, dict[str, Any]]


def _calls(service: str, by_field: Mapping[str, Callable[[str, Any], Call]]) -> Hand:
    def write(client: AwsClient, name: str, field: str, value: Any) -> None:
        operation, parameters = by_field[field](name, value)
        client.change(service, operation, **parameters)

    return write


def _pairs(tags: Mapping[str, str], key: str = "Key", value: str = "Value") -> list[dict[str, str]]:
    return [{key: name, value: text} for name, text in tags.items()]


def _arn(name: str, path: str = "/genesis/") -> str:
    return f"arn:aws:iam::{ACCOUNT}:policy{path}{name}"


_SECRET = _calls(
    "secretsmanager",
    {
        "description": lambda name, value: ("update_secret", {"SecretId": name, "Description": value}),
        "kms_key_id": lambda name, value: ("update_secret", {"SecretId": name, "KmsKeyId": value}),
        "tags": lambda name, value: ("tag_resource", {"SecretId": name, "Tags": _pairs(value)}),
        "resource_policy": lambda name, value: ("put_resource_policy", {"SecretId": name, "ResourcePolicy": json.dumps(value)}),
        "replicas": lambda name, value: (
            "replicate_secret_to_regions",
            {"SecretId": name, "AddReplicaRegions": [{"Region": region} for region in value]},
        ),
    },
)


def _policy(client: AwsClient, name: str, field: str, value: Any) -> None:
    found = client.call("iam", "list_policies", Scope="Local")["Policies"]
    policy = next(one for one in found if one["PolicyName"] == name)
    arn = policy["Arn"]
    if field == "document":
        client.change("iam", "create_policy_version", PolicyArn=arn, PolicyDocument=json.dumps(value), SetAsDefault=True)
    elif field == "tags":
        client.change("iam", "tag_policy", PolicyArn=arn, Tags=_pairs(value))
    else:
        about = client.call("iam", "get_policy", PolicyArn=arn)["Policy"]
        version = client.call("iam", "get_policy_version", PolicyArn=arn, VersionId=about["DefaultVersionId"])["PolicyVersion"]
        body = {"Path": about["Path"], "Description": about.get("Description", ""), "Tags": about.get("Tags", [])}
        client.change("iam", "delete_policy", PolicyArn=arn)
        document = json.dumps(version["Document"])
        client.change("iam", "create_policy", PolicyName=name, PolicyDocument=document, **{**body, field.capitalize(): value})


def _role(client: AwsClient, name: str, field: str, value: Any) -> None:
    def change(operation: str, **parameters: Any) -> None:
        client.change("iam", operation, RoleName=name, **parameters)

    if field == "path":
        about = client.call("iam", "get_role", RoleName=name)["Role"]
        change("delete_role")
        change("create_role", Path=value, AssumeRolePolicyDocument=json.dumps(about["AssumeRolePolicyDocument"]))
    elif field == "description":
        change("update_role", Description=value)
    elif field == "max_session_duration":
        about = client.call("iam", "get_role", RoleName=name)["Role"]
        change("update_role", MaxSessionDuration=value, Description=about.get("Description", ""))
    elif field == "trust_policy":
        change("update_assume_role_policy", PolicyDocument=json.dumps(value))
    elif field == "managed_policies":
        attached = {policy["PolicyArn"] for policy in client.call("iam", "list_attached_role_policies", RoleName=name)["AttachedPolicies"]}
        for arn in attached - set(value):
            change("detach_role_policy", PolicyArn=arn)
        for arn in set(value) - attached:
            change("attach_role_policy", PolicyArn=arn)
    elif field == "inline_policies":
        for policy, document in value.items():
            change("put_role_policy", PolicyName=policy, PolicyDocument=json.dumps(document))
    elif field == "permissions_boundary":
        change("put_role_permissions_boundary", PermissionsBoundary=value)
    else:
        change("tag_role", Tags=_pairs(value))


def _key(client: AwsClient, name: str, field: str, value: Any) -> None:
    key = client.call("kms", "describe_key", KeyId=name)["KeyMetadata"]["KeyId"]
    if field == "description":
        client.change("kms", "update_key_description", KeyId=key, Description=value)
    elif field == "policy":
        client.change("kms", "put_key_policy", KeyId=key, PolicyName="default", Policy=json.dumps(value))
    elif field == "rotation":
        client.change("kms", "enable_key_rotation" if value else "disable_key_rotation", KeyId=key)
    elif field == "rotation_period_days":
        client.change("kms", "enable_key_rotation", KeyId=key, RotationPeriodInDays=value)
    else:
        client.change("kms", "tag_resource", KeyId=key, Tags=_pairs(value, "TagKey", "TagValue"))


def _parameter(client: AwsClient, name: str, field: str, value: Any) -> None:
    if field == "tags":
        client.change("ssm", "add_tags_to_resource", ResourceType="Parameter", ResourceId=name, Tags=_pairs(value))
        return
    about = next(one for one in client.call("ssm", "describe_parameters")["Parameters"] if one["Name"] == name)
    called = {"type": "Type", "description": "Description", "tier": "Tier", "key_id": "KeyId"}
    body = {key: about[key] for key in called.values() if key in about}
    if field == "type":
        client.change("ssm", "delete_parameter", Name=name)
        body.pop("KeyId", None)
    client.change("ssm", "put_parameter", Name=name, Value="x", Overwrite=field != "type", **{**body, called[field]: value})


AWS_HANDS: Mapping[str, Hand] = {
    "aws.secret": _SECRET,
    "aws.iam_policy": _policy,
    "aws.iam_role": _role,
    "aws.kms_key": _key,
    "aws.ssm_parameter": _parameter,
}
AWS_OTHER: Mapping[str, Mapping[str, list[Any]]] = {
    "aws.secret": {
        "kms_key_id": ["alias/other", "alias/more"],
        "resource_policy": [SECRET_POLICY],
        "replicas": [["ap-south-1"]],
        "recovery_window_days": [7, 10],
    },
    "aws.iam_policy": {"path": ["/elsewhere/"], "document": [READ_AND_DECRYPT]},
    "aws.iam_role": {
        "path": ["/elsewhere/", "/other/"],
        "trust_policy": [TRUST_ACCOUNT],
        "managed_policies": [["arn:aws:iam::aws:policy/ReadOnlyAccess"]],
        "inline_policies": [{"own": READ_AND_DECRYPT}],
        "max_session_duration": [7200],
        "permissions_boundary": ["arn:aws:iam::aws:policy/ReadOnlyAccess"],
    },
    "aws.kms_key": {
        "policy": [{**KEY_POLICY, "Statement": [KEY_POLICY["Statement"]]}],
        "rotation_period_days": [100, 200],
        "deletion_window_days": [7, 10],
    },
    "aws.ssm_parameter": {"key_id": ["alias/other"]},
}
_BOTH: Mapping[tuple[str, str], str] = {
    ("aws.secret", "rotation"): "it needs a function that rotates",
    ("aws.kms_key", "rotation_period_days"): "the endpoint in tests does not tell it",
}
AWS_NO_HAND: Mapping[tuple[str, str], str] = {
    **_BOTH,
}
AWS_NO_DEFAULT: Mapping[tuple[str, str], str] = {
    **_BOTH,
    ("aws.secret", "description"): "the endpoint in tests takes an empty one for none given",
    ("aws.ssm_parameter", "value"): "a parameter has a value",
}
