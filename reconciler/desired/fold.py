"""Fold: what repeats becomes a template and a list of what is filled in.

Families whose words are the same (a policy, a role and a secret for each of `web`, `api`, `mail`) become one template.
Chosen greedily: the template that saves most documents first, then the next one of what is left.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from reconciler.core.address import Address

from .expressions import RESERVED
from .families import FEWEST, FIXED, HOLE, Document, Family, Path, families, holed
from .output import write_yaml

NAME = "name"
_EXPRESSION = f"${{{{ {NAME} }}}}"
MOST_TEMPLATES = 50  # more of them nobody reads
_SEEDS = 40  # families from which a template is tried to grow; the largest ones
_SEPARATORS = re.compile(r"[^A-Za-z0-9]+")
_TYPES: Mapping[type, str] = {bool: "boolean", int: "integer", str: "string"}


class Fold(NamedTuple):
    """A template, the document that instantiates it, and what that declares."""

    name: str
    template: str
    use: Mapping[str, Any]
    addresses: tuple[Address, ...]


class _Group(NamedTuple):
    words: tuple[str, ...]
    families: tuple[Family, ...]

    @property
    def saved(self) -> int:
        return len(self.families) * (len(self.words) - 1)

    @property
    def addresses(self) -> tuple[Address, ...]:
        return tuple(sorted({family.members[word] for family in self.families for word in self.words}))


class _Column(NamedTuple):
    """One more parameter: its value for each word."""

    values: Mapping[str, Any]
    places: frozenset[tuple[int, Path]]  # in which document of the template, and where there


def fold(documents: Mapping[Address, Document], taken: Collection[str] = ()) -> Iterator[Fold]:
    """Yield templates for what repeats. `taken`: names of templates that are there."""
    left = dict(documents)
    found = families(left)
    names = set(taken)
    for _ in range(MOST_TEMPLATES):
        found = list(_remaining(found, left))
        group = _best(found)
        if group is None:
            return
        name = _free(_called(group, left), names)
        names.add(name)
        yield _folded(name, group, left)
        for address in group.addresses:
            del left[address]


def _remaining(found: Iterable[Family], left: Mapping[Address, Document]) -> Iterator[Family]:
    for family in found:
        members = {word: address for word, address in family.members.items() if address in left}
        if len(members) >= FEWEST:
            yield family._replace(members=members)


def _best(found: list[Family]) -> _Group | None:
    by_word: dict[str, list[int]] = {}
    for index, family in enumerate(found):
        for word in family.members:
            by_word.setdefault(word, []).append(index)
    seeds = sorted(range(len(found)), key=lambda index: (-len(found[index].members), index))[:_SEEDS]
    groups = [_grown(seed, found, by_word) for seed in seeds]
    # Of two ways to say the same, the one whose words are longer leaves less in the template that is not the name.
    return max(groups, key=lambda group: (group.saved, sum(map(len, group.words)), group.words), default=None)


def _grown(seed: int, found: list[Family], by_word: Mapping[str, list[int]]) -> _Group:
    """Take in families that have the same words, as long as the template covers more documents by it."""
    chosen, words = [seed], set(found[seed].members)
    shared = Counter(index for word in words for index in by_word[word])
    used = set(found[seed].members.values())
    for index, _ in sorted(shared.items(), key=lambda pair: (-pair[1], pair[0])):
        both = words & found[index].members.keys()
        grows = len(both) >= FEWEST and (len(chosen) + 1) * len(both) > len(chosen) * len(words)
        if index not in chosen and grows and not used & {found[index].members[word] for word in both}:
            chosen.append(index)
            words = both
            used |= {found[index].members[word] for word in both}
    members = sorted((found[index] for index in chosen), key=lambda family: min(family.members.values()))
    return _Group(tuple(sorted(words)), tuple(members))


def _called(group: _Group, documents: Mapping[Address, Document]) -> str:
    """What stands right beside the word in a name (`svc` of `svc-web`), or else the kinds."""
    first = group.words[0]
    for family in group.families:
        parts = documents[family.members[first]]["name"].split("/")
        beside = (holed(part, first, " ") for part in parts if holed(part, first) != part)
        words = [word for part in beside for word in _SEPARATORS.split(part) if word]
        if words:
            return "-".join(words)
    kinds = dict.fromkeys(address.kind.partition(".")[2] for address in group.addresses)
    return "-".join(list(kinds)[:3])


def _free(name: str, names: Collection[str]) -> str:
    number = 1
    while (free := name if number == 1 else f"{name}-{number}") in names:
        number += 1
    return free


def _folded(name: str, group: _Group, documents: Mapping[Address, Document]) -> Fold:
    first = group.words[0]
    columns = _columns(group, documents)
    declared: dict[str, dict[str, Any]] = {NAME: {"type": "string"}}
    holes: dict[tuple[int, Path], str] = {}
    usual: dict[str, Any] = {}
    for column in columns:
        parameter = _free(_parameter(column), {*declared, *RESERVED})
        (value, count), *_ = sorted(Counter(column.values.values()).items(), key=lambda pair: (-pair[1], repr(pair[0])))
        declared[parameter] = {"type": _TYPES[type(value)], **({"default": value} if count > 1 else {})}
        usual |= {parameter: value} if count > 1 else {}
        holes |= dict.fromkeys(column.places, parameter)
    bodies = [_body(documents[family.members[first]], first, index, holes) for index, family in enumerate(group.families)]
    with_ = [
        {NAME: word} | {parameter: value for parameter, value in _given(word, columns, declared) if usual.get(parameter) != value}
        for word in group.words
    ]
    return Fold(name, write_yaml([{"parameters": declared}, *bodies]), {"template": name, "with": with_}, group.addresses)


def _given(word: str, columns: Iterable[_Column], declared: Iterable[str]) -> Iterator[tuple[str, Any]]:
    parameters = [parameter for parameter in declared if parameter != NAME]
    yield from ((parameter, column.values[word]) for parameter, column in zip(parameters, columns, strict=True))


def _columns(group: _Group, documents: Mapping[Address, Document]) -> list[_Column]:
    """Values that vary in step, wherever they stand, are one parameter."""
    found: dict[tuple[str, ...], _Column] = {}
    for index, family in enumerate(group.families):
        for path in family.varying:
            values = {word: _at(documents[family.members[word]], path, word) for word in group.words}
            key = tuple(repr(values[word]) for word in group.words)
            if len(set(key)) > 1:
                column = found.get(key, _Column(values, frozenset()))
                found[key] = column._replace(places=column.places | {(index, path)})
    return list(found.values())


def _at(node: Any, path: Path, word: str) -> Any:
    for part in path:
        node = node[part.replace(HOLE, word) if isinstance(part, str) else part]
    return node


def _parameter(column: _Column) -> str:
    """The field that it stands in gives a parameter its name."""
    _, path = min(column.places, key=lambda place: (place[0], str(place[1])))
    words = [part for part in path if isinstance(part, str) and part.isidentifier()]
    return words[-1] if words else "value"


def _body(node: Any, word: str, index: int, holes: Mapping[tuple[int, Path], str], path: Path = ()) -> Any:
    """A document of the template: expressions in place of what varies."""
    if (index, path) in holes:
        return f"${{{{ {holes[index, path]} }}}}"
    if isinstance(node, Mapping):
        return {
            holed(key, word, _EXPRESSION): value if key in FIXED else _body(value, word, index, holes, (*path, holed(key, word)))
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_body(value, word, index, holes, (*path, place)) for place, value in enumerate(node)]
    return holed(node, word, _EXPRESSION) if isinstance(node, str) else node
