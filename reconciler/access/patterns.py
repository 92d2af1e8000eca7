"""Families of paths: what a rule's path covers, where two of them meet, and one path that stands for the rest.

A witness is a path that a family covers and that nothing else covers by accident: where the family leaves the text open,
it holds a sign that no rule names. To compare two sets of rules it is enough to ask both for the witnesses of their
families and of the meetings of one family from each side: wherever they differ, the two rules that decide there meet.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

FRESH = "\ue000"
"""Stands for any text in a witness. Of the private use area: nobody has it in a path."""

_LITERAL, _ANY, _BEGINS = "literal", "any", "begins"


class Part(NamedTuple):
    """One segment: literal text, any text, or any text that begins with it."""

    sort: str
    text: str = ""

    @property
    def sample(self) -> str:
        return self.text if self.sort == _LITERAL else self.text + FRESH

    @property
    def label(self) -> str:
        return {_LITERAL: self.text, _ANY: "+", _BEGINS: f"{self.text}*"}[self.sort]


class Family(NamedTuple):
    """All paths that one pattern covers. `open`: anything may follow the last segment, which then only begins a path."""

    parts: tuple[Part, ...]
    open: bool

    @property
    def plus(self) -> bool:
        """Whether the server sees segment wildcards in it (in `a/+b` too)."""
        return any(part.sort == _ANY or "+" in part.text for part in self.parts) or any(part.sort == _BEGINS for part in self.parts[:-1])

    @property
    def exact(self) -> bool:
        """Whether it is one path, for which the server looks first."""
        return not self.open and self.parts[-1].sort != _BEGINS and not self.plus

    @property
    def wild(self) -> bool:
        """Whether it is neither one path nor all paths with one beginning, as the server sees it."""
        return self.plus or (not self.open and self.parts[-1].sort == _BEGINS)

    @property
    def beginning(self) -> str:
        """What all its paths begin with."""
        fixed = []
        for part in self.parts:
            fixed.append(part.text)
            if part.sort != _LITERAL:
                break
        return "/".join(fixed)

    @property
    def label(self) -> str:
        """The pattern as rules write it."""
        return "/".join(part.label for part in self.parts)

    def witness(self, depth: int = 0) -> str:
        """A path of the family, for an open one with at least `depth` segments."""
        path = "/".join(part.sample for part in self.parts)
        return path + f"/{FRESH}" * (depth - len(self.parts)) if self.open else path

    def covers(self, path: str) -> bool:
        """Whether a path, or a witness, belongs to the family."""
        segments = path.split("/")
        if len(segments) < len(self.parts) or (not self.open and len(segments) > len(self.parts)):
            return False
        return all(_fits(part, segment) for part, segment in zip(self.parts, segments, strict=False))


def _fits(part: Part, segment: str) -> bool:
    return part.sort == _ANY or (segment == part.text if part.sort == _LITERAL else segment.startswith(part.text))


def family(pattern: str) -> Family:
    """The family of a rule's path."""
    is_open = pattern.endswith("*")
    *texts, last = (pattern[:-1] if is_open else pattern).split("/")
    parts = [Part(_ANY) if text == "+" else Part(_LITERAL, text) for text in texts]
    ending = Part(_BEGINS, last) if is_open else Part(_ANY) if last == "+" else Part(_LITERAL, last)
    return Family((*parts, ending), is_open)


def meeting(first: Family, second: Family) -> Family | None:
    """The paths that both families have; None for none."""
    short, long = (first, second) if len(first.parts) <= len(second.parts) else (second, first)
    if len(short.parts) < len(long.parts) and not short.open:
        return None
    parts: list[Part] = []
    for place, other in enumerate(long.parts):
        if place >= len(short.parts):
            parts.append(other)
            continue
        part = _narrower(short.parts[place], other)
        if part is None:
            return None
        parts.append(part)
    return Family(tuple(parts), short.open and long.open)


def _narrower(first: Part, second: Part) -> Part | None:
    if first.sort == _ANY:
        return second if second != Part(_BEGINS) else first
    if second.sort == _ANY:
        return _narrower(second, first)
    if first.sort == _LITERAL:
        return first if _fits(second, first.text) else None
    if second.sort == _LITERAL:
        return _narrower(second, first)
    longer, shorter = (first, second) if len(first.text) >= len(second.text) else (second, first)
    return longer if longer.text.startswith(shorter.text) else None


class Shape(NamedTuple):
    """The families of one policy, sorted by how much thought they need."""

    every: tuple[Family, ...]
    unbound: tuple[Family, ...]  # more than one path
    wild: tuple[Family, ...]

    @classmethod
    def of(cls, patterns: Iterable[str]) -> Shape:
        every = tuple(map(family, patterns))
        unbound = tuple(one for one in every if not one.exact)
        return cls(every, unbound, tuple(one for one in unbound if one.wild))


def meetings(mine: Iterable[Shape], theirs: Iterable[Shape]) -> list[Family]:
    """The meetings of each family here with each there for which no family alone stands.

    One path meets nothing but itself, and of two plain prefixes one holds the other.
    """
    met = []
    for here in mine:
        for there in theirs:
            if here.unbound and there.wild:
                met += [meeting(one, other) for one in here.unbound for other in there.wild]
            if here.wild and there.unbound:
                met += [meeting(one, other) for one in here.wild for other in there.unbound if not other.wild]
    return [one for one in met if one is not None]


def witnesses(one: Family, depth: int, *, deeper: bool) -> Iterator[tuple[str, Family]]:
    """The witnesses of one family among others that have `+` segments, each with what it stands for.

    `depth`: more segments than any pattern has. `deeper`: some open pattern has `+` segments, so that the same family may
    be decided otherwise at each depth.
    """
    # A folder itself (`LIST a/b/`) is covered by `a/b/*` first, and then by `a/+`, which covers nothing below it.
    if one.parts[-1] == Part(_BEGINS) or not one.open:
        folder = Family((*(one.parts[:-1] if one.open else one.parts), Part(_LITERAL)), False)
        yield folder.witness(), folder
    if deeper and one.open:
        for length in range(len(one.parts), depth):
            yield one.witness(length), one
    yield one.witness(depth), one
