"""What a set of Vault or OpenBao policies allows on a path, as the server's own `sys/capabilities` would say it.

Of all rules that match a path one alone counts, and the capabilities that several policies give by a rule of that same
path add up; `deny` beats the rest of them. Which rule counts:

1. one that names the path exactly; for a path that ends in "/", then one that names it without the slash;
2. else, of prefixes (`a/*`) and segment wildcards (`a/+/b`, `a/+/*`): where the first wildcard stands latest; then one
   that does not end in `*`; then fewer `+` segments; then the longer one; then the later in the alphabet;
3. for a path that ends in "/", the same once more without the slash.

A policy is compiled once, and a path then costs a few dictionary look-ups, however many policies a login has.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from .masks import ROOT, joined, mask_of, names_of
from .rules import Rule

Rank = tuple[Any, ...]
_EXACT, _EXACT_FOLDER, _WILD, _WILD_FOLDER = 3, 2, 1, 0
"""In which order a path is looked for; folder: without its trailing slash."""


class Match(NamedTuple):
    """The rule, or the rules of one path, by which one policy decides. `rank` orders what is not exact."""

    rank: Rank
    mask: int
    rules: tuple[Rule, ...]

    @property
    def path(self) -> str:
        """The rule's path as it was written."""
        return self.rules[0]["path"] if self.rules else "*"


class _Wild(NamedTuple):
    """A rule with `+` segments, cut into its segments."""

    parts: tuple[str, ...]
    prefix: bool
    match: Match

    def covers(self, path: list[str]) -> bool:
        mine = len(self.parts)
        if len(path) < mine or (not self.prefix and len(path) != mine):
            return False
        for place, part in enumerate(self.parts):
            if part not in ("+", path[place]):
                return self.prefix and place == mine - 1 and path[place].startswith(part)
        return True


@dataclass(frozen=True, slots=True, eq=False)
class Policy:
    """A compiled policy. Two are equal only if they are one."""

    exact: Mapping[str, Match]
    prefixes: Mapping[str, Match]
    lengths: tuple[int, ...]  # of prefixes, longest first
    wild: tuple[_Wild, ...]  # what counts most first
    root: bool = False
    broken: str = ""
    """Why the server refuses whoever holds this policy everything."""

    def find(self, path: str) -> tuple[int, Match] | None:
        """The rule that counts for a path among those of this policy, and at which look it was found."""
        found = self.exact.get(path)
        if found is not None:
            return _EXACT, found
        if path[-1:] == "/":
            found = self.exact.get(path[:-1])
            if found is not None:
                return _EXACT_FOLDER, found
        found = self._widest(path)
        if found is not None:
            return _WILD, found
        found = self._widest(path[:-1]) if path[-1:] == "/" else None
        return (_WILD_FOLDER, found) if found is not None else None

    def _widest(self, path: str) -> Match | None:
        found = None
        for length in self.lengths:
            found = self.prefixes.get(path[:length]) if length <= len(path) else None
            if found is not None:
                break
        if self.wild:
            parts = path.split("/")
            for wild in self.wild:
                if found is not None and wild.match.rank < found.rank:
                    break
                if wild.covers(parts):
                    return wild.match
        return found

    def patterns(self) -> Iterator[str]:
        """The path of every rule, below its namespace."""
        return (pattern for pattern, _ in self.matches())

    def matches(self) -> Iterator[tuple[str, Match]]:
        """Every rule, with its path below its namespace."""
        yield from self.exact.items()
        yield from ((f"{start}*", match) for start, match in self.prefixes.items())
        yield from ((f"{'/'.join(wild.parts)}{'*' if wild.prefix else ''}", wild.match) for wild in self.wild)

    def covering(self, path: str) -> list[Match]:
        """Every rule that covers a path, whichever counts: the one that does comes first."""
        paths = (path, path[:-1]) if path[-1:] == "/" else (path,)
        found = {id(match): match for one in paths if (match := self.exact.get(one)) is not None}
        for one in paths:
            parts = one.split("/")
            wide = [self.prefixes[one[:length]] for length in self.lengths if one[:length] in self.prefixes and length <= len(one)]
            wide += [wild.match for wild in self.wild if wild.covers(parts)]
            found |= {id(match): match for match in sorted(wide, key=lambda match: match.rank, reverse=True) if id(match) not in found}
        return list(found.values())

    def open_ended(self) -> list[tuple[str, Match]]:
        """Rules whose path holds a directive that is not filled in."""
        return [(pattern, match) for pattern, match in self.matches() if "{{" in pattern]


