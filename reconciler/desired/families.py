"""Families: documents that are one text but for a word of their name, and here and there a value.

Anti-unification from the names: of each document, every word of its name (or namespace) is tried as the part that
varies. Where that word stands in the rest of the document too, other values may vary as well, as long as they are few.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from reconciler.core.address import Address

Document = Mapping[str, Any]
Pattern = tuple[Any, ...]
Path = tuple[str | int, ...]

FEWEST = 3  # two may be alike by chance
MOST_VALUES = 2  # beside the name; with more of them a template says less than the documents
HOLE = "\0"

_WORDS = re.compile(r"[A-Za-z0-9]+")
_JINJA = ("{%", "{#", "#}", "%}")
_HEAD = ("kind", "name", "instance", "namespace")
FIXED = frozenset({"kind", "type", "attribute"})  # words of ours and of the servers, never names that somebody chose
_FILLS = (str, int, bool)  # what a parameter may be


class Family(NamedTuple):
    """Documents by the word in which they differ, and the paths of other values that vary among them."""

    members: Mapping[str, Address]
    varying: tuple[Path, ...] = ()


@lru_cache(maxsize=65536)
def _word(text: str) -> re.Pattern[str]:
    """Finds a word where it stands for itself: `a` is no part of `data`."""
    return re.compile(rf"(?<![A-Za-z0-9]){re.escape(text)}(?![A-Za-z0-9])")


def holed(text: str, word: str, hole: str = HOLE) -> str:
    """A text with `hole` wherever the word stands."""
    return _word(word).sub(lambda _: hole, text) if word in text else text


def families(documents: Mapping[Address, Document]) -> list[Family]:
    """Every family of at least three, the same documents in as many of them as they fit."""
    found: dict[Pattern, dict[str, Address]] = {}
    for address, document in documents.items():
        if not _is_template(document):
            for word in _candidates(document):
                found.setdefault(_pattern(document, word), {})[word] = address
    return [family for members in found.values() if len(members) >= FEWEST for family in _alike(members, documents)]


def _is_template(node: Any) -> bool:
    """Whether a text would be read as a template's own statements."""
    if isinstance(node, str):
        return any(sign in node for sign in _JINJA)
    if isinstance(node, Mapping):
        return any(_is_template(entry) for pair in node.items() for entry in pair)
    return isinstance(node, list) and any(map(_is_template, node))


def _candidates(document: Document) -> set[str]:
    """Runs of words in one part of the name or namespace: of `approle/svc-a` svc, a, svc-a and approle."""
    found = set()
    for part in f"{document['name']}/{document.get('namespace', '')}".split("/"):
        spans = [match.span() for match in _WORDS.finditer(part)]
        runs = {part[start:end] for number, (start, _) in enumerate(spans) for _, end in spans[number:]}
        # One letter is a word of any text, unless it is the whole name.
        found |= {run for run in runs if len(run) > 1 or run == part}
    return found


def _pattern(document: Document, word: str) -> Pattern:
    head = tuple((key, document[key] if key in FIXED else holed(document[key], word)) for key in _HEAD if key in document)
    rest = {key: value for key, value in document.items() if key not in _HEAD}
    return (*head, _shape(rest, word, loose=_holds(rest, word)))


def _holds(node: Any, word: str) -> bool:
    if isinstance(node, str):
        return word in node and _word(word).search(node) is not None
    if isinstance(node, Mapping):
        return any(_holds(entry, word) for key, entry in node.items() if key not in FIXED)
    return isinstance(node, list) and any(_holds(entry, word) for entry in node)


def _shape(node: Any, word: str, *, loose: bool) -> Any:
    """A document with holes for the word. `loose`: other values stand for any of their type."""
    if isinstance(node, Mapping):
        return tuple(
            (key, ("value", str, value)) if key in FIXED else (holed(key, word), _shape(value, word, loose=loose))
            for key, value in node.items()
        )
    if isinstance(node, list):
        return ("list", *(_shape(entry, word, loose=loose) for entry in node))
    if isinstance(node, str) and _holds(node, word):
        return holed(node, word)
    return type(node) if loose and isinstance(node, _FILLS) else ("value", type(node), node)


def _alike(members: Mapping[str, Address], documents: Mapping[Address, Document]) -> Iterator[Family]:
    """The family, or where too much varies the parts of it in which nothing does."""
    values = {word: dict(_values(documents[address], word)) for word, address in members.items()}
    # The same list positions in all, but keys may hold the word: paths are told with the hole in its place.
    paths = list(next(iter(values.values())))
    varying = [path for path in paths if len({repr(one[path]) for one in values.values()}) > 1]
    columns = {tuple(repr(one[path]) for one in values.values()) for path in varying}
    if len(columns) <= MOST_VALUES:
        yield Family(members, tuple(varying))
        return
    parts: dict[str, dict[str, Address]] = {}
    for word, address in members.items():
        parts.setdefault(repr(values[word]), {})[word] = address
    yield from (Family(part) for part in parts.values() if len(part) >= FEWEST)


def _values(node: Any, word: str, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The values of a document that do not hold the word, by path."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            if key not in FIXED:
                yield from _values(value, word, (*path, holed(key, word)))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from _values(value, word, (*path, index))
    elif not _holds(node, word):
        yield path, node
