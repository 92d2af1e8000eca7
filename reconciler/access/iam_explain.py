"""Answers about IAM roles: what one may do on a resource and why, who may, and all that one may do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from reconciler.core.address import Address

from .iam import Answer, Attached, Verdict, evaluate, glob, statements
from .iam_effect import iam_effects, sample
from .iam_roles import ROLE, SECRET, Specs, attached, boundary, named_in


class IamReason(NamedTuple):
    """One statement that covers the request."""

    policy: str
    rule: str
    effect: str  # grants | denies | shadowed | conditional
    actions: tuple[str, ...]


class IamExplanation(NamedTuple):
    """What a role may do on a resource: the actions that its policies name."""

    subject: Address
    path: str
    actions: frozenset[str]
    conditional: frozenset[str]
    because: tuple[IamReason, ...]


def explain_role(role: Address, resource: str, specs: Specs) -> IamExplanation:
    """Evaluate every action that a role's policies allow on a resource."""
    answers = {action: _evaluated(role, action, resource, specs) for action in _actions(role, resource, specs)}
    sure = frozenset(action for action, verdict in answers.items() if verdict.answer is Answer.YES)
    maybe = frozenset(action for action, verdict in answers.items() if verdict.answer is Answer.CONDITIONAL)
    found: dict[tuple[str, str, str], set[str]] = {}
    for action, verdict in answers.items():
        for source, name, effect, certain in verdict.because:
            found.setdefault((source, name, _said(effect, certain, verdict.answer)), set()).add(action)
    reasons = (IamReason(*key, tuple(sorted(actions))) for key, actions in sorted(found.items()))
    return IamExplanation(role, resource, sure, maybe, tuple(reasons))


def _said(effect: str, certain: Answer, answer: Answer) -> str:
    if certain is Answer.CONDITIONAL:
        return "conditional"
    if effect == "Deny":
        return "denies"
    return "shadowed" if answer is Answer.NO else "grants"


def roles_that_can(resource: str, action: str | None, specs: Specs) -> Iterator[tuple[Address, tuple[str, ...], bool]]:
    """(role, by which policies, whether only conditionally) of every role that may."""
    for role in sorted(address for address in specs if address.kind == ROLE):
        asked = [action] if action else _actions(role, resource, specs)
        verdicts = [_evaluated(role, one, resource, specs) for one in asked]
        best = max((verdict.answer for verdict in verdicts), default=Answer.NO)
        if best:
            via = {
                source for verdict in verdicts if verdict.answer is best for source, _, effect, _ in verdict.because if effect == "Allow"
            }
            yield role, tuple(sorted(via)), best is Answer.CONDITIONAL


def audit_role(role: Address, specs: Specs) -> Iterator[tuple[str, tuple[str, ...], tuple[str, ...]]]:
    """(resource, actions, by which policies) of all that a role may do."""
    without = {address: spec for address, spec in specs.items() if address != role}
    for effect in iam_effects(without, specs, {role}):
        if effect.subject == str(role) and effect.gains:
            yield effect.path, effect.gains, effect.via


def _actions(role: Address, resource: str, specs: Specs) -> list[str]:
    """The actions that a role's policies name, most often with wildcards."""
    found: dict[str, None] = {}
    for _, document in (*attached(role, specs), *_shared(role, resource, specs)):
        for _, statement in statements(document or {}):
            if statement.get("Effect") == "Allow":
                found |= dict.fromkeys(statement.get("Action", ["*"]))
    return list(found)


def _evaluated(role: Address, action: str, resource: str, specs: Specs) -> Verdict:
    return evaluate(sample(action), resource, attached(role, specs), boundary(role, specs), _shared(role, resource, specs), who=str(role))


def _shared(role: Address, resource: str, specs: Specs) -> list[Attached]:
    """The policy of a declared secret that a resource is, with the role's address for every spelling of it."""
    name = resource.partition(":secret:")[2]
    found = []
    for address, spec in specs.items():
        # Secrets Manager adds a hyphen and six signs to the name.
        if name and address.kind == SECRET and spec.resource_policy and glob(f"{address.name}-??????").fullmatch(name):
            named = [_naming(role, statement) for _, statement in statements(spec.resource_policy)]
            found.append(Attached(str(address), {"Statement": named}))
    return found


def _naming(role: Address, statement: Mapping[str, Any]) -> dict[str, Any]:
    denies = statement.get("Effect") == "Deny"

    def known(entry: str) -> str:
        # An account stands for all of its roles where it denies.
        return str(role) if named_in(entry, role.place) == role or (denies and entry.isdecimal()) else entry

    changed = {}
    for element in ("Principal", "NotPrincipal"):
        if element in statement:
            changed[element] = {kind: [known(entry) for entry in entries] for kind, entries in statement[element].items()}
    return {**statement, **changed}
