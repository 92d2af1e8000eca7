"""Samples: what the contract suite creates, changes and deletes for each kind, on a real server."""

from __future__ import annotations

from typing import Any, NamedTuple


class Sample(NamedTuple):
    """A spec as YAML has it, and the same object changed. `needs`: (kind, name, spec) that must stand before it."""

    name: str
    spec: dict[str, Any]
    changed: dict[str, Any]
    needs: tuple[tuple[str, str, dict[str, Any]], ...] = ()
    secrets: dict[str, str] = {}
    """Values of the sources that the spec names, by source."""
    client: str = ""
    """The fixture whose client the sample needs, where it is not the usual one."""
