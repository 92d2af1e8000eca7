"""Answers about one state: what a subject may do on a path and why, who may, and everything that a subject may do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal, NamedTuple

from reconciler.core.address import Address

from .book import Book
from .compare import differences
from .holders import POLICY, Holders, Specs
from .limits import limits
from .masks import granted
from .vault_acl import Decision, Match, Policy, decide

Verdict = Literal["grants", "denies", "shadowed", "conditional"]


class Reason(NamedTuple):
    """One rule that covers the path: whether it counts, whose it is, and who of the subject's groups brings it."""

    policy: Address
    rule: str
    effect: Verdict
    capabilities: tuple[str, ...]
    holder: Address
    limit: str = ""


class Explanation(NamedTuple):
    """What a subject may do on a path. `conditional`: what it may where a template's value, known only at login, fits."""

    subject: Address
    path: str
    capabilities: frozenset[str]
    because: tuple[Reason, ...]
    conditional: frozenset[str] = frozenset()


class Holding(NamedTuple):
    """One line of what a subject may do."""

    path: str
    capabilities: tuple[str, ...]
    via: tuple[Address, ...]


class Who(NamedTuple):
    """Somebody who may, and by which policies. `conditional`: only if a template's value, known at login, fits."""

    subject: Address
    via: tuple[Address, ...]
    conditional: bool = False


class Access:
    """One state, ready to be asked."""

    def __init__(self, specs: Specs, now: datetime | None = None) -> None:
        self.holders = Holders(specs)
        self.book = Book(specs, now)

    def policies(self, subject: Address) -> dict[Address, tuple[Policy, Address]]:
        """What counts for a subject: each policy, compiled, and who names it."""
        who = self.holders.identity(subject)
        return {name: (self.book.policy(name, who), holder) for name, holder in self.holders.held(subject).items()}

    def explain(self, subject: Address, path: str) -> Explanation:
        """What the subject may do on a path, with every rule that covers it."""
        held = self.policies(subject)
        asked = absolute(subject, path)
        decision = decide([policy for policy, _ in held.values()], asked)
        reasons = list(_reasons(held, decision, asked))
        maybe = frozenset(
            name for reason in reasons if reason.effect == "conditional" for name in reason.capabilities if name not in decision.names
        )
        order = ("denies", "grants", "conditional", "shadowed")
        reasons.sort(key=lambda reason: (order.index(reason.effect), reason.policy, reason.rule))
        return Explanation(subject, path, decision.names, tuple(reasons), maybe)

    def who_can(self, path: str, capability: str | None, namespace: str = "") -> Iterator[Who]:
        """Everybody who may, in any namespace that reaches the path."""
        whole = f"{namespace}/{path}" if namespace else path
        for subject in sorted(self.holders.subjects()):
            held = self.policies(subject)
            decision = decide([policy for policy, _ in held.values()], whole)
            if _may(decision.mask, capability):
                names = list(held)
                yield Who(subject, tuple(sorted({names[place] for place, match in decision.winners if _may(match.mask, capability)})))
                continue
            maybe = {name for name, (policy, _) in held.items() for match in _possible(policy, whole) if _may(match.mask, capability)}
            if maybe:
                yield Who(subject, tuple(sorted(maybe)), conditional=True)

    def audit(self, subject: Address) -> tuple[Holding, ...]:
        """Everything that a subject may do, by the patterns of its rules."""
        held = self.policies(subject)
        names = {policy: name for name, (policy, _) in held.items()}
        found = differences((), tuple(names), subject.place.namespace)
        return tuple(Holding(one.path, one.gains, tuple(sorted(names[policy] for policy in one.by))) for one in found)


def absolute(subject: Address, path: str) -> str:
    """A path as the subject's namespace reaches it, from the instance's own namespace."""
    namespace = subject.place.namespace if subject.kind.startswith("vault.") else ""
    return f"{namespace}/{path.lstrip('/')}" if namespace else path.lstrip("/")


def _may(mask: int, capability: str | None) -> bool:
    names = granted(mask)
    return bool(names) and (capability is None or capability in names or "root" in names)


def _reasons(held: Mapping[Address, tuple[Policy, Address]], decision: Decision, path: str) -> Iterator[Reason]:
    winning = {id(match) for _, match in decision.winners}  # each policy has its own
    denied = not granted(decision.mask)
    for name, (policy, holder) in held.items():
        if policy.root or policy.broken:
            yield Reason(name, "*", "grants" if policy.root else "denies", ("root" if policy.root else "deny",), holder, policy.broken)
            continue
        for match in policy.covering(path):
            given = tuple(sorted(granted(match.mask)))
            effect: Verdict = "shadowed" if id(match) not in winning or (denied and given) else "grants" if given else "denies"
            limit = " and ".join(sorted({text.strip(" ()") for text in limits(given, [match]).values() if text}))
            yield Reason(name, match.path, effect, given or ("deny",), holder, limit)
        for match in _possible(policy, path):
            yield Reason(name, match.path, "conditional", tuple(sorted(granted(match.mask))) or ("deny",), holder)


_DIRECTIVE = re.compile(r"(\{\{.*?\}\}|\+(?=/|$)|\*$)", re.DOTALL)


def _possible(policy: Policy, path: str) -> list[Match]:
    """Rules with directives that are not filled in, and which would cover the path for some value."""
    return [match for pattern, match in policy.open_ended() if _pattern(pattern).fullmatch(path)]


def _pattern(pattern: str) -> re.Pattern[str]:
    parts = _DIRECTIVE.split(pattern)
    return re.compile("".join(_open(part) if place % 2 else re.escape(part) for place, part in enumerate(parts)), re.DOTALL)


def _open(part: str) -> str:
    return ".*" if part == "*" else "[^/]*" if part == "+" else "[^/]+"


__all__ = ["POLICY", "Access", "Explanation", "Holding", "Reason", "Who"]