ROOT_POLICY = Policy({}, {}, (), (), root=True)
NOTHING = Policy({}, {}, (), ())


@dataclass(slots=True)
class _Builder:
    exact: dict[str, Match] = field(default_factory=dict)
    prefixes: dict[str, Match] = field(default_factory=dict)
    wild: dict[str, Match] = field(default_factory=dict)

    def add(self, path: str, rule: Rule) -> None:
        place, key, rank = self._place(path)
        mask = mask_of(rule["capabilities"])
        before = place.get(key)
        if before is None:
            place[key] = Match(rank, mask, (rule,))
        else:  # two rules of one path that expire at different times
            place[key] = Match(rank, joined(before.mask, mask), (*before.rules, rule))

    def _place(self, path: str) -> tuple[dict[str, Match], str, Rank]:
        prefix = path[-1:] == "*"
        if "+" in path and (path == "+" or path[:2] == "+/" or "/+" in path):
            return self.wild, path, wild_rank(path)
        if prefix:
            start = path[:-1]
            size = _size(start)
            return self.prefixes, start, (size, False, 0, size, start)
        return self.exact, path, ()

    def done(self) -> Policy:
        wild = [
            _Wild(tuple((path[:-1] if path[-1] == "*" else path).split("/")), path[-1] == "*", match) for path, match in self.wild.items()
        ]
        wild.sort(key=lambda one: one.match.rank, reverse=True)
        return Policy(self.exact, self.prefixes, tuple(sorted(set(map(len, self.prefixes)), reverse=True)), tuple(wild))


def compiled(rules: Iterable[Rule], namespace: str = "", now: datetime | None = None) -> Policy:
    """Compile canonical rules of a policy that lies in `namespace`. Without `now` nothing has expired yet."""
    start = f"{namespace}/" if namespace else ""
    builder = _Builder()
    for rule in rules:
        if "expiration" in rule and now is not None and _moment(rule["expiration"]) < now:
            continue
        builder.add(start + rule["path"], rule)
    return builder.done()


def _moment(text: str) -> datetime:
    """A point in time as rules write it: RFC 3339, or seconds since 1970. Its form was checked with the rule."""
    if "T" not in text:
        return datetime.fromtimestamp(int(text), UTC)
    day, _, time = text.replace(",", ".").partition("T")
    return datetime.fromisoformat(f"{day}T{time.zfill(len(time) + (time[1:2] == ':'))}")


def wild_rank(path: str) -> Rank:
    """How much a rule with `+` segments counts. Lengths are bytes, as the server counts them."""
    prefix = path[-1] == "*"
    body = path[:-1] if prefix else path
    return _size(path[: path.index("+")]), not prefix, -body.split("/").count("+"), _size(body), body


def _size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


class Decision(NamedTuple):
    """What decides about one path: the capabilities, and by which policies (their places in the set) and rules."""

    mask: int
    winners: tuple[tuple[int, Match], ...] = ()

    @property
    def names(self) -> frozenset[str]:
        """The capabilities as `sys/capabilities` has them: `deny` or `root` alone, or what is granted."""
        return names_of(self.mask)


NO_DECISION = Decision(0)


def decide(policies: Iterable[Policy], path: str) -> Decision:
    """What a login with these policies may do on a path."""
    path = path.lstrip("/")
    best: tuple[int, Rank] | None = None
    winners: list[tuple[int, Match]] = []
    mask = 0
    for place, policy in enumerate(policies):
        if policy.root:
            return Decision(ROOT, ((place, Match((), ROOT, ())),))
        if policy.broken:
            return NO_DECISION
        found = policy.find(path)
        if found is None:
            continue
        stage, match = found
        if best is None or (stage, match.rank) > best:
            best, winners, mask = (stage, match.rank), [(place, match)], match.mask
        elif (stage, match.rank) == best:
            winners.append((place, match))
            mask = joined(mask, match.mask)
    return Decision(mask, tuple(winners))


def capabilities(policies: Iterable[Policy], path: str) -> frozenset[str]:
    """The capabilities on a path as `sys/capabilities` has them."""
    return decide(policies, path).names
