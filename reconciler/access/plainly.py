"""The usual case, told without comparing: one policy comes or goes whose paths nothing else that its holder has covers.

The first apply of a large repository is thousands of these.
"""

from __future__ import annotations

from collections.abc import Iterable

from .vault_acl import Match, Policy


class Roots:
    """The first segments of the paths that policies cover, looked at once each."""

    def __init__(self) -> None:
        self._known: dict[Policy, frozenset[str] | None] = {}

    def of(self, policy: Policy) -> frozenset[str] | None:
        """None where a first segment is left open."""
        if policy not in self._known:
            self._known[policy] = _roots(policy)
        return self._known[policy]

    def apart(self, policy: Policy, others: Iterable[Policy]) -> bool:
        """Whether no path is covered both by a policy and by one of the others."""
        mine = self.of(policy)
        return mine is not None and all((theirs := self.of(other)) is not None and mine.isdisjoint(theirs) for other in others)


def _roots(policy: Policy) -> frozenset[str] | None:
    if policy.wild:
        firsts = [wild.parts[0] for wild in policy.wild]
        if "+" in firsts or any(wild.prefix and len(wild.parts) == 1 for wild in policy.wild):
            return None
    else:
        firsts = []
    if any("/" not in start for start in policy.prefixes):
        return None
    return frozenset([*firsts, *(path.partition("/")[0] for path in (*policy.exact, *policy.prefixes))])


def separate_rules(policy: Policy) -> list[tuple[str, Match]] | None:
    """The rules of a policy no two of which cover the same path, with their patterns; None where two may."""
    if policy.wild:
        return None
    keys = sorted([*policy.exact, *policy.prefixes])
    # What begins with a prefix stands right after it.
    for place, key in enumerate(keys[:-1]):
        if key in policy.prefixes and keys[place + 1].startswith(key):
            return None
    return list(policy.matches())
