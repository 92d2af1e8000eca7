"""What roles and principals of AWS gain or lose by a change of IAM documents, action by action and resource by resource."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from reconciler.core.address import Address

from .iam import Answer, Attached, Document, evaluate, glob, principals_of, statements
from .iam_roles import POLICY, ROLE, SHARED, Specs, attached, boundary, holders, subject_of
from .patterns import FRESH


class IamEffect(NamedTuple):
    """What a subject gains and loses on one resource. An ability that depends on the request is marked `(conditional)`."""

    subject: str
    path: str
    gains: tuple[str, ...]
    loses: tuple[str, ...]
    via: tuple[str, ...]


class _Case(NamedTuple):
    """One sort of request to ask both sides about: as people write it, and one that stands for it."""

    action: str
    resource: str
    asked_action: str
    asked_resource: str

    def within(self, other: _Case) -> bool:
        wider = glob(other.action.lower()).fullmatch(self.asked_action) and glob(other.resource).fullmatch(self.asked_resource)
        return self != other and bool(wider)


def iam_effects(before: Specs, after: Specs, changed: Collection[Address]) -> tuple[IamEffect, ...]:
    """Compare two states. `changed`: the addresses whose specs differ."""
    roles = {address for address in changed if address.kind == ROLE}
    for policy in (address for address in changed if address.kind == POLICY):
        roles |= {*holders(policy, before), *holders(policy, after)}
    found = [one for role in sorted(roles) for one in _of_role(role, before, after)]
    shared = (address for address in sorted(changed) if address.kind in SHARED)
    return (*found, *(one for address in shared for one in _of_shared(address, before, after)))


def _of_role(role: Address, before: Specs, after: Specs) -> Iterator[IamEffect]:
    old, new = attached(role, before), attached(role, after)
    limits = boundary(role, before), boundary(role, after)
    yield from _unread(role, old, new)
    known = [[one for one in side if one.document is not None] for side in (old, new)]
    mine = [one for one in known[0] if one not in known[1]]
    yours = [one for one in known[1] if one not in known[0]]
    bounds = [one for one in limits if one is not None]
    every = [*known[0], *known[1], *bounds]
    # A boundary that moves may touch everything that is granted.
    fresh = [*mine, *yours] if limits[0] == limits[1] else every
    changes: dict[_Case, tuple[str, str, tuple[str, ...]]] = {}
    for case in _cases(fresh, every):
        had = evaluate(case.asked_action, case.asked_resource, known[0], limits[0])
        has = evaluate(case.asked_action, case.asked_resource, known[1], limits[1])
        if had.answer != has.answer:
            sources = {source for source, _, _, _ in (*had.because, *has.because)} & {one.source for one in fresh}
            changes[case] = (_ability(case.action, has.answer), _ability(case.action, had.answer), tuple(sorted(sources)))
    yield from _by_resource(str(role), changes)


def _ability(action: str, answer: Answer) -> str:
    return {Answer.NO: "", Answer.CONDITIONAL: f"{action} (conditional)", Answer.YES: action}[answer]


def _by_resource(subject: str, changes: Mapping[_Case, tuple[str, str, tuple[str, ...]]]) -> Iterator[IamEffect]:
    """One entry a resource; what a wider pattern says already is left out."""
    kinds = {
        case: (gain.removeprefix(case.action), loss.removeprefix(case.action), bool(gain)) for case, (gain, loss, _) in changes.items()
    }
    kept = [case for case in changes if not any(case.within(other) and kinds[case] == kinds[other] for other in changes)]
    for resource in sorted({case.resource for case in kept}):
        mine = [changes[case] for case in kept if case.resource == resource]
        gains, losses = {gain for gain, _, _ in mine if gain}, {loss for _, loss, _ in mine if loss}
        via = {source for _, _, sources in mine for source in sources}
        yield IamEffect(subject, resource, tuple(sorted(gains)), tuple(sorted(losses)), tuple(sorted(via)))


def _unread(role: Address, old: Iterable[Attached], new: Iterable[Attached]) -> Iterator[IamEffect]:
    """Policies of Amazon's own, and others whose text is not known, are told of by name."""
    had, has = ({one.source for one in side if one.document is None} for side in (old, new))
    for arn in sorted(had ^ has):
        what = (f"all that {arn.rpartition('/')[2]} grants",)
        yield IamEffect(str(role), "*", what if arn in has else (), what if arn in had else (), (arn,))


