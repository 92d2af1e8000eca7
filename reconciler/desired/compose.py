"""YAML text -> nodes: PyYAML's composer (libyaml's where it is there), without its resolving of tags."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml
from yaml.composer import Composer, ComposerError
from yaml.nodes import Node
from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner

MAX_DEPTH = 100  # deeper than any server's API; the C composer would overflow the stack at 100,000


class _Unresolved:
    """Leaves every tag that is not written empty, and stops before the stack does."""

    depth = 0

    def resolve(self, _kind: object, _value: object, _implicit: object) -> str:
        return ""

    def descend_resolver(self, parent: Node | None, _index: object) -> None:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise ComposerError(None, None, f"nested deeper than {MAX_DEPTH} levels", parent.start_mark if parent else None)

    def ascend_resolver(self) -> None:
        self.depth -= 1


class Portable(_Unresolved, Reader, Scanner, Parser, Composer):
    """In pure Python, for an interpreter without libyaml."""

    def __init__(self, stream: bytes) -> None:
        Reader.__init__(self, stream)
        Scanner.__init__(self)
        Parser.__init__(self)
        Composer.__init__(self)


def _fastest() -> type[Any]:
    if not yaml.__with_libyaml__:
        return Portable
    from yaml.cyaml import CSafeLoader

    # Its second ancestor is the C parser and composer, which the stubs do not export; the others resolve and construct.
    return type("Fast", (_Unresolved, CSafeLoader.__mro__[1]), {})


FASTEST = _fastest()


def compose(text: bytes, composer: type[Any] = FASTEST) -> Iterator[Node]:
    """Yield the root node of each document. Raises yaml.YAMLError."""
    composing = composer(text)
    while composing.check_node():
        yield composing.get_node()
