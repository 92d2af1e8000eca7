"""Sets of capabilities as numbers, one bit each: comparing thousands of rules is then cheap."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Final

from .rules import CAPABILITIES

_BITS: Final[Mapping[str, int]] = {name: 1 << place for place, name in enumerate(CAPABILITIES)}
DENY: Final = _BITS["deny"]
ROOT: Final = 1 << len(CAPABILITIES)
"""What the built-in policy `root` gives: everything, everywhere."""


def joined(first: int, second: int) -> int:
    """Two rules of one path: what they grant adds up, and a deny beats all."""
    return DENY if (first | second) & DENY else first | second


def mask_of(names: Iterable[str]) -> int:
    """The bits of capabilities."""
    mask = 0
    for name in names:
        mask |= _BITS[name]
    return mask


@cache  # of two thousand masks some dozen are in use
def names_of(mask: int) -> frozenset[str]:
    """The capabilities as `sys/capabilities` has them: `deny` or `root` alone, or what is granted."""
    if mask & ROOT:
        return frozenset({"root"})
    if mask & DENY or not mask:
        return frozenset({"deny"})
    return frozenset(name for name, bit in _BITS.items() if mask & bit)


@cache
def granted(mask: int) -> frozenset[str]:
    """What a mask grants: unlike in `names_of`, nothing is nothing."""
    return frozenset() if mask & DENY or not mask else names_of(mask)
