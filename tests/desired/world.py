"""Small kinds and trees for the tests of desired state: what is tested here is the reading, not Vault."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from reconciler.core.errors import Invalid
from reconciler.core.kind import Kind, Ref, registry
from reconciler.core.resource import Spec
from reconciler.core.secret import Secret
from reconciler.core.values import Seconds, StringMap, StringSet
from reconciler.desired.load import Desired, load
from reconciler.desired.tree import Tree

# The first example imports Jinja2, and the machine may be busy: neither is what a property is about.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
TODAY = datetime.date(2026, 6, 1)
DEV = """
project: demo
variables: {team: genesis, ttl: 1h, copies: 3, regions: [eu, us], limits: {low: 1}}
secret_env: [STRIPE_KEY]
"""


class Rule(Spec):
    path: str
    capabilities: StringSet


class Policy(Spec):
    rules: tuple[Rule, ...] = ()
    hcl: str = ""


class Role(Spec):
    policies: StringSet = ()
    ttl: Seconds = 0
    uses: int = 0
    bind: bool = True
    password: Secret | None = None
    metadata: StringMap = {}
    bound: dict[str, Any] = {}


class Mount(Spec):
    type: str = "approle"


class Group(Spec):
    members: StringSet = ()


def never(*_arguments: Any) -> Any:
    raise AssertionError("reading desired state asks no server")


def _role_refs(name: str, role: Role) -> Iterable[Ref]:
    yield Ref("name", "t.mount", name, within=True)
    for policy in role.policies:
        yield Ref("policies", "t.policy", policy, soft=True)


def _group_refs(_name: str, group: Group) -> Iterable[Ref]:
    return [Ref("members", "t.group", member) for member in group.members]


def _policy_problems(_name: str, policy: Policy) -> Iterable[str]:
    if "oops" in policy.hcl:
        yield "hcl: line 2: oops"


KINDS = registry(
    (
        Kind("t.policy", "vault", Policy, never, never, fold=str.lower, check=_policy_problems, builtin=("default",)),
        Kind("t.role", "vault", Role, never, never, refs=_role_refs),
        Kind("t.mount", "vault", Mount, never, never, mount=True, builtin=("token",)),
        Kind("t.group", "vault", Group, never, never, refs=_group_refs),
        Kind("t.bucket", "aws", Mount, never, never),
        Kind("t.note", "ledger", Mount, never, never, declared=True),
    )
)


def tree(*documents: str, templates: Mapping[str, str] | None = None, files: Mapping[str, str] | None = None, dev: str = DEV) -> Tree:
    """A tree with one environment, one file of documents, and what else is given."""
    texts = {
        "desired-state/environments/dev.yaml": dev,
        "desired-state/a.yaml": "\n---\n".join(documents),
        **{f"templates/{name}.yaml.j2": text for name, text in (templates or {}).items()},
        **(files or {}),
    }
    return Tree({path: text.encode() for path, text in texts.items()})


def read(*documents: str, **more: Any) -> Desired:
    return load(tree(*documents, **more), "dev", KINDS, today=TODAY)


def refused(*documents: str, **more: Any) -> str:
    """The whole message of a desired state that must not be taken."""
    with pytest.raises(Invalid) as caught:
        read(*documents, **more)
    return str(caught.value)


def specs(desired: Desired) -> dict[str, dict[str, Any]]:
    return {str(address): resource.spec.model_dump(exclude_unset=True) for address, resource in desired.resources.items()}
