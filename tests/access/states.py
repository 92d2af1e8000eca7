"""States for tests: objects of real kinds, written as in YAML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reconciler.core.address import Address, parse_address
from reconciler.kinds import KINDS


def state(objects: Mapping[str, Mapping[str, Any]]) -> dict[Address, Any]:
    """Address as text -> spec as in YAML."""
    found = {parse_address(text): given for text, given in objects.items()}
    return {address: KINDS[address.kind].spec.model_validate(given) for address, given in found.items()}
