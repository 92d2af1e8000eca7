"""What two sets of policies allow differently, path by path of the patterns that they are written in.

Asked is not what the texts say but what would be decided: a rule that a more specific one shadows changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from .limits import limits
from .masks import granted
from .patterns import Family, Shape, meetings, witnesses
from .plainly import Roots, separate_rules
from .vault_acl import Decision, Match, Policy, decide

Policies = tuple[Policy, ...]


class Difference(NamedTuple):
    """What is gained and lost on one family of paths, and by which policies. A limited capability carries its limit."""

    path: str
    gains: tuple[str, ...]
    loses: tuple[str, ...]
    by: tuple[Policy, ...]


class Shapes:
    """The shapes of policies, looked at once each."""

    def __init__(self) -> None:
        self._known: dict[Policy, Shape] = {}
        self._told: dict[Policy, tuple[Difference, ...] | None] = {}
        self.roots = Roots()

    def plainly(self, policy: Policy) -> tuple[Difference, ...] | None:
        """What a policy gives that meets no other, if that is as simple as its rules."""
        if policy not in self._told:
            rules = separate_rules(policy)
            self._told[policy] = None if rules is None else tuple(_given(policy, rules))
        return self._told[policy]

    def of(self, policies: Iterable[Policy]) -> list[Shape]:
        found = []
        for policy in policies:
            shape = self._known.get(policy)
            if shape is None:
                shape = self._known[policy] = Shape.of(policy.patterns())
            found.append(shape)
        return found


def differences(before: Policies, after: Policies, namespace: str = "", shapes: Shapes | None = None) -> tuple[Difference, ...]:
    """Compare two sets, for a subject in `namespace`. What a wider family says already is not repeated."""
    mine = [policy for policy in before if policy not in after]
    yours = [policy for policy in after if policy not in before]
    if not mine and not yours:
        return ()
    if _total(before) or _total(after):
        return _totally(before, after)
    shapes = shapes or Shapes()
    plain = _plainly(mine, yours, before, after, shapes)
    if plain is not None:
        return _relative(plain, namespace)
    found: list[tuple[Family, Difference]] = []
    for path, one in _asked(shapes.of(mine), shapes.of(yours), shapes.of(before), shapes.of(after)).items():
        difference = _difference(one, decide(before, path), decide(after, path), before, after)
        if difference is not None:
            found.append((one, difference))
    return _relative(_widest(found), namespace)


def _relative(found: tuple[Difference, ...], namespace: str) -> tuple[Difference, ...]:
    return tuple(one._replace(path=one.path.removeprefix(f"{namespace}/")) for one in found) if namespace else found


def _plainly(mine: list[Policy], yours: list[Policy], before: Policies, after: Policies, shapes: Shapes) -> tuple[Difference, ...] | None:
    """The answer where a single policy comes or goes and meets no other; None where more has to be asked."""
    if len(mine) + len(yours) != 1:
        return None
    (changed,) = (*mine, *yours)
    others = (policy for policy in (after if yours else before) if policy is not changed)
    told = shapes.plainly(changed) if shapes.roots.apart(changed, others) else None
    return told if told is None or yours else tuple(one._replace(gains=(), loses=one.gains) for one in told)


def _given(policy: Policy, rules: Iterable[tuple[str, Match]]) -> Iterator[Difference]:
    for pattern, match in sorted(rules):
        if given := _abilities(Decision(match.mask, ((0, match),))):
            yield Difference(pattern, tuple(sorted(given)), (), (policy,))


def _total(policies: Policies) -> bool:
    return any(policy.root or policy.broken for policy in policies)


def _totally(before: Policies, after: Policies) -> tuple[Difference, ...]:
    """One side has everything, or is refused everything."""
    sides = []
    for policies in (before, after):
        refused = any(policy.broken for policy in policies)
        root = any(policy.root for policy in policies)
        sides.append(() if refused else ("root",) if root else ("all that its policies grant",) if policies else ())
    old, new = sides
    if old == new:
        return ()
    by = tuple(policy for policy in (*before, *after) if policy.root or policy.broken)
    return (Difference("*", new, old, by),)


def _asked(mine: list[Shape], yours: list[Shape], before: list[Shape], after: list[Shape]) -> Mapping[str, Family]:
    """The witnesses to ask for, each with the narrowest family that it stands for. `mine`, `yours`: what one side alone has."""
    changed = [one for shape in (*mine, *yours) for one in shape.every]
    met = [*meetings(mine, after), *meetings(yours, before)]
    if not met and not any(shape.wild for shape in (*mine, *yours)):
        return {one.witness(): one for one in changed}
    wild = [one for shape in (*before, *after) for one in shape.wild]
    depth = 1 + max(len(one.parts) for shape in (*before, *after) for one in shape.every)
    deeper = any(one.open for one in wild)
    found = [pair for one in (*changed, *met) for pair in witnesses(one, depth, deeper=deeper)]
    # Of families with one witness the one with the most segments says best where it is.
    return dict(sorted(found, key=lambda pair: len(pair[1].parts)))


def _difference(one: Family, old: Decision, new: Decision, before: Policies, after: Policies) -> Difference | None:
    if old.mask == new.mask and not _limited(old) and not _limited(new):
        return None
    had, has = _abilities(old), _abilities(new)
    if had == has:
        return None
    gains, loses = tuple(sorted(has - had)), tuple(sorted(had - has))
    by = [before[place] for place, _ in old.winners] if loses else []
    given = {ability.partition(" ")[0] for ability in gains}
    by += [after[place] for place, match in new.winners if loses or given & granted(match.mask)]
    return Difference(one.label, gains, loses, tuple(dict.fromkeys(by)))


def _limited(decision: Decision) -> bool:
    return any(len(rule) > 2 for _, match in decision.winners for rule in match.rules)


def _abilities(decision: Decision) -> frozenset[str]:
    """What is granted, each with what limits it."""
    names = granted(decision.mask)
    if not names or not _limited(decision):
        return names
    return frozenset(f"{name}{limit}" for name, limit in limits(names, [match for _, match in decision.winners]).items())


def _widest(found: list[tuple[Family, Difference]]) -> tuple[Difference, ...]:
    """Leave out what a wider family says already, and repeats."""
    if len(found) == 1:
        return (found[0][1],)
    kept: list[tuple[Family, Difference]] = []
    by_effect: dict[tuple[Any, Any], list[Family]] = {}
    for one, difference in sorted(found, key=lambda pair: (len(pair[0].parts), not pair[0].open, pair[1].path)):
        wider = by_effect.setdefault((difference.gains, difference.loses), [])
        path = one.witness(len(one.parts) + 1)
        # What holds of a folder's name holds of the folder.
        if not any(other.covers(path) or other.covers(path.removesuffix("/")) for other in wider):
            kept.append((one, difference))
            wider.append(one)
    return tuple(difference for _, difference in sorted(kept, key=lambda pair: pair[1].path))
