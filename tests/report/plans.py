"""Plans to render, of real kinds."""

from __future__ import annotations

from typing import Any

from reconciler.core.address import Address, Place, parse_address
from reconciler.core.change import Action, Change
from reconciler.core.guard import Guard, Refusal
from reconciler.core.plan import Header, Plan, Unknown
from reconciler.core.resource import Origin
from reconciler.kinds import KINDS

HEADER = Header("genesis", "prod", "4f2c1ab99")
ABOUT, COST = "vault primary (OpenBao 2.7.2), aws primary (us-east-1)", "Read in 0.9 s, 71 requests."
GRANT = 'path "auth/approle/role/*" {\n  capabilities = ["read"]\n}'
UNKNOWN = Unknown("vault.approle_role", Place("primary", "team"), "approle/", "read on auth/approle/role/*", GRANT)


def changed(
    address: str, before: dict[str, Any] | None, after: dict[str, Any] | None, action: Action | None = None, **more: Any
) -> Change[Any]:
    """A change of a real kind, from specs as YAML has them."""
    where = parse_address(address)
    old, new = (KINDS[where.kind].spec.model_validate(side) if side is not None else None for side in (before, after))
    usual = Action.CREATE if before is None else Action.DELETE if after is None else Action.UPDATE
    return Change(where, action or usual, old, new, **more)


def plan(*changes: Change[Any], **more: Any) -> Plan:
    return Plan(**{"header": HEADER, "changes": changes, **more})


def from_yaml(file: str, line: int, via: str = "") -> Origin:
    return Origin(f"desired-state/{file}", line, via)


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **statement} for statement in statements]}


READ = {"Sid": "Read", "Action": ["secretsmanager:GetSecretValue"], "Resource": "arn:aws:secretsmanager:us-east-1:1:secret:a"}
LEGACY = "every secret below legacy/ (31 today)"
EXAMPLE = plan(
    changed(
        "vault.policy/genesis-service",
        {"rules": [{"path": "genesis/data/api_keys/*", "capabilities": ["read"]}, {"path": "old/*", "capabilities": ["deny"]}]},
        {
            "rules": [
                {"path": "genesis/data/api_keys/*", "capabilities": ["read", "list"]},
                {"path": "genesis/data/payments/*", "capabilities": ["read"], "max_wrapping_ttl": "90m"},
            ]
        },
        origin=from_yaml("policies/service.yaml", 3),
    ),
    changed(
        "vault.approle_role/approle/ci",
        {"token_ttl": "1h", "token_policies": ["a", "b"]},
        {"token_ttl": "45m", "token_policies": ["b", "c"], "secret_id_bound_cidrs": ["10.0.0.0/8"]},
        origin=from_yaml("roles/ci.yaml", 9),
    ),
    changed("vault.userpass_user/people/ann", {"password": {"from": "env:A"}}, {"password": {"from": "env:B"}}),
    changed(
        "aws.secret/genesis/claude",
        None,
        {
            "description": "Claude key",
            "tags": {"team": "genesis"},
            "rotation": {"lambda_arn": "${{ ref('aws.iam_role/ci').arn }}", "automatically_after_days": 30},
        },
        origin=Origin("templates/service.yaml.j2", 14, "desired-state/services.yaml:2"),
    ),
    changed(
        "aws.iam_policy/genesis-read",
        {"document": document(READ, {"Sid": "List", "Action": "secretsmanager:ListSecrets", "Resource": "*"})},
        {
            "document": document(
                {**READ, "Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"]},
                {"Sid": "Kms", "Action": "kms:Decrypt", "Resource": "*", "Condition": {"Bool": {"aws:SecureTransport": ["true"]}}},
            )
        },
        origin=from_yaml("aws.yaml", 3),
    ),
    changed("vault.secrets_engine/legacy", {"type": "kv-v2"}, None, loses=LEGACY),
    changed("vault.policy/gone", {"rules": [{"path": "a", "capabilities": ["read"]}]}, None),
    changed("vault.policy/found", {}, {}, Action.ADOPT, origin=from_yaml("policies/found.yaml", 1)),
    unchanged=1204,
    unmanaged=tuple(Address("vault.policy", f"other-{number}") for number in range(17)),
    refusals=(Refusal(Guard.IRREVERSIBLE, "vault.secrets_engine/legacy", f"delete loses for good: {LEGACY}"),),
    unknown=(UNKNOWN,),
    notes=("vault.auth_config/jwt stays on the server: its configuration cannot be deleted",),
    access=({"subject": "role genesis-service", "path": "genesis/data/api_keys/*", "gains": ["list"], "loses": [], "secrets": 3},),
)
