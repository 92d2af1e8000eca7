"""What template values are while the text around them is rendered: unguessable plain words.

They are put back after the YAML is parsed, so that no value, however written, is read as YAML. Source lines travel
through the rendering as marks, and are cut out again before the YAML parser sees the text.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .expressions import Unresolved, as_text, whole

MAX_STEPS = 100_000  # loop turns and calls of one instance; counted, not timed, so that every machine agrees

_MARK = re.compile("\x02\\d+\x03")
_LEADING = re.compile("(?:\\s|\x02\\d+\x03)*\x02(\\d+)\x03")  # the last mark before anything that shows
_ENDS = re.compile("^(?:\\s|\x02\\d+\x03)+|(?:\\s|\x02\\d+\x03)+$")


class Structure(str):
    """Text that a macro made: YAML of the template itself, not a value."""

    __slots__ = ()


class Rendered(NamedTuple):
    """Text to parse as YAML, the template line of each of its lines, and the values to put back afterwards."""

    text: str
    lines: tuple[int, ...]
    prefix: str
    values: tuple[Any, ...]

    def put_back(self, value: Any) -> Any:
        """Replace the words in parsed YAML by what they stand for; a scalar that is one word keeps its type. Raises Unresolved."""
        if isinstance(value, str):
            return self._put_back_text(value) if self.prefix[:-1] in value.casefold() else value
        if isinstance(value, list):
            return [self.put_back(entry) for entry in value]
        if isinstance(value, dict):
            return {as_text(self.put_back(key)): self.put_back(entry) for key, entry in value.items()}
        return value

    def _put_back_text(self, text: str) -> Any:
        word = re.compile(f"{self.prefix}(\\d+)e")
        alone = word.fullmatch(text)
        if alone:
            return self.put_back(self.values[int(alone[1])])
        filled = word.sub(lambda found: as_text(self.put_back(self.values[int(found[1])])), text)
        if self.prefix[:-1] in filled.casefold():
            raise Unresolved("a filter changed the text of a macro", "apply filters to the values inside the macro")
        return whole(filled)


@dataclass(slots=True)
class Capture:
    """One rendering: the values so far, and the steps left."""

    prefix: str = field(default_factory=lambda: f"v{secrets.token_hex(12)}n")
    values: list[Any] = field(default_factory=list)
    steps: int = MAX_STEPS

    def word(self, value: Any) -> str:
        """Keep a value, and return the word that stands for it in the text."""
        self.values.append(value)
        return f"{self.prefix}{len(self.values) - 1}e"

    def step(self) -> None:
        """Count one loop turn or call. Raises Unresolved at the limit."""
        self.steps -= 1
        if self.steps < 0:
            raise Unresolved(f"takes more than {MAX_STEPS:,} loop turns and calls", "loop over less")

    def rendered(self, marked: str) -> Rendered:
        """Cut the line marks out of the text."""
        lines: list[int] = []
        last = 1
        for line in marked.split("\n"):
            found = _LEADING.match(line)
            last = int(found[1]) if found else last
            lines.append(last)
        return Rendered(_MARK.sub("", marked), tuple(lines), self.prefix, tuple(self.values))


def mark_lines(text: str, line: int) -> str:
    """Write its number before each line of a piece of template text that begins in `line`."""
    return "\n".join(f"\x02{line + number}\x03{part}" for number, part in enumerate(text.split("\n")))


def indent(text: str, width: int = 4, first: bool = False) -> str:
    """Indent lines (the filter `indent`); text of a macro stays structure."""
    lines = text.split("\n")
    blank = " " * min(int(width), 100)
    done = "\n".join(blank + line if line and (number or first) else line for number, line in enumerate(lines))
    return Structure(done) if isinstance(text, Structure) else done


def trim(text: str) -> str:
    """Cut blanks at both ends (the filter `trim`); text of a macro stays structure."""
    return Structure(_ENDS.sub("", text)) if isinstance(text, Structure) else str(text).strip()
