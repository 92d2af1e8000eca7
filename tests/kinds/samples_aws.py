"""Samples of the AWS kinds."""

from __future__ import annotations

from typing import Any

from tests.kinds.sample import Sample

ACCOUNT = "123456789012"


def allow(*actions: str, **more: Any) -> dict[str, Any]:
    """One statement, as loosely written as people write it."""
    return {"Effect": "Allow", "Action": list(actions) if len(actions) > 1 else actions[0], **more}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements) if len(statements) > 1 else statements[0]}


READ = document(allow("secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret", Resource="*"))
READ_AND_DECRYPT = document(
    allow("secretsmanager:GetSecretValue", Resource="*", Sid="Read"),
    allow("kms:Decrypt", Resource="*", Condition={"StringEquals": {"kms:ViaService": "secretsmanager.us-east-1.amazonaws.com"}}),
)
TRUST_EC2 = document(allow("sts:AssumeRole", Principal={"Service": "ec2.amazonaws.com"}))
TRUST_ACCOUNT = document(allow("sts:AssumeRole", Principal={"AWS": f"arn:aws:iam::{ACCOUNT}:root"}))
KEY_POLICY = document(allow("kms:*", Principal={"AWS": ACCOUNT}, Resource="*"))
SECRET_POLICY = document(allow("secretsmanager:GetSecretValue", Principal={"AWS": ACCOUNT}, Resource="*"))

POLICY_ARN = f"arn:aws:iam::{ACCOUNT}:policy/genesis/read-secrets"
NEEDED_POLICY = ("aws.iam_policy", "read-secrets", {"path": "/genesis/", "document": READ})

SAMPLES: dict[str, list[Sample]] = {
    "aws.secret": [
        Sample("genesis/plain", {}, {"tags": {"team": "genesis"}}),
        Sample(
            "genesis/claude",
            {"description": "the claude API key", "kms_key_id": "alias/genesis", "tags": {"team": "genesis", "cost": 7}},
            {"description": "the new claude API key", "kms_key_id": "alias/other", "tags": {"team": "platform"}, "recovery_window_days": 7},
        ),
        Sample(
            "genesis/shared",
            {"resource_policy": SECRET_POLICY, "replicas": ["us-west-2", "eu-west-1"], "recovery_window_days": 0},
            {"resource_policy": {}, "replicas": [{"region": "eu-west-1"}], "recovery_window_days": 0},
        ),
    ],
    "aws.iam_policy": [
        Sample("reader", {"document": READ}, {"document": READ_AND_DECRYPT, "tags": {"team": "genesis"}}),
        Sample(
            "writer",
            {"path": "/genesis/", "description": "writes", "document": READ_AND_DECRYPT, "tags": {"a": "1", "b": "2"}},
            {"path": "/genesis/", "description": "reads and writes", "document": READ_AND_DECRYPT, "tags": {"b": "3"}},
        ),
    ],
    "aws.iam_role": [
        Sample("plain", {"trust_policy": TRUST_EC2}, {"trust_policy": TRUST_ACCOUNT, "max_session_duration": "2h"}),
        Sample("moved", {"trust_policy": TRUST_EC2}, {"path": "/elsewhere/", "trust_policy": TRUST_EC2}),
        Sample(
            "genesis-service",
            {
                "path": "/genesis/",
                "description": "the service",
                "trust_policy": TRUST_EC2,
                "managed_policies": [POLICY_ARN, "arn:aws:iam::aws:policy/ReadOnlyAccess"],
                "inline_policies": {"own": READ, "more": READ_AND_DECRYPT},
                "permissions_boundary": POLICY_ARN,
                "tags": {"team": "genesis"},
            },
            {
                "path": "/genesis/",
                "trust_policy": TRUST_ACCOUNT,
                "managed_policies": [POLICY_ARN],
                "inline_policies": {"own": READ_AND_DECRYPT},
                "max_session_duration": 7200,
                "tags": {"team": "platform", "cost": "7"},
            },
            needs=(NEEDED_POLICY,),
        ),
    ],
    "aws.kms_key": [
        Sample("alias/plain", {}, {"description": "for genesis", "tags": {"team": "genesis"}}),
        Sample(
            "alias/genesis",
            {"description": "for genesis", "policy": KEY_POLICY, "rotation": True, "rotation_period_days": 180, "tags": {"a": "1"}},
            {"description": "for all", "deletion_window_days": 7, "tags": {"a": "2", "b": "3"}},
        ),
    ],
    "aws.ssm_parameter": [
        Sample(
            "/genesis/db/password",
            {"value": {"from": "vault:genesis/data/db#password"}, "description": "the database's", "tags": {"team": "genesis"}},
            {"value": {"from": "vault:genesis/data/db#other"}, "key_id": "alias/genesis", "tags": {"team": "platform"}},
        ),
        Sample(
            "genesis.region",
            {"type": "String", "value": {"from": "env:REGION"}, "tier": "Advanced"},
            {"type": "String", "value": {"from": "env:REGION"}},
            secrets={"env:REGION": "eu-west-1"},
        ),
    ],
}