def _cases(fresh: Iterable[Attached], every: Sequence[Attached]) -> list[_Case]:
    """What changed documents speak of, and where that meets what the others speak of."""
    mine = [pair for one in fresh for pair in _spoken(one.document or {})]
    others = [pair for one in every for pair in _spoken(one.document or {})]
    found: dict[_Case, None] = {}
    for actions, resources in mine:
        for action in actions:
            for resource in resources:
                found[_case(action, resource)] = None
        for other_actions, other_resources in others:
            for action in _narrower(actions, other_actions, fold=True):
                for resource in _narrower(resources, other_resources):
                    found[_case(action, resource)] = None
    return list(found)


def _spoken(document: Document) -> Iterator[tuple[list[str], list[str]]]:
    """The actions and resources of each statement. What spares some speaks of everything, and of those."""
    for _, statement in statements(document):
        yield _named(statement, "Action"), _named(statement, "Resource")


def _named(statement: Mapping[str, Any], element: str) -> list[str]:
    if element in statement:
        return list(statement[element])
    return ["*", *statement.get(f"Not{element}", ())]


def _narrower(mine: Iterable[str], theirs: Iterable[str], *, fold: bool = False) -> Iterator[str]:
    """Of each two patterns of which one holds the other, the one that is held."""
    for one in mine:
        for other in theirs:
            first, second = (one.lower(), other.lower()) if fold else (one, other)
            if glob(first).fullmatch(sample(second)):
                yield other
            elif glob(second).fullmatch(sample(first)):
                yield one


def _case(action: str, resource: str) -> _Case:
    return _Case(action, resource, sample(action.lower()), sample(resource))


def sample(pattern: str) -> str:
    """A text that a pattern covers, and others only if they cover all of it."""
    return pattern.replace("*", FRESH).replace("?", FRESH)


def _of_shared(address: Address, before: Specs, after: Specs) -> Iterator[IamEffect]:
    """What principals gain or lose by the policy of a resource, or by the trust of a role."""
    field = SHARED[address.kind]
    documents = [getattr(specs[address], field) if address in specs else {} for specs in (before, after)]
    if documents[0] == documents[1]:
        return
    named = {name for document in documents for _, statement in statements(document) for name in principals_of(statement)}
    for who in sorted(named):
        had, has = _granted(documents[0], who), _granted(documents[1], who)
        if had != has:
            subject = subject_of(who, address.place, {**before, **after})
            yield IamEffect(subject, str(address), tuple(sorted(has - had)), tuple(sorted(had - has)), (f"{address}#{field}",))


def _granted(document: Document, who: str) -> set[str]:
    """The actions that a resource's policy allows a principal."""
    answers: dict[str, Answer] = {}
    denied: dict[str, Answer] = {}
    for _, statement in statements(document):
        if who in principals_of(statement):
            sure = Answer.CONDITIONAL if statement.get("Condition") else Answer.YES
            into = answers if statement.get("Effect") == "Allow" else denied
            for action in _named(statement, "Action"):
                into[action] = max(sure, into.get(action, Answer.NO))
    found = set()
    for action, sure in answers.items():
        against = max((no for other, no in denied.items() if glob(other.lower()).fullmatch(action.lower())), default=Answer.NO)
        found.add(_ability(action, Answer(min(sure, Answer.YES - against))))
    return found - {""}
