"""The documents that count for an IAM role: inline and managed policies, and its boundary."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from reconciler.core.address import Address, Place
from reconciler.core.resource import server_values

from .iam import Attached

ROLE, POLICY, SECRET, KEY = "aws.iam_role", "aws.iam_policy", "aws.secret", "aws.kms_key"
SHARED: Mapping[str, str] = {ROLE: "trust_policy", SECRET: "resource_policy", KEY: "policy"}
"""Kinds with a policy of their own that names principals, and the field that holds it."""
IAM_KINDS = (ROLE, POLICY, SECRET, KEY)

Specs = Mapping[Address, Any]
_ARN = re.compile(r"arn:[\w-]+:iam::(\d*):(policy|role)/(?:.*/)?([^/]+)")


def named_in(arn: str, place: Place) -> Address | None:
    """The policy or role that an ARN, or a reference to one, names; None for one of Amazon's own."""
    for value in server_values(arn):
        return value.address
    found = _ARN.fullmatch(arn)
    return Address(f"aws.iam_{found[2]}", found[3], place) if found else None


def attached(role: Address, specs: Specs) -> list[Attached]:
    """The identity policies of a role. A managed policy that is not known has no document."""
    spec = specs.get(role)
    if spec is None:
        return []
    inline = [Attached(f"{role}#{name}", document) for name, document in spec.inline_policies.items()]
    return [*inline, *(_managed(arn, role.place, specs) for arn in spec.managed_policies)]


def boundary(role: Address, specs: Specs) -> Attached | None:
    """The permissions boundary of a role."""
    spec = specs.get(role)
    return _managed(spec.permissions_boundary, role.place, specs) if spec is not None and spec.permissions_boundary else None


def _managed(arn: str, place: Place, specs: Specs) -> Attached:
    address = named_in(arn, place)
    spec = specs.get(address) if address is not None else None
    return Attached(str(address), spec.document) if spec is not None else Attached(arn, None)


def holders(policy: Address, specs: Specs) -> Iterator[Address]:
    """The roles that a managed policy counts for, as a permission or as a boundary."""
    for role, spec in specs.items():
        if role.kind == ROLE and any(
            named_in(arn, role.place) == policy for arn in (*spec.managed_policies, spec.permissions_boundary) if arn
        ):
            yield role


def subject_of(text: str, place: Place, specs: Specs) -> str:
    """A principal as the address of a known role, else as it is written."""
    try:
        address = named_in(text, place)
    except ValueError:
        return text
    return str(address) if address is not None and address in specs else text
