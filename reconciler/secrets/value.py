"""A value on its way from a source to a write."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..core.errors import Invalid, Missing, Problem

ABSENT = "absent"
"""The mark of a source that has no value yet."""
UNKNOWN = ""
"""The mark where this login cannot tell: not compared."""
ATTEMPTS = 5  # to make a value while others write the same secret


@dataclass(frozen=True, slots=True)
class Value:
    """A value, and the mark of the version it was read from. Its text never shows."""

    text: str = field(repr=False)
    mark: str


def text_of(held: object, source: str) -> str:
    """A source's content as text. Raises Missing for nothing, Invalid for what is not one value."""
    if isinstance(held, bool) or not isinstance(held, str | int | float):
        raise Invalid([Problem(source, "", "holds a list, a map or nothing where a single value is needed")])
    if held == "":
        # CI systems hand out a secret that nobody set as an empty string: to write that would lock somebody out.
        raise Missing(f"{source} is empty (set it, or check its name)", path=source)
    return str(held)
