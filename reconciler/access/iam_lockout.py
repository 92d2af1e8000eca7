"""What the role that applies needs on AWS for the objects it manages, and what of it a plan would take away."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from reconciler.core.address import Address

from .iam import Answer, evaluate
from .iam_roles import KEY, POLICY, ROLE, SECRET, Specs, attached, boundary
from .lockout import Loss

# What finds the objects of a kind; AWS takes no narrower resource for it.
_FINDS: Mapping[str, tuple[str, ...]] = {
    ROLE: ("iam:GetAccountAuthorizationDetails", "iam:ListRoles"),
    POLICY: ("iam:GetAccountAuthorizationDetails",),
    "aws.ssm_parameter": ("ssm:DescribeParameters",),
}
# What reads one object, brings it up to date and deletes it. Of each sort of call one: policies grant them together.
_KEEPS: Mapping[str, tuple[str, ...]] = {
    SECRET: (
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetResourcePolicy",
        "secretsmanager:UpdateSecret",
        "secretsmanager:PutResourcePolicy",
        "secretsmanager:TagResource",
        "secretsmanager:DeleteSecret",
    ),
    POLICY: ("iam:GetPolicy", "iam:CreatePolicyVersion", "iam:DeletePolicyVersion", "iam:TagPolicy", "iam:DeletePolicy"),
    ROLE: (
        "iam:UpdateRole",
        "iam:UpdateAssumeRolePolicy",
        "iam:AttachRolePolicy",
        "iam:DetachRolePolicy",
        "iam:PutRolePolicy",
        "iam:DeleteRolePolicy",
        "iam:TagRole",
        "iam:DeleteRole",
    ),
    KEY: ("kms:DescribeKey", "kms:GetKeyPolicy", "kms:PutKeyPolicy", "kms:TagResource", "kms:ScheduleKeyDeletion"),
    "aws.ssm_parameter": ("ssm:ListTagsForResource", "ssm:PutParameter", "ssm:AddTagsToResource", "ssm:DeleteParameter"),
}


def iam_losses(role: Address, before: Specs, after: Specs, arns: Iterable[tuple[str, str]]) -> list[Loss]:
    """What a role may do before and no longer, or no longer surely, after. `arns`: (kind, ARN) of what it manages."""
    found = []
    for resource, actions in _needed(arns):
        had, has = ([_answer(role, specs, action, resource) for action in actions] for specs in (before, after))
        lost = tuple(action for action, old, new in zip(actions, had, has, strict=True) if new < old)
        if lost:
            found.append(Loss(resource, lost))
    return found


def _needed(arns: Iterable[tuple[str, str]]) -> Iterator[tuple[str, tuple[str, ...]]]:
    arns = tuple(arns)
    finding = dict.fromkeys(action for kind, _ in arns for action in _FINDS.get(kind, ()))
    if finding:
        yield "*", tuple(finding)
    yield from ((arn, _KEEPS[kind]) for kind, arn in arns if kind in _KEEPS)


def _answer(role: Address, specs: Specs, action: str, resource: str) -> Answer:
    return evaluate(action, resource, attached(role, specs), boundary(role, specs)).answer
