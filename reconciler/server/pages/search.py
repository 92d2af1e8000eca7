"""Finding objects among many: every word that is asked for has to be in the address."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from .sources import Resource


def found_in(rows: Sequence[Resource], asked: str, kind: str = "") -> Sequence[Resource]:
    """The objects of a kind ("": of any) with all words in their address, in whatever case."""
    words = asked.casefold().split()
    return [row for row in rows if (not kind or row.kind == kind) and _holds(row.address.casefold(), words)]


def _holds(address: str, words: Sequence[str]) -> bool:
    return all(word in address for word in words)


def sizes(rows: Sequence[Resource]) -> Mapping[str, int]:
    """How many objects there are of each kind."""
    return dict(sorted(Counter(row.kind for row in rows).items()))
