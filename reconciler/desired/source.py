"""Sources and documents: parsed values, and the lines that they came from.

Lines of single keys are needed only for messages, so they are looked up then, by composing the text anew.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from yaml.nodes import MappingNode, Node, SequenceNode

from reconciler.core.resource import Origin

from .compose import compose

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """One YAML text, and how its lines are called. `lines` maps a rendered line to the line of its template."""

    file: str
    text: bytes
    lines: tuple[int, ...] = ()
    via: str = ""

    def origin(self, line: int) -> Origin:
        """Name a line of the text, counted from 1."""
        if self.lines:
            line = self.lines[min(line, len(self.lines)) - 1]
        return Origin(self.file, line, self.via)

    def find(self, number: int, path: Path) -> Origin:
        """Name the line of the deepest part of `path` that document `number` has."""
        node = _nodes(self)[number]
        line: int = node.start_mark.line
        for part in path:
            step = _step(node, part)
            if step is None:
                break
            line, node = step
        return self.origin(line + 1)


class Patch(NamedTuple):
    """A patch of a document. `skipped`: how many steps of a path the patch leaves out (1: it is onto the spec alone)."""

    document: Document
    body: dict[str, Any]
    skipped: int

    def at(self, path: Path) -> Origin | None:
        """The line of the patch that wrote what stands at `path`; None if it did not."""
        value: Any = self.body
        for part in path:
            if not isinstance(value, dict):
                break  # anything but a map is replaced whole
            if part not in value:
                return None
            value = value[part]
        return self.document.at(("patch", *path[self.skipped :]))


class Document(NamedTuple):
    """One YAML document that is a map, where it stands, and what was patched onto it."""

    source: Source
    number: int
    line: int
    body: dict[str, Any]
    patches: tuple[Patch, ...] = ()

    @property
    def origin(self) -> Origin:
        return self.source.origin(self.line)

    def at(self, path: Path) -> Origin:
        """The line of a key, or of the deepest part of its path that is there."""
        for patch in reversed(self.patches):
            origin: Origin | None = patch.at(path) if path else None
            if origin:
                return origin
        return self.source.find(self.number, path)


@lru_cache(maxsize=4)
def _nodes(source: Source) -> list[Node]:
    return list(compose(source.text))


def _step(node: Node, part: str | int) -> tuple[int, Node] | None:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if key.value == part:
                return key.start_mark.line, value
    elif isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part].start_mark.line, node.value[part]
    return None
